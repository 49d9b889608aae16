"""Leases: one worker at a time moves a project or task, and a dead one is replaced."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

from app.edges import Edge, edge, warrant
from app.errors import LeaseLost
from app.storage.pool import APPLICATION, COMMAND_TIMEOUT, STORE_FAILURES, Lease, Pool, sql, within
from app.storage.usage import forfeit_abandoned, give_back

log = logging.getLogger(__name__)

TTL = 10.0  # seconds without a beat after which a holder counts as dead
BEAT = 2.0  # seconds between beats
FRESH = 0.75  # of the time to live that has to be left before an act that others see; otherwise it is asked for anew
LOCK_SECONDS = 3.0  # that a taker waits for somebody's transaction
RELEASE_SECONDS = 5.0
BEGINS = frozenset({Edge.model, Edge.tool, Edge.checked})  # nothing of these is begun once the worker is to end
SEEN = frozenset({Edge.model, Edge.github, Edge.pushed})  # what a successor would do as well

held: ContextVar[Lease | None] = ContextVar("held", default=None)
"""The lease under which the code at hand runs."""


def moment() -> float:
    """Return the seconds of a clock that goes on while the process, or the machine, sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


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

    @asynccontextmanager
    async def hold(self, subject: UUID, what: str = "subject") -> AsyncIterator[Lease | None]:
        """Hold `subject` for the block; yields None when somebody else does. `what` names its kind at the boundary.

        When the lease is lost within the block, or can't be proven any more, the block is cancelled and `LeaseLost`
        raised. Acts that others see are refused with `LeaseLost` from then on.
        """
        began = self.clock()
        lease = None if self._draining else await edge(Edge.leased, f"acquire {what}", lambda: self._acquire(subject))
        if lease is None:
            yield None
            return
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

    async def _acquire(self, subject: UUID) -> Lease | None:
        owner = f"{self.worker}:{uuid4().hex[:8]}"
        try:
            async with self.pool.acquire(timeout=COMMAND_TIMEOUT) as connection, connection.transaction():
                await connection.execute(sql("leases.patience"), f"{LOCK_SECONDS:g}s")
                epoch = await connection.fetchval(sql("leases.acquire"), subject, owner, self.ttl)
                if epoch is None:
                    return None
                # A call that was in flight when the last holder died may have been billed.
                await forfeit_abandoned(connection, [subject], epoch)
                return Lease(subject, owner, epoch)
        except asyncpg.LockNotAvailableError:
            return None  # a frozen holder keeps the row: `free` ends that, and the next ring finds it so

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
        if grip.why is None and kind in SEEN and grip.until - self.clock() < FRESH * self.ttl:
            await self._beat(grip)
            if grip.until <= self.clock():
                grip.why = grip.why or f"The lease on {grip.lease.subject} can't be proven."
        if grip.why is not None:
            raise LeaseLost(grip.why)


def _ours(grip: _Grip, error: BaseException) -> bool:
    """Tell whether the block ended because of the lease, whatever it made of that."""
    if grip.cancelled and grip.body is not None:
        return grip.body.uncancel() == 0  # one from elsewhere, on top of ours, goes on
    return grip.why is not None and not isinstance(error, asyncio.CancelledError)
