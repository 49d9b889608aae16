"""Deliveries: what GitHub told us is kept first and acted upon afterwards, from its row."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.storage.pool import Connection, Pool, sql


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
        return bool(await self._pool.fetchval(sql("deliveries.store"), guid, event, action, payload))

    async def known(self, guids: Iterable[str]) -> set[str]:
        """Return which of these deliveries are stored."""
        return {row["guid"] for row in await self._pool.fetch(sql("deliveries.known"), list(guids))}

    async def overdue(self, seconds: float) -> list[tuple[str, int]]:
        """Return the deliveries that nobody handled for `seconds`, with the number of the next ring."""
        found = await self._pool.fetch(sql("deliveries.overdue"), seconds)
        return [(row["guid"], row["tries"]) for row in found]

    @asynccontextmanager
    async def take(self, guid: str) -> AsyncIterator[tuple[Connection, Delivery] | None]:
        """Lock a delivery for the block and mark it handled with what the block writes; None: it is already."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql("deliveries.take"), guid)
            if row is None:
                yield None
                return
            yield connection, Delivery(guid, row["event"], json.loads(row["payload"]), row["received_at"])
            await connection.execute(sql("deliveries.handled"), guid)
