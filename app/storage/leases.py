"""Leases: one worker at a time moves a project or task, and a dead one is replaced."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

from app.edges import Edge, edge, warrant
from app.errors import LeaseLost
from app.storage.pool import APPLICATION, COMMAND_TIMEOUT, STORE_FAILURES, Connection, Lease, Pool, sql, within
from app.storage.usage import forfeit_abandoned, give_back

log = logging.getLogger(__name__)

TTL = 10.0  # seconds without a beat after which a holder counts as dead
BEAT = 2.0  # seconds between beats
LOCK_SECONDS = 3.0  # that a taker waits for somebody's transaction
RELEASE_SECONDS = 5.0
UNHEARD = 30.0  # that Maestro gets to hear why work was interrupted, before its tasks may go on
BEGINS = frozenset({Edge.model, Edge.tool, Edge.checked})  # nothing of these is begun once the worker is to end
SEEN = frozenset({Edge.model, Edge.github, Edge.pushed})  # what a successor would do as well

Holding = AbstractAsyncContextManager[Lease | None]
Take = Callable[[Connection, str], Awaitable[asyncpg.Record | None]]  # for an owner: the subject and its epoch

held: ContextVar[Lease | None] = ContextVar("held", default=None)
"""The lease under which the code at hand runs."""


def moment() -> float:
    """Return the seconds of a clock that goes on while the process, or the machine, sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def interrupt(connection: Connection, project: UUID) -> None:
    """Take a project and its tasks away from whoever is at work on them, in the transaction that tells Maestro why.

    Call it before the transaction locks the project's row: leases come first everywhere. Nothing that the holders do
    from then on is written or seen by others, and they end at their next beat. Tasks aren't begun again for
    `UNHEARD` seconds, unless Maestro says so.
    """
    await connection.execute(sql("leases.revoke"), [project])  # before the tasks' own, as Maestro does
    tasks = [row["id"] for row in await connection.fetch(sql("tasks.ids_of_project"), project)]
    await connection.execute(sql("leases.revoke"), tasks)
    await forfeit_abandoned(connection, [project, *tasks])
    await connection.execute(sql("messages.hold_back"), tasks, UNHEARD)


@dataclass
class _Grip:
    """One lease that is held: how long nobody else may take it, and why its block has to end."""

    lease: Lease
    until: float
    body: "asyncio.Task[object] | None"  # None once the block is over
    why: str | None = None
    cancelled: bool = False
    patience: asyncio.Timeout | None = None

    def end(self, why: str) -> None:
        """End the block."""
        self.why = self.why or why
        if self.body is not None and not self.cancelled:
            self.cancelled = self.body.cancel()


@dataclass(frozen=True)
class Stuck:
    """A subject whose holder lives and does nothing."""

    subject: UUID
    owner: str
    seconds: float


@dataclass
class Leases:
    """Hands out leases and keeps them alive while they are used."""

    pool: Pool
    worker: str  # that the leases are taken for
    ttl: float = TTL
    beat: float = BEAT
    stuck: float = float("inf")  # seconds without a write, after which a block in `patience` is ended
    clock: Callable[[], float] = moment
    _grips: dict[Lease, _Grip] = field(default_factory=dict, init=False)
    _draining: bool = field(default=False, init=False)

    def hold(self, subject: UUID, what: str = "subject") -> Holding:
        """Hold `subject` for the block; yields None when somebody else does. `what` names its kind at the boundary.

        When the lease is lost within the block, or can't be proven any more, the block is cancelled and `LeaseLost`
        raised. Acts that others see are refused with `LeaseLost` from then on.
        """
        return self._hold(what, lambda connection, owner: self._take(connection, owner, subject))

    def hold_next(self, most: int | None) -> Holding:
        """Hold the task that is to be begun next, as `hold` does; yields None when there is none.

        It is one of the repository that has the fewest at work, and no repository has more than `most`.
        """
        return self._hold("task", lambda connection, owner: self._choose(connection, owner, most))

    @asynccontextmanager
    async def _hold(self, what: str, take: Take) -> AsyncIterator[Lease | None]:
        began = self.clock()
        lease = None if self._draining else await edge(Edge.leased, f"acquire {what}", lambda: self._acquire(take))
        if lease is None:
            yield None
            return
        subject = lease.subject
        grip = self._grips[lease] = _Grip(lease, began + self.ttl, asyncio.current_task())
        beats = asyncio.create_task(self._keep_beating(grip))
        tokens = held.set(lease), warrant.set(lambda kind: self._warrant(grip, kind))
        try:
            yield lease
        except BaseException as error:
            if _ours(grip, error):
                raise LeaseLost(grip.why) from None
            raise
        finally:
            grip.body = None
            grip.why = grip.why or f"{subject} was given back."  # for what the block left running
            held.reset(tokens[0])
            warrant.reset(tokens[1])
            beats.cancel()
            try:
                await asyncio.gather(beats, return_exceptions=True)
                await edge(Edge.leased, f"release {what}", lambda: self._release(lease))
            finally:  # who is cancelled once more holds nothing either
                del self._grips[lease]

    @asynccontextmanager
    async def patience(self, subject: UUID) -> AsyncIterator[None]:
        """Let the block take its time while it writes; raises `TimeoutError` when it hasn't for `stuck` seconds."""
        grip = next(grip for lease, grip in self._grips.items() if lease.subject == subject)
        async with asyncio.timeout(None) as limit:
            grip.patience = limit
            try:
                yield
            finally:
                grip.patience = None

    def drain(self) -> None:
        """Take nothing more, and end what is held where something long would begin."""
        self._draining = True

    def let_go(self) -> None:
        """End all that is held, now."""
        for grip in self._grips.values():
            grip.end(f"This worker ends; another one goes on with {grip.lease.subject}.")

    @property
    def subjects(self) -> list[UUID]:
        """What is held at the moment."""
        return [lease.subject for lease in self._grips]

    async def free(self, seconds: float) -> list[int]:
        """End our connections that have stood still within a transaction for `seconds`; return their process ids."""
        found = await self.pool.fetch(sql("leases.free"), seconds, APPLICATION)
        return [row["pid"] for row in found if row["ended"]]

    async def standing_still(self, seconds: float) -> list[Stuck]:
        """Return what is held by workers that beat and have written nothing for `seconds`."""
        found = await self.pool.fetch(sql("leases.stuck"), seconds)
        return [Stuck(row["subject"], row["owner"], row["seconds"]) for row in found]

    async def waits(self, most: int | None) -> bool:
        """Tell whether a task is to be begun that nobody holds, of a repository with fewer than `most` at work."""
        return bool(await self.pool.fetchval(sql("leases.waits"), most))

    async def _acquire(self, take: Take) -> Lease | None:
        owner = f"{self.worker}:{uuid4().hex[:8]}"
        try:
            async with self.pool.acquire(timeout=COMMAND_TIMEOUT) as connection, connection.transaction():
                await connection.execute(sql("leases.patience"), f"{LOCK_SECONDS:g}s")
                taken = await take(connection, owner)
                if taken is None:
                    return None
                # A call that was in flight when the last holder died may have been billed.
                await forfeit_abandoned(connection, [taken["subject"]], taken["epoch"])
                return Lease(taken["subject"], owner, taken["epoch"])
        except asyncpg.LockNotAvailableError:
            return None  # a frozen holder keeps the row: `free` ends that, and the next ring finds it so

    async def _take(self, connection: Connection, owner: str, subject: UUID) -> asyncpg.Record | None:
        return await connection.fetchrow(sql("leases.acquire"), subject, owner, self.ttl)

    async def _choose(self, connection: Connection, owner: str, most: int | None) -> asyncpg.Record | None:
        await connection.execute(sql("leases.choosing"))  # what one takes is counted by the next
        return await connection.fetchrow(sql("leases.choose"), owner, self.ttl, most)

    async def _release(self, lease: Lease) -> None:
        """Give the lease back; where that fails it expires."""
        release = give_back(self.pool, lease)
        with suppress(*STORE_FAILURES):
            await within(RELEASE_SECONDS, release)

    async def _keep_beating(self, grip: _Grip) -> None:
        while grip.why is None:
            await asyncio.sleep(self.beat)
            still = await self._beat(grip) if grip.why is None else 0.0
            if still > self.stuck and grip.patience is not None:
                log.error("stuck: ended", extra={"subject": str(grip.lease.subject), "seconds": round(still)})
                grip.patience.reschedule(asyncio.get_running_loop().time())
                grip.patience = None
        grip.end(grip.why)

    async def _beat(self, grip: _Grip) -> float:
        """Beat; return for how long nothing was written. Without an answer for too long the lease counts as lost."""
        lease, began = grip.lease, self.clock()
        beat = self.pool.fetchval(sql("leases.beat"), lease.subject, lease.owner, lease.epoch, self.ttl)
        try:
            still: float | None = await within(max(self.beat, grip.until - began), beat)
        except STORE_FAILURES as error:
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await self.pool.expire_connections()  # they lead to what was the primary once
            if self.clock() >= grip.until:
                grip.why = f"PostgreSQL didn't answer for {self.ttl:g} s: another worker may have {lease.subject}."
            return 0.0
        if still is None:
            grip.why = grip.why or f"Another worker has taken over {lease.subject}."
            return 0.0
        grip.until = began + self.ttl
        return still

    async def _warrant(self, grip: _Grip, kind: Edge) -> None:
        """Refuse what lies beyond a boundary once the lease is lost or not proven, or the worker is to end."""
        if grip.why is None and self._draining and kind in BEGINS:
            raise LeaseLost(f"This worker ends; another one goes on with {grip.lease.subject}.")
        if grip.why is None and kind in SEEN:
            await self._beat(grip)  # 0.4 ms: it may have been taken away since the last one
            if grip.until <= self.clock():
                grip.why = grip.why or f"The lease on {grip.lease.subject} can't be proven."
        if grip.why is not None:
            raise LeaseLost(grip.why)


def _ours(grip: _Grip, error: BaseException) -> bool:
    """Tell whether the block ended because of the lease, whatever it made of that."""
    if grip.cancelled and grip.body is not None:
        return grip.body.uncancel() == 0  # one from elsewhere, on top of ours, goes on
    return grip.why is not None and not isinstance(error, asyncio.CancelledError)
