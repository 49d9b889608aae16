"""What is remembered between looks at GitHub: how far they came, and which deliveries are still missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.storage.pool import Pool, sql

MOST_REFUSED = 5  # times that a delivery is asked for which this side refused


@dataclass(frozen=True)
class Missing:
    """A delivery to ask GitHub for."""

    guid: str
    attempt: int  # GitHub's id
    event: str


class Lookout:
    """Remembers, for all workers together."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def mark(self, name: str) -> datetime | None:
        """Return how far a look has come."""
        found: datetime | None = await self._pool.fetchval(sql("recovery.mark"), name)
        return found

    async def set_mark(self, name: str, at: datetime) -> None:
        """Note how far a look has come."""
        await self._pool.execute(sql("recovery.set_mark"), name, at)

    async def door_opened(self, at: datetime) -> None:
        """Note that a server takes deliveries, so that what is missing is asked for at once."""
        await self._pool.execute(sql("recovery.open_door"), at)

    async def missed(self, found: Sequence[tuple[str, int, str, datetime, bool]]) -> None:
        """Remember deliveries: GUID, newest attempt, event, when, and whether this side refused it."""
        if found:
            columns = [list(column) for column in zip(*found, strict=True)]
            await self._pool.execute(sql("recovery.missed"), *columns)

    async def arrived(self, guids: Iterable[str], remembered: float) -> None:
        """Forget these deliveries, those that are stored, and those older than `remembered` seconds."""
        await self._pool.execute(sql("recovery.arrived"), list(guids), remembered)

    async def due(self, most: int) -> list[Missing]:
        """Return the deliveries to ask for now, oldest first."""
        return [Missing(**row) for row in await self._pool.fetch(sql("recovery.due"), most, MOST_REFUSED)]

    async def asked(self, guid: str) -> None:
        """Note that a delivery was asked for."""
        await self._pool.execute(sql("recovery.asked"), guid)
