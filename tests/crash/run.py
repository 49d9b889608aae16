"""One run: an issue from its label to its end, with one fault on the way, and what was found wrong with it."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import asyncpg

from tests.crash.forks import Child
from tests.crash.guard import Crossing, Fault, read_crossings
from tests.crash.invariants import unheard
from tests.crash.leftovers import leftovers
from tests.crash.projection import Projection, project
from tests.crash.scenarios import SCENARIOS, Act
from tests.crash.world import API_TOKEN, OWNER, Slot
from workers.local.person import HubPerson

PATIENCE = 20.0  # seconds without a crossing, after which a run that isn't settled counts as stuck
LONGEST = 180.0  # seconds for a run, however much it crosses
QUIET = 0.25  # seconds in which nothing may happen in a run that has settled
WEB_STALL = 1.0  # seconds for which the server stands still
DRAIN = 8.0  # seconds for a process to end when asked

SETTLED = """
SELECT (SELECT count(*) FROM projects) AS runs,
       (SELECT status FROM projects ORDER BY run DESC LIMIT 1) AS status,
       (SELECT count(*) FROM deliveries WHERE handled_at IS NULL) AS deliveries,
       (SELECT count(*) FROM agent_messages m WHERE handled_at IS NULL AND NOT EXISTS
           (SELECT FROM projects p WHERE p.id = m.correlation_id AND p.status = 'paused')) AS messages,
       (SELECT count(*) FROM leases WHERE expires_at > now()) AS leases
"""

# A delivery that was asked for is asked for again in a minute; here that passes sooner.
SOONER = (
    "UPDATE missed_deliveries SET due_at = now() + interval '2 seconds' WHERE due_at > now() + interval '2 seconds'"
)


@dataclass
class Outcome:
    """What came of a run; `problems` are sentences, none when all is well."""

    fault: Fault | None
    problems: list[str] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    seen: Projection | None = None
    seconds: float = 0.0

    @property
    def fired(self) -> bool:
        """Tell whether the fault struck."""
        return any(crossing.how for crossing in self.crossings)

    @property
    def points(self) -> list[str]:
        """Return the points that were crossed, each once."""
        return sorted({crossing.point for crossing in self.crossings})


class Stuck(Exception):
    """The run did not come to its end."""


async def play(
    slot: Slot, scenario: str, fault: Fault | None = None, plant: str | None = None, longest: float = LONGEST
) -> Outcome:
    """Play a scenario through in a slot, for `longest` seconds, and say what came of it."""
    started = time.monotonic()
    await slot.renew(scenario)
    outcome = Outcome(fault)
    run = _Run(slot, scenario, fault, plant, longest)
    hub = None
    try:
        async with run.processes() as start:
            hub = await start()
            await run.play()
            outcome.problems += run.problems
        outcome.problems += run.endings
        outcome.problems += await leftovers(slot)
        outcome.seen = await project(slot, scenario)
    except Stuck as stuck:
        outcome.problems.append(str(stuck))
    finally:
        if hub and await hub.end(signal.SIGTERM, DRAIN) != 0:
            outcome.problems.append("The hub did not end in good order.")
    outcome.crossings = read_crossings(slot.crossings)
    if fault and not outcome.fired:
        outcome.problems.append("The point never fired: there was no such crossing.")
    outcome.seconds = time.monotonic() - started
    return outcome


class _Run:
    def __init__(self, slot: Slot, scenario: str, fault: Fault | None, plant: str | None, longest: float) -> None:
        self._longest = longest
        self._slot, self._scenario, self._fault = slot, SCENARIOS[scenario], fault
        self._plan = {"plant": plant, "fault": vars(fault) if fault else None}
        self._children: dict[str, Child] = {}
        self._stalled: Child | None = None
        self._ending = asyncio.Event()
        self.problems: list[str] = []
        self.endings: list[str] = []

    # --- processes

    @asynccontextmanager
    async def processes(self) -> AsyncIterator[Callable[[], Awaitable[Child]]]:
        """Yield what starts hub and processes; look after server and worker, and ask them to end."""

        async def start() -> Child:
            # The server first: what the hub tells of its own start would be missed otherwise.
            if not self._scenario.server_is_late:
                await self._start("web")
            hub = await self._slot.start_hub()
            await self._start("worker")
            return hub

        watching = asyncio.create_task(self._watch())
        try:
            yield start
        finally:
            self._ending.set()  # and not in the middle of starting something
            await asyncio.gather(watching, return_exceptions=True)
            for role, child in self._children.items():
                child.send(signal.SIGCONT)
                self._note_end(role, await child.end(signal.SIGTERM, DRAIN))
            if self._stalled:
                self._stalled.send(signal.SIGKILL)

    async def _start(self, role: str, *, again: bool = False) -> None:
        plan = {"plant": self._plan["plant"]} if again else self._plan
        start = self._slot.start_web if role == "web" else self._slot.start_worker
        self._children[role] = await start(**plan)

    async def _watch(self) -> None:
        """Start again what was killed, and a successor beside what stands still."""
        while not self._ending.is_set():
            await asyncio.sleep(0.01)
            for role, child in list(self._children.items()):
                if child.ended.is_set():
                    if child.status != -signal.SIGKILL:
                        self._note_end(role, child.status, wanted=False)
                    await self._start(role, again=True)
                elif child.stopped.is_set() and self._stalled is None:
                    self._stalled = child
                    if role == "web":  # it owns the port, so it has no successor
                        asyncio.get_running_loop().call_later(WEB_STALL, child.send, signal.SIGCONT)
                    else:
                        await self._start(role, again=True)

    def _note_end(self, role: str, status: int | None, *, wanted: bool = True) -> None:
        if status is None:
            self.endings.append(f"The {role} did not end within {DRAIN:g} seconds of SIGTERM.")
        elif status != 0 or not wanted:
            self.endings.append(f"The {role} ended with status {status}; see its log.")

    # --- the play

    async def play(self) -> None:
        """Open the issue, do what people do, wait for the end, and wake what was stalled."""
        said = self._slot.hub_says()
        login, token = next(iter(said["users"].items()))
        repository = f"{OWNER}/{self._scenario.name}"
        async with aiohttp.ClientSession() as session:
            person = HubPerson(session, self._slot.hub_url, login, token)
            await self._begin(session, person, repository)
            if self._scenario.server_is_late:
                await self._missed()
                await self._start("web")
            for act in self._scenario.acts:
                await self._settled(act.status, act.runs)
                await self._act(person, repository, act)
            await self._settled(self._scenario.end, self._scenario.runs)
        if self._stalled and self._fault and self._fault.role == "worker":
            await self._wake()

    async def _begin(self, session: aiohttp.ClientSession, person: HubPerson, repository: str) -> None:
        """Have a person open the issue, or a program ask for it until the server has answered."""
        title, body = self._scenario.title, self._scenario.body
        if not self._scenario.by_program:
            await person.open_issue(repository, title, body, ["aurora"])
            return
        wanted = {"repository": repository, "title": title, "text": body, "requested_by": person.login}
        headers = {"Authorization": f"Bearer {API_TOKEN}", "Idempotency-Key": title.replace(" ", "-")}
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.post(f"{self._slot.web_url}/projects", json=wanted, headers=headers) as said:
                        if said.status < 500:
                            said.raise_for_status()
                            return
                await asyncio.sleep(0.1)

    async def _act(self, person: HubPerson, repository: str, act: Act) -> None:
        """Make a person's request."""
        listed = await person.get(f"/repos/{repository}/issues", state="all")
        issue = min(one["number"] for one in listed if "pull_request" not in one)
        pulls = await person.get(f"/repos/{repository}/pulls", state="all")
        numbers = {"issue": issue, "pull": max((pull["number"] for pull in pulls), default=0)}
        await person.request(act.method, f"/repos/{repository}/{act.path.format(**numbers)}", json=act.content)

    async def _wake(self) -> None:
        """Let the stalled worker go on: whatever it still wants to write is refused, and it ends when asked."""
        assert self._stalled is not None
        before = await project(self._slot, self._scenario.name)
        self._stalled.send(signal.SIGCONT)
        status = await self._stalled.end(signal.SIGTERM, DRAIN)
        if status != 0:
            self.problems.append(f"The stalled worker ended with {status}, not in good order.")
        self._stalled = None
        await self._settled(self._scenario.end, self._scenario.runs)
        after = await project(self._slot, self._scenario.name)
        self.problems += [f"The stalled worker changed {change}" for change in before.differences(after)]

    async def _settled(self, status: str, runs: int) -> None:
        """Wait until everything stored is handled and nothing moves any more."""
        deadline = time.monotonic() + self._longest
        connection = await asyncpg.connect(self._slot.database)
        try:
            quiet_since = rests_since = time.monotonic()
            size = -1
            while True:
                await connection.execute(SOONER)
                row = await connection.fetchrow(SETTLED)
                missing = len(await unheard(connection, self._slot.hub_database))
                at_rest = {"deliveries": 0, "messages": 0, "leases": 0}
                done = dict(row) == {"runs": runs, "status": status, **at_rest} and not missing
                now = sum(not one.is_routine for one in read_crossings(self._slot.crossings))
                if now != size:
                    quiet_since, size = time.monotonic(), now
                if not done:
                    rests_since = time.monotonic()
                elif time.monotonic() - max(rests_since, quiet_since) > QUIET:
                    return
                if time.monotonic() - quiet_since > PATIENCE or time.monotonic() > deadline:
                    states = [dict(one) for one in await connection.fetch("SELECT status, phase, reason FROM projects")]
                    for child in self._children.values():
                        child.send(signal.SIGUSR1)  # their logs say then where they stand
                    raise Stuck(
                        f"Not settled, and out of patience: {dict(row)},"
                        f" {missing} deliveries missing, projects {states}."
                    )
                await asyncio.sleep(0.03)
        finally:
            await connection.close()

    async def _missed(self) -> None:
        """Wait until the hub has tried in vain to tell of the issue."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with sqlite3.connect(f"file:{self._slot.hub_database}?mode=ro", uri=True) as hub:
                    if hub.execute("SELECT 1 FROM deliveries WHERE event = 'issues' AND sent = 1").fetchone():
                        return
                await asyncio.sleep(0.03)
