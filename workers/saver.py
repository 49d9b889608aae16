"""Where the code-generation graph saves its state: LangGraph's own tables in PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool


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
        yield AsyncPostgresSaver(pool)
