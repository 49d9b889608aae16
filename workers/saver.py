"""Where the code-generation graph saves its state: LangGraph's own tables in PostgreSQL, fenced by the task's lease."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from app.edges import Edge, edge
from app.errors import LeaseLost
from app.storage.leases import held
from app.storage.pool import APPLICATION, COMMAND_TIMEOUT, sql

T = TypeVar("T")
SaverPool = AsyncConnectionPool[AsyncConnection[DictRow]]


class Saver(AsyncPostgresSaver):
    """LangGraph's saver, with each write at a boundary, and only by the holder of the lease.

    Two writers would fork a thread silently: LangGraph's tables know no epochs.
    """

    def __init__(self, pool: SaverPool) -> None:
        """Use the pool."""
        super().__init__(pool)
        self._pool = pool

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save the state after a step; raises `LeaseLost`."""
        return await self._save("state", lambda saver: saver.aput(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save what a node wrote; raises `LeaseLost`."""
        await self._save("writes", lambda saver: saver.aput_writes(config, writes, task_id, task_path))

    async def _save(self, what: str, write: Callable[[AsyncPostgresSaver], Awaitable[T]]) -> T:
        async def save() -> T:
            async with asyncio.timeout(COMMAND_TIMEOUT), self._fenced() as connection:
                return await write(AsyncPostgresSaver(connection, serde=self.serde))

        return await edge(Edge.saved, what, save)

    @asynccontextmanager
    async def _fenced(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """Open a transaction that holds the row of the lease under which the code at hand runs."""
        lease = held.get()
        if lease is None:
            raise LeaseLost("State is saved under a lease, and none is held here.")
        async with self._pool.connection() as connection, connection.transaction():
            held_still = await AsyncRawCursor(connection).execute(
                sql("leases.hold"), (lease.subject, lease.owner, lease.epoch)
            )
            if await held_still.fetchone() is None:
                raise LeaseLost(f"Another worker has taken over {lease.subject}.")
            yield connection


async def prepare_saver(dsn: str) -> None:
    """Make the tables, or bring them up to date."""
    async with AsyncPostgresSaver.from_conn_string(dsn) as saver:
        await saver.setup()


@asynccontextmanager
async def open_saver(dsn: str, size: int) -> AsyncIterator[Saver]:
    """Open a saver over a pool of at most `size` connections."""
    pool: SaverPool = AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        open=False,
        check=AsyncConnectionPool.check_connection,  # what PostgreSQL's restart cut is replaced before it is used
        kwargs={
            "autocommit": True,
            "prepare_threshold": 0,
            "row_factory": dict_row,
            "application_name": APPLICATION,
        },
    )
    async with pool:
        yield Saver(pool)
