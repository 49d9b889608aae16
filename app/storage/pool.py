"""The connection pool, the named queries, and the transaction that only the holder of a lease may commit."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import asyncpg

from app.edges import Edge, edge
from app.errors import LeaseLost

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
    Raw = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.pool.PoolConnectionProxy
    Pool = asyncpg.Pool
    Raw = asyncpg.Connection

T = TypeVar("T")

COMMAND_TIMEOUT = 30.0  # seconds
APPLICATION = "aurora"  # as PostgreSQL knows our connections

# What drivers raise when the store is away, full or refuses.
STORE_FAILURES = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what it makes of a connection that was cut while it wrote
    TimeoutError,
)
# Those of them that pass by themselves: not there, out of space or connections, a standby.
STORE_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)


@dataclass(frozen=True)
class Lease:
    """The right to move a task or project; of all leases on a subject the highest epoch counts."""

    subject: UUID
    owner: str
    epoch: int


async def connect(dsn: str, size: int = 10) -> Pool:
    """Open a pool whose connections speak JSON."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        command_timeout=COMMAND_TIMEOUT,
        timeout=10,
        init=_prepare,
        server_settings={"application_name": APPLICATION},
    )


async def _prepare(connection: Raw) -> None:
    await connection.set_type_codec("jsonb", encoder=_encode, decoder=json.loads, schema="pg_catalog")
    await connection.set_type_codec("text", encoder=storable, decoder=str, schema="pg_catalog")


UNSTORABLE = re.compile("[\0\ud800-\udfff]")
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(text: str) -> str:
    """Return a text that PostgreSQL takes: it stores neither NUL nor half a surrogate pair, and models write both."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _encode(value: Any) -> str:
    return storable(NUL.sub("\\1\N{REPLACEMENT CHARACTER}", json.dumps(value, ensure_ascii=False)))


@cache
def _queries(file: str) -> dict[str, str]:
    text = resources.files("app.storage.queries").joinpath(f"{file}.sql").read_text()
    found = {}
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        found[name.strip()] = body.strip()
    return found


def sql(name: str) -> str:
    """Return the statement called `FILE.NAME` in `queries/FILE.sql`."""
    file, _, query = name.partition(".")
    return _queries(file)[query]


async def within(seconds: float, query: Awaitable[T]) -> T:
    """Await a query for `seconds` at most, whatever state the connection is in; raises `TimeoutError`.

    A driver that gives up first asks the server to cancel, and waits for that as long as the server is silent.
    """
    asked = asyncio.ensure_future(query)
    try:
        await asyncio.wait({asked}, timeout=seconds)
        if not asked.done():
            raise TimeoutError(f"PostgreSQL didn't answer within {seconds:g} seconds.")
        return asked.result()
    finally:
        asked.cancel()
        # Its error is taken in even where it came as we were cancelled: asyncio would tell of it with a traceback.
        asked.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


@asynccontextmanager
async def transaction(connection: Connection, what: str) -> AsyncIterator[None]:
    """Commit the block's writes all together; `what` names them at the boundary."""
    block = connection.transaction()
    await block.start()
    try:
        yield
    except BaseException:
        with suppress(*STORE_FAILURES):  # a connection that is gone was rolled back by its end
            await block.rollback()
        raise
    await edge(Edge.written, what, block.commit)


@asynccontextmanager
async def fenced(pool: Pool, lease: Lease, what: str) -> AsyncIterator[Connection]:
    """Open a transaction that holds the lease's row, so that no successor can start before it ends.

    Raises `LeaseLost` when there is a successor already.
    """
    async with pool.acquire(timeout=COMMAND_TIMEOUT) as connection, transaction(connection, what):
        held = await connection.fetchval(sql("leases.hold"), lease.subject, lease.owner, lease.epoch)
        if not held:
            raise LeaseLost(f"Another worker has taken over {lease.subject}.")
        yield connection
