"""Deliveries: what GitHub told us is kept first and acted upon afterwards, from its row."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any

import asyncpg

from app.edges import Edge, edge
from app.errors import AuroraError, Transient
from app.storage.group import Group
from app.storage.pool import COMMAND_TIMEOUT, STORE_FAILURES, Connection, Pool, Raw, sql, storable, transaction

STORE_SECONDS = 6.0  # for one commit; GitHub gives up after ten
WRITERS = 2  # while one waits for the disk, the other's batch fills; one alone let the processor idle
MOST_FAILURES = 8  # within a quarter of an hour
LONGEST_WAIT = 3 * 24 * 3600.0  # seconds, for what passes by itself

# What a single row can cause: a value out of range, a constraint, a row too big. All else fails whoever waits.
BLAMES = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.CharacterNotInRepertoireError,
)


@dataclass(frozen=True)
class Delivery:
    """One stored delivery."""

    guid: str
    event: str
    payload: dict[str, Any]
    received_at: datetime
    age: float  # seconds, by PostgreSQL's clock


@dataclass(frozen=True)
class Parked:
    """A delivery that was given up."""

    guid: str
    event: str
    error: str
    parked_at: datetime


@dataclass(frozen=True)
class Standing:
    """How many deliveries are parked and waiting, and for how many seconds the oldest has waited."""

    parked: int
    waiting: int
    oldest: float


AILMENTS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "PostgreSQL didn't answer in time."),
    (asyncpg.QueryCanceledError, "PostgreSQL didn't answer in time."),
    (asyncpg.DiskFullError, "PostgreSQL's disk is full."),
    (asyncpg.TooManyConnectionsError, "PostgreSQL has no connection left."),
    (asyncpg.InsufficientResourcesError, "PostgreSQL is out of resources."),
    (asyncpg.ReadOnlySQLTransactionError, "PostgreSQL takes no writes."),
    (asyncpg.InvalidAuthorizationSpecificationError, "PostgreSQL refuses the user or password."),
    (asyncpg.UndefinedTableError, "PostgreSQL has no tables yet: run `aurora migrate`."),
    (asyncpg.UndefinedColumnError, "PostgreSQL's tables are older than this program: run `aurora migrate`."),
)


def _explain(error: Exception) -> str:
    """Return a sentence without what drivers put into theirs: addresses, users, parameters."""
    for kind, sentence in AILMENTS:
        if isinstance(error, kind):
            return sentence
    return f"PostgreSQL isn't available ({type(error).__name__})."


class Unreadable(AuroraError):
    """A stored delivery whose payload is no JSON object."""


Row = tuple[str, str, str | None, bytes]


async def open_door(dsn: str) -> Pool:
    """Open a pool for storing alone: readers can't take its connections, and it needs no server to start.

    Its commits wait for the disk even where the database's default is not to.
    """
    return await asyncpg.create_pool(
        dsn, min_size=0, max_size=WRITERS + 1, timeout=STORE_SECONDS, command_timeout=STORE_SECONDS,
        server_settings={"synchronous_commit": "on", "application_name": "aurora door"}, reset=_keep_state,
    )  # fmt: skip


async def _keep_state(_: Raw) -> None:
    """Leave a connection as it is: what is done with it changes nothing that would have to be undone."""


class Inbox:
    """The deliveries of one installation of AURORA-DEV."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool
        self._group: Group[Row, bool] = Group(self._keep, BLAMES, writers=WRITERS)

    async def store(self, guid: str, event: str, action: str | None, payload: bytes) -> bool:
        """Keep a delivery; return False when its GUID was known. Those that come together are one commit.

        Raises `Transient` with what ails PostgreSQL.
        """
        row = (guid, event, action and storable(action), payload)
        try:
            return await edge(Edge.stored, event, partial(self._group.put, row, len(payload)))
        except STORE_FAILURES as error:
            raise Transient(_explain(error)) from error

    async def _keep(self, batch: Sequence[Row]) -> list[bool]:
        # In one order everywhere, so that two batches with the same GUIDs can't wait for each other.
        columns = [list(column) for column in zip(*sorted(batch, key=itemgetter(0)), strict=True)]
        async with asyncio.timeout(STORE_SECONDS), self._pool.acquire() as connection:
            try:
                found = await connection.fetch(sql("deliveries.store"), *columns)
            except (TimeoutError, asyncio.CancelledError):
                connection.terminate()  # it would wait for the server once more before it is given back
                raise
        new = {row["guid"] for row in found}
        answers = []
        for guid, *_ in batch:
            answers.append(guid in new)
            new.discard(guid)  # the same one twice in a batch is new once
        return answers

    async def known(self, guids: Iterable[str]) -> set[str]:
        """Return which of these deliveries are stored."""
        return {row["guid"] for row in await self._pool.fetch(sql("deliveries.known"), list(guids))}

    async def peek(self, guid: str) -> Delivery | None:
        """Return a delivery that is still to be handled, without locking it; raises `Unreadable`."""
        row = await self._pool.fetchrow(sql("deliveries.peek"), guid)
        if row is None:
            return None
        try:
            payload = json.loads(row["payload"])
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"The payload isn't JSON: {error}.") from None
        if not isinstance(payload, dict):
            raise Unreadable("The payload isn't a JSON object.")
        return Delivery(guid, row["event"], payload, row["received_at"], row["age"])

    async def overdue(self, seconds: float) -> list[tuple[str, int]]:
        """Return the deliveries that nobody handled for `seconds`, with the number of the next ring."""
        found = await self._pool.fetch(sql("deliveries.overdue"), seconds)
        return [(row["guid"], row["tries"]) for row in found]

    async def wait(self, guid: str, why: str, least: float) -> bool:
        """Have a delivery looked at again, `least` seconds from now or later; tell whether it was given up."""
        return bool(await self._pool.fetchval(sql("deliveries.wait"), guid, least, storable(why), LONGEST_WAIT))

    async def failed(self, guid: str, why: str) -> bool:
        """Have a delivery looked at again a few times more; tell whether it was given up."""
        return bool(await self._pool.fetchval(sql("deliveries.failed"), guid, storable(why), MOST_FAILURES))

    async def parked(self, most: int) -> list[Parked]:
        """Return the deliveries that were given up, the newest first."""
        return [Parked(**row) for row in await self._pool.fetch(sql("deliveries.parked"), most)]

    async def standing(self) -> Standing:
        """Return how many deliveries are parked and how many wait."""
        row = await self._pool.fetchrow(sql("deliveries.standing"))
        return Standing(**row) if row else Standing(0, 0, 0.0)

    @asynccontextmanager
    async def take(self, guid: str) -> AsyncIterator[Connection | None]:
        """Lock a delivery for the block and mark it handled with what that writes; None: it was."""
        async with (
            self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection,
            transaction(connection, "delivery handled"),
        ):
            if not await connection.fetchval(sql("deliveries.take"), guid):
                yield None
                return
            yield connection
            await connection.execute(sql("deliveries.handled"), guid)
