"""Where the code-generation graph saves its state: LangGraph's own tables in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from app.edges import Edge, edge


class Saver(AsyncPostgresSaver):
    """LangGraph's saver, with each write at a boundary."""

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save the state after a step."""
        save = partial(super().aput, config, checkpoint, metadata, new_versions)
        return await edge(Edge.saved, "state", save)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save what a node wrote."""
        await edge(Edge.saved, "writes", partial(super().aput_writes, config, writes, task_id, task_path))


async def prepare_saver(dsn: str) -> None:
    """Make the tables, or bring them up to date."""
    async with AsyncPostgresSaver.from_conn_string(dsn) as saver:
        await saver.setup()


@asynccontextmanager
async def open_saver(dsn: str, size: int) -> AsyncIterator[AsyncPostgresSaver]:
    """Open a saver over a pool of at most `size` connections."""
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        open=False,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    )
    async with pool:
        yield Saver(pool)
