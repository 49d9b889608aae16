"""Leases: one worker at a time moves a project or task, and a dead one is replaced."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg

from app.edges import Edge, edge
from app.errors import LeaseLost
from app.storage.pool import Lease, Pool, sql

TTL = 10.0  # seconds without a beat after which a holder counts as dead
BEAT = 2.0  # seconds between beats


class Leases:
    """Hands out leases and keeps them alive while they are used."""

    def __init__(self, pool: Pool, worker: str, ttl: float = TTL, beat: float = BEAT) -> None:
        """Name the worker that the leases are taken for."""
        self._pool, self._worker, self._ttl, self._beat = pool, worker, ttl, beat

    @asynccontextmanager
    async def hold(self, subject: UUID) -> AsyncIterator[Lease | None]:
        """Hold `subject` for the block; yields None when somebody else does.

        When the lease is lost within the block, the block is cancelled and `LeaseLost` raised.
        """
        lease = await edge(Edge.leased, "acquire", lambda: self._acquire(subject))
        if lease is None:
            yield None
            return
        body = asyncio.current_task()
        assert body is not None  # noqa: S101 - a coroutine always runs in a task
        lost = asyncio.Event()
        beats = asyncio.create_task(self._keep_beating(lease, body, lost))
        try:
            yield lease
        except BaseException:
            # Whatever the block made of the cancellation; one from elsewhere, on top of it, goes on.
            if lost.is_set() and body.uncancel() == 0:
                raise LeaseLost(f"Another worker has taken over {subject}.") from None
            raise
        finally:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
            await edge(Edge.leased, "release", lambda: self._release(lease))

    async def _acquire(self, subject: UUID) -> Lease | None:
        owner = f"{self._worker}:{uuid4().hex[:8]}"
        async with self._pool.acquire() as connection, connection.transaction():
            epoch = await connection.fetchval(sql("leases.acquire"), subject, owner, self._ttl)
            if epoch is None:
                return None
            # A call that was in flight when the last holder died may have been billed.
            await connection.execute(sql("usage.forfeit_abandoned"), subject, epoch)
            return Lease(subject, owner, epoch)

    async def _release(self, lease: Lease) -> None:
        await self._pool.execute(sql("leases.release"), lease.subject, lease.owner, lease.epoch)

    async def _keep_beating(self, lease: Lease, body: asyncio.Task[object], lost: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(self._beat)
            try:
                alive = await self._pool.fetchval(
                    sql("leases.beat"), lease.subject, lease.owner, lease.epoch, self._ttl
                )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                continue  # the store may come back; every write is fenced meanwhile
            if not alive:
                lost.set()
                body.cancel()
                return
