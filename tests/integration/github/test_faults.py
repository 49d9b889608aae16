"""Whatever GitHub does on a bad day, what the app makes is there exactly once, and nothing else is decided.

Each fault of the hub is met by the same work, done as a worker does it: by effects in PostgreSQL, again after each
`Transient`. Another client of the same installation, with a pool of its own, is a second process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from app.domain.checks import Finding
from app.domain.ports import CheckRun, MergeOutcome, Outcome
from app.domain.project import Repository
from app.errors import RateLimited, Transient
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges
from app.storage import projects
from app.storage.effects import LeasedEffects
from app.storage.pace import SharedTurns
from app.storage.pool import Lease, Pool, connect, sql
from hub.faults.table import TABLE
from tests.integration.github.test_deliveries import WEBHOOKS
from workers.workspace import Clones

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BRANCH = "aurora/1.1"
MARKER = "<!-- aurora:test -->"
LONGEST_WAIT = 6.0  # seconds that the test sleeps at most, where a job would be put off

HASTE = 5.0  # the app's pauses and the hub's seconds are that much shorter, where both are anybody's to choose

# Faults by what is switched on; each happens where it can, often enough to be met at many kinds of requests.
FAULTS: dict[str, dict[str, Any]] = {
    "5xx": {name: {"rate": 0.12, "seed": 1} for name in ("error-500", "error-502", "error-503")},
    "reset": {"reset": {"rate": 0.3, "seed": 4}},
    "truncated": {"truncated": {"rate": 0.3, "seed": 5}},
    "answer lost": {"answer-lost": {"times": 12, "rate": 0.6}},
    "answer 502": {"answer-502": {"times": 12, "rate": 0.6}},
    "lost and stale": {"answer-lost": {"times": 8}, "stale-list": {"seconds": 5.0 / HASTE}},
    "not found yet": {"not-found-yet": {"seconds": 2.0 / HASTE}},
    "mergeable null": {"mergeable-null": {"seconds": 2.0 / HASTE}},
    "git": {"git-push-lost": {"times": 1}, "git-push-503": {"times": 1, "rate": 0.5}},
    "git fetch": {"git-fetch-503": {"times": 2}},
    "git reset": {"git-fetch-reset": {"times": 2}, "git-push-reset": {"times": 2}},
    "slow": {"slow": {"seconds": 0.5 / HASTE, "rate": 0.5, "seed": 2}},
    "renamed": {"renamed": {"times": 1}},
}
IN_REAL_TIME: dict[str, dict[str, Any]] = {  # limits count in whole seconds
    "fresh token": {"fresh-token": {"seconds": 2.0}},
    "expired token": {"expired-token": {"seconds": 0.1, "times": 1}},
    "primary limit": {"primary-limit": {"seconds": 1.0, "times": 1}},
    "429": {"too-many-requests": {"seconds": 1.0, "times": 2, "rate": 0.3}},
    "secondary limit": {"secondary-limit": {"seconds": 1.0, "times": 2, "rate": 0.3}},
}
# After these the job says something else, or the minute that is waited for can't be chosen: their own tests are below.
APART = ("base-moved", "head-moved", "secondary-limit-bare")
WAITED_FOR = ("renamed", "slow", "fresh-token", "primary-limit", "secondary-limit", "too-many-requests")
AT_RANDOM = {"random": {"rate": 0.06, "seed": 3, "without": [*APART, *WAITED_FOR, *WEBHOOKS]}}  # what takes no time


@dataclass
class Process:
    """One worker's view: its own pool and client, the shared tables and GitHub."""

    hub: Any
    forge: GitHubForge
    clones: Clones
    pool: Pool
    repository: Repository
    refusals: list[str] = field(default_factory=list)

    async def insist(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do a job again after each `Transient`, as the queue does."""
        for _ in range(40):
            try:
                return await work()
            except Transient as error:
                self.refusals.append(str(error))
                await asyncio.sleep(min(LONGEST_WAIT, error.retry_after or 0.3))
        raise AssertionError(self.refusals)


@pytest.fixture
async def start(hub: Any, database_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    opened: list[tuple[aiohttp.ClientSession, Pool]] = []

    async def one(haste: float = 1.0) -> Process:
        session, pool = aiohttp.ClientSession(), await connect(database_url, size=4)
        opened.append((session, pool))
        forges = GitHubForges(
            session,
            app_id=hub.app["id"],
            private_key=await asyncio.to_thread(Path(hub.app["private_key_file"]).read_text),
            api_url=hub.url,
            web_url=hub.url,
            clock=lambda: datetime.now(UTC),
            turns=SharedTurns(pool),
            sleep=lambda seconds: asyncio.sleep(seconds / haste),
        )
        repository = await forges.find("octo/sample")
        clones = Clones(tmp_path / f"data{len(opened)}", forges)
        return Process(hub, forges.of(repository), clones, pool, repository)

    yield one
    for session, pool in opened:
        await session.close()
        await asyncio.wait_for(pool.close(), 10)


async def switch(hub: Any, faults: dict[str, Any]) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{hub.url}/_faults", json=faults) as answer,
    ):
        assert answer.status == 200, await answer.text()
        shown: dict[str, Any] = await answer.json()
        return shown


async def fired_and_off(hub: Any) -> dict[str, int]:
    """Switch everything off; return how often each fault happened."""
    async with aiohttp.ClientSession() as session, session.get(f"{hub.url}/_faults") as answer:
        counts: dict[str, int] = (await answer.json())["counts"]
    await switch(hub, {})
    return counts


async def seen(hub: Any, path: str, repository: str = "/repos/octo/sample") -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{hub.url}{repository}{path}", headers=hub.person()) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


def check(sha: str) -> CheckRun:
    notes = tuple(Finding(path="a.py", line=1, message=f"m{n}") for n in range(120))
    return CheckRun("aurora / types", sha, "x1", "failure", "red", "s", NOW, NOW, annotations=notes)


async def deliver(process: Process) -> Callable[[], Awaitable[MergeOutcome]]:
    """Return the job: branch, comment, labels, check run with many annotations, pull request, merge, tidy up."""
    forge, effects = process.forge, await effects_of(process)
    issue = await forge.open_issue("Do it", "Please.", [])

    async def commit() -> str:
        clone = await process.clones.of(process.repository)
        base = await clone.head("main")
        assert base
        async with clone.worktree("t", base) as tree:
            (tree.path / "a.py").write_text("x = 2\n")
            sha = await tree.commit("Change", [base])
        await clone.push(sha, BRANCH, None)
        return str(sha)

    sha = ""

    async def job() -> MergeOutcome:
        nonlocal sha
        sha = sha or await commit()

        async def said() -> Outcome | None:
            found = await forge.find_comment(issue.number, MARKER)
            return {"id": found} if found else None

        async def say() -> Outcome:
            return {"id": await forge.comment(issue.number, MARKER)}

        async def checked() -> Outcome | None:
            found = await forge.find_check(sha, "aurora / types", "x1")
            return {"id": found} if found else None

        async def report() -> Outcome:
            return {"id": await forge.create_check(check(sha))}

        async def opened() -> Outcome | None:
            found = await forge.find_pull_request(BRANCH, "main")
            return {"number": found.number} if found else None

        async def propose() -> Outcome:
            return {"number": (await forge.open_pull_request("T", "B", BRANCH, "main")).number}

        comment = await effects.once("comment.test", say, said)
        await forge.edit_comment(comment["id"], f"{MARKER}\nDone.")
        await forge.change_labels(issue.number, ["aurora: done"], ["aurora: working"])
        await effects.once("check.test", report, checked)
        number = (await effects.once("pull_request", propose, opened))["number"]
        if not (await forge.pull_request(number)).merged:
            merge = await forge.merge(number, sha, "merge", "T")
            if merge.outcome is not MergeOutcome.merged:
                return merge.outcome
        await forge.delete_branch(BRANCH)
        await forge.close_issue(issue.number)
        return MergeOutcome.merged

    return job


async def effects_of(process: Process) -> LeasedEffects:
    async with process.pool.acquire() as connection:
        project = await projects.start(
            connection, uuid4(), process.repository, 1, title="T", requested_by="you", budget_usd=1.0, at=NOW
        )
    assert project
    taken = await process.pool.fetchrow(sql("leases.acquire"), project, "one", 60.0)
    assert taken
    return LeasedEffects(process.pool, Lease(project, "one", taken["epoch"]), project)


def test_every_fault_that_the_hub_knows_is_met():
    """One that is added to its table has to be survived, or needs a reason here."""
    elsewhere = {"limits", "random", *APART, *WEBHOOKS}  # below, and in the tests of deliveries
    listed = [name for faults in (FAULTS | IN_REAL_TIME).values() for name in faults]
    assert {*listed, *elsewhere} == set(TABLE)
    assert not elsewhere & set(listed)


@pytest.mark.parametrize("fault", [*FAULTS, *IN_REAL_TIME])
async def test_what_is_visible_is_there_exactly_once(fault: str, hub: Any, start: Callable[..., Awaitable[Process]]):
    process = await start(HASTE if fault in FAULTS else 1.0)
    job = await deliver(process)
    faults = (FAULTS | IN_REAL_TIME)[fault]
    await switch(hub, faults)
    async with asyncio.timeout(100):
        assert await process.insist(job) is MergeOutcome.merged, process.refusals
    fired = await fired_and_off(hub)
    assert set(fired) == set(faults), "a fault that isn't met is none that was survived"
    await is_there_once(hub, "/repos/octo/sample-renamed" if fault == "renamed" else "/repos/octo/sample")


async def test_a_bit_of_everything_is_survived(hub: Any, start: Callable[..., Awaitable[Process]]):
    """Many faults in one job, each now and then, the same ones each time."""
    process = await start()
    job = await deliver(process)
    await switch(hub, AT_RANDOM)
    async with asyncio.timeout(100):
        assert await process.insist(job) is MergeOutcome.merged, process.refusals
    assert len(await fired_and_off(hub)) >= 4
    await is_there_once(hub)


async def is_there_once(hub: Any, name: str = "/repos/octo/sample") -> None:
    """Everything that the job makes, and nothing twice."""
    comments = await seen(hub, "/issues/1/comments", name)
    assert [one["body"] for one in comments] == [f"{MARKER}\nDone."]
    (pull,) = await seen(hub, "/pulls?state=all", name)
    assert pull["merged_at"]
    runs = (await seen(hub, f"/commits/{pull['head']['sha']}/check-runs", name))["check_runs"]
    assert [(one["conclusion"], one["output"]["annotations_count"]) for one in runs] == [("failure", 120)]
    issue = await seen(hub, "/issues/1", name)
    assert (issue["state"], [one["name"] for one in issue["labels"]]) == ("closed", ["aurora: done"])
    assert [one["name"] for one in await seen(hub, "/branches", name)] == ["main"]


@pytest.mark.parametrize(
    ("fault", "outcome"), [("base-moved", MergeOutcome.base_moved), ("head-moved", MergeOutcome.head_moved)]
)
async def test_a_moved_base_and_a_moved_head_are_told_apart(
    fault: str, outcome: MergeOutcome, hub: Any, start: Callable[..., Awaitable[Process]]
):
    """At the last moment, by somebody else."""
    process = await start()
    job = await deliver(process)
    await switch(hub, {fault: {"times": 1}})
    assert await process.insist(job) is outcome


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("primary-limit", 90), ("secondary-limit", 90), ("too-many-requests", 90), ("secondary-limit-bare", 60)],
)
async def test_a_limit_that_one_process_meets_is_kept_by_the_other(
    fault: str, seconds: float, hub: Any, start: Callable[..., Awaitable[Process]]
):
    """For as long as GitHub says; a minute where it says nothing."""
    first, second = await start(), await start()
    for process in (first, second):
        await process.forge.info()
    await asyncio.sleep(1.1)  # the second looks once a second at what the first was told
    await switch(hub, {fault: {"seconds": 90.0, "times": 1}})
    with pytest.raises(RateLimited) as raised:
        await first.forge.info()
    assert raised.value.retry_after == pytest.approx(seconds, abs=3)
    for request in (first.forge.info, second.forge.info, lambda: second.forge.comment(1, "hi")):
        with pytest.raises(RateLimited):
            await request()
    async with aiohttp.ClientSession() as session, session.get(f"{hub.url}/_faults") as answer:
        shown = await answer.json()
    assert (shown["counts"], shown["again"]) == ({fault: 1}, {})


async def test_two_processes_keep_to_the_limits_of_one_installation(hub: Any, start: Callable[..., Awaitable[Process]]):
    """A hundred writes: eighty at once, and what is too many is put off rather than refused by GitHub."""
    first, second = await start(), await start()
    issue = await first.forge.open_issue("Do it", "Please.", [])
    await switch(hub, {"limits": {}})
    writes = ((first, second)[n % 2].forge.comment(issue.number, f"{n}") for n in range(100))
    done = await asyncio.gather(*writes, return_exceptions=True)
    put_off = [one for one in done if isinstance(one, RateLimited)]
    assert sum(isinstance(one, int) for one in done) == 79  # the issue was one
    assert len(put_off) == 21
    assert all(50 < (one.retry_after or 0) < 63 for one in put_off)
    assert (await seen(hub, f"/issues/{issue.number}"))["comments"] == 79
    await first.pool.execute("UPDATE github_pace SET free_at = now() - interval '1 hour', turns = '{}'")
    await first.forge.comment(issue.number, "the last")
    with pytest.raises(RateLimited, match="GitHub asks"):  # so the count of turns was what kept the others from it
        await first.forge.comment(issue.number, "one more")
