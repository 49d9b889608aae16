"""Deliveries: what GitHub told us is kept first and acted upon afterwards, from its row."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from app.edges import Edge, edge
from app.storage.pool import Connection, Pool, sql, transaction


@dataclass(frozen=True)
class Delivery:
    """One stored delivery."""

    guid: str
    event: str
    payload: dict[str, Any]
    received_at: datetime


class Inbox:
    """The deliveries of one installation of AURORA-DEV."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def store(self, guid: str, event: str, action: str | None, payload: bytes) -> bool:
        """Keep a delivery; return False when its GUID was known."""
        keep = partial(self._pool.fetchval, sql("deliveries.store"), guid, event, action, payload)
        return bool(await edge(Edge.stored, event, keep))

    async def known(self, guids: Iterable[str]) -> set[str]:
        """Return which of these deliveries are stored."""
        return {row["guid"] for row in await self._pool.fetch(sql("deliveries.known"), list(guids))}

    async def peek(self, guid: str) -> Delivery | None:
        """Return a delivery that is still to be handled, without locking it."""
        row = await self._pool.fetchrow(sql("deliveries.peek"), guid)
        return Delivery(guid, row["event"], json.loads(row["payload"]), row["received_at"]) if row else None

    async def overdue(self, seconds: float) -> list[tuple[str, int]]:
        """Return the deliveries that nobody handled for `seconds`, with the number of the next ring."""
        found = await self._pool.fetch(sql("deliveries.overdue"), seconds)
        return [(row["guid"], row["tries"]) for row in found]

    @asynccontextmanager
    async def take(self, guid: str) -> AsyncIterator[Connection | None]:
        """Lock a delivery for the block and mark it handled with what that writes; None: it was."""
        async with self._pool.acquire() as connection, transaction(connection, "delivery handled"):
            if not await connection.fetchval(sql("deliveries.take"), guid):
                yield None
                return
            yield connection
            await connection.execute(sql("deliveries.handled"), guid)
