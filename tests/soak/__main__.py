"""Let issues come in for ten minutes while everything around them fails, and say whether every invariant held.

python -m tests.soak [--seconds N] [--seed N] [--data DIR]
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
from aiohttp import web

from tests.crash.invariants import broken, broken_at_hub, invariants, unheard
from tests.crash.scenarios import CHECK, QUICK_CHECKS
from tests.e2e.team import MODEL, make_repository
from tests.soak.disturbances import UNREACHABLE, Disturbances
from tests.soak.traffic import End, Moody, People, answers, otherwise
from workers.local.process import plain_environment
from workers.local.stack import Import, Options, Stack

REPOSITORIES = ("acme/one", "acme/two", "acme/three")
# US dollars, far beyond what an issue costs with a few calls lost in flight: money that leaks is refused in the end.
CAPS = {
    "AURORA_BUDGET_CALL": "1",
    "AURORA_BUDGET_TASK": "2",
    "AURORA_BUDGET_REPOSITORY_DAY": "20",
    "AURORA_BUDGET_DAY": "40",
}
LOOK = 5.0  # seconds between looks at what must always hold
REST = 420.0  # seconds that everything gets to come to rest
# Missed deliveries are looked for every five minutes, and asked for again after some more: here that passes sooner.
SOONER = (
    "DELETE FROM marks WHERE name = 'looked' AND at < now() - interval '5 seconds'",
    "UPDATE missed_deliveries SET due_at = now() + interval '5 seconds' WHERE due_at > now() + interval '5 seconds'",
)
MODEL_RATE = 0.05
PRICES = json.dumps({MODEL: {"input": 1, "output": 1}})
LIVE = "status NOT IN ('merged', 'escalated', 'cancelled', 'waiting', 'open', 'paused')"


async def soak(seconds: float, seed: int, data: Path) -> int:
    """Run, print the report and return the exit status."""
    model = Moody(dice=random.Random(seed), answers=answers())
    model.forget()
    async with _served(model), _stack(data, model) as stack:
        dice = random.Random(seed + 1)
        trouble = Disturbances(stack, dice)
        people = People(stack.person, REPOSITORIES, random.Random(seed + 2))
        found: Counter[str] = Counter()
        print(f"Soaking for {seconds:g} s with seed {seed} in {data}.", flush=True)
        works = [
            asyncio.create_task(people.file(lambda: _live(stack))),
            asyncio.create_task(people.talk()),
            asyncio.create_task(trouble.go_on()),
            asyncio.create_task(_watch(stack, found)),
        ]
        await trouble.switch_hub(on=True)
        model.rate = MODEL_RATE
        await asyncio.wait(works, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        model.rate = 0.0
        await trouble.switch_hub(on=False)
        for work in works:
            work.cancel()
        for ended in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        waited = await _rest(stack)
        injected = trouble.done + model.moods + Counter(await trouble.injected_by_hub())
        ends = await _print_ends(stack, people, waited)
        for name in ("work-1", "work-2", "serve"):  # nobody may be at work when it is looked for what was left
            await stack.programs.remove(name)
        found.update(await _look(stack, model, at_rest=True))
        _print_injected(injected)
        return ends | _print_found(found)


@asynccontextmanager
async def _served(model: Moody) -> AsyncIterator[None]:
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", model.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _stack(data: Path, model: Moody) -> AsyncIterator[Stack]:
    files = {"numbers/zero": "0\n", "check.sh": CHECK, ".github/aurora.yml": QUICK_CHECKS}
    imports = [Import(make_repository(data / "sources" / name, files), name) for name in REPOSITORIES]
    environment = {
        **plain_environment(),
        "AURORA_MODEL": MODEL,
        "AURORA_MODEL_PRICES": PRICES,
        "AURORA_SETUP_NETWORK": "never",
        **CAPS,
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "soak",
    }
    async with Stack(Options(data / "stack", workers=2, imports=tuple(imports)), environment) as stack:
        yield stack


async def _live(stack: Stack) -> int:
    """Return how many projects are under way; many when nobody can tell."""
    try:
        connection = await asyncpg.connect(stack.environment["AURORA_DATABASE_URL"], timeout=5, command_timeout=10)
    except UNREACHABLE:
        return sys.maxsize
    try:
        count: int = await connection.fetchval(f"SELECT count(*) FROM projects WHERE {LIVE}")
        return count
    except UNREACHABLE:
        return sys.maxsize
    finally:
        connection.terminate()


async def _look(stack: Stack, model: Moody | None, *, at_rest: bool) -> list[str]:
    connection = await asyncpg.connect(stack.environment["AURORA_DATABASE_URL"], timeout=10, command_timeout=30)
    try:
        found = await broken(connection, at_rest=at_rest)
        if at_rest and model is not None:
            found += await broken_at_hub(connection, _hub(stack))
            found += await _asked_unpaid(connection, model)
        return found
    finally:
        connection.terminate()


def _hub(stack: Stack) -> Path:
    """Return where the hub keeps what it knows."""
    return stack.data_dir / "hub" / "hub.sqlite3"


async def _asked_unpaid(connection: asyncpg.Connection, model: Moody) -> list[str]:
    """Return a sentence for each project that asked the model more often than it paid for."""
    rows = await connection.fetch(
        "SELECT project_id::text AS project, count(*) AS calls FROM token_usage WHERE status <> 'returned' GROUP BY 1"
    )
    paid = {row["project"]: row["calls"] for row in rows}
    asked = Counter(one.project for one in model.asked)
    return [
        f"Broken: a model is asked when it is paid: {project} asked {times} times and paid {paid.get(project, 0)} times"
        for project, times in asked.items()
        if times > paid.get(project, 0)
    ]


async def _watch(stack: Stack, found: Counter[str]) -> None:
    """Look again and again at what must hold at every moment."""
    while True:
        await asyncio.sleep(LOOK)
        with suppress(*UNREACHABLE):
            for sentence in await _look(stack, None, at_rest=False):
                found[sentence] += 1


async def _rest(stack: Stack) -> float:
    """Wait until nothing is under way any more; return the seconds that it took."""
    started = time.monotonic()
    while time.monotonic() - started < REST:
        if await _pending(stack) == 0:
            break
        await asyncio.sleep(1)
    return time.monotonic() - started


async def _pending(stack: Stack) -> int:
    """Return how many labelled issues have no project, and how much is unheard or unhandled."""
    try:
        connection = await asyncpg.connect(stack.environment["AURORA_DATABASE_URL"], timeout=5, command_timeout=10)
        try:
            pending: int = await connection.fetchval(
                f"SELECT (SELECT count(*) FROM projects WHERE {LIVE})"
                " + (SELECT count(*) FROM deliveries WHERE handled_at IS NULL)"
                " + (SELECT count(*) FROM agent_messages m WHERE handled_at IS NULL AND NOT EXISTS"
                " (SELECT FROM projects p WHERE p.id = m.correlation_id AND p.status = 'paused'))"
            )
            pending += len(await unheard(connection, _hub(stack)))
            for statement in SOONER:
                await connection.execute(statement)
            known = {(r["repository"], r["issue_number"]) for r in await connection.fetch("SELECT * FROM projects")}
        finally:
            connection.terminate()
    except UNREACHABLE:
        return sys.maxsize
    return pending + len(await _issues(stack) - known)


async def _issues(stack: Stack) -> set[tuple[str, int]]:
    """Return every issue that somebody filed."""
    found = set()
    for repository in REPOSITORIES:
        page = 1
        while issues := await stack.person.get(
            f"/repos/{repository}/issues", state="all", per_page="100", page=str(page)
        ):
            found |= {(repository, issue["number"]) for issue in issues if "pull_request" not in issue}
            page += 1
    return found


def _print_injected(injected: Mapping[str, int]) -> None:
    print(f"\nInjected: {sum(injected.values())}")
    for name, count in sorted(injected.items()):
        print(f"  {count:5}  {name}")


async def _print_ends(stack: Stack, people: People, waited: float) -> int:
    """Print how the issues ended; 1 when one did not, or ended otherwise than it may and nobody talked about it."""
    connection = await asyncpg.connect(stack.environment["AURORA_DATABASE_URL"], timeout=10)
    try:
        rows = await connection.fetch("SELECT repository, issue_number, run, title, status, reason FROM projects")
    finally:
        await connection.close()
    ends = [End(*row) for row in rows]
    explained, bad = otherwise(ends, people.talked)
    filed = await _issues(stack)
    print(f"\nPeople: {', '.join(f'{words} {count}' for words, count in sorted(people.filed.items()))}")
    print(f"Issues: {len(filed)} filed, {len(rows)} runs, at rest after {waited:.0f} s")
    for (kind, status), count in sorted(Counter((end.kind, end.status) for end in ends).items()):
        print(f"  {count:5}  {kind} → {status}")
    for end in explained:
        print(f"  other than undisturbed, as people had it: {end}")
    for end in bad:
        print(f"  ENDED OTHERWISE, and nobody talked about it: {end}")
    unfinished = await _pending(stack)
    if unfinished:
        print(f"  NOT AT REST: {unfinished} things are still under way after {REST:g} s")
    return int(bool(unfinished) or bool(bad) or not rows)


def _print_found(found: Mapping[str, int]) -> int:
    names = [invariant.name for invariant in invariants()]
    failed = [name for name in names if any(f": {name}:" in sentence for sentence in found)]
    print(f"\nInvariants: {len(names) - len(failed)} of {len(names)} queries held, besides what hub and model know")
    for sentence, times in found.items():
        print(f"  {times:5} times  {sentence}")
    if not found:
        print("  Every invariant held.")
    return int(bool(found))


def main() -> int:
    """Read the command line and soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None, help="what comes when; printed, to be given again")
    parser.add_argument("--data", type=Path, default=None, help="where everything is kept; a temporary directory")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else int.from_bytes(os.urandom(3))
    if given.data is not None:
        return asyncio.run(soak(given.seconds, seed, given.data.resolve()))
    with tempfile.TemporaryDirectory(prefix="aurora-soak-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o711)
        return asyncio.run(soak(given.seconds, seed, Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
