"""How the whole installation stands: what waits, what is spent, how large the stores are."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.storage.pool import Pool, sql


@dataclass(frozen=True)
class Waiting:
    """What is due in one queue."""

    number: int
    oldest: float  # seconds that it has been due


class Standing:
    """Reads the tables for the metrics."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def queues(self) -> Mapping[str, Waiting]:
        """Return what is due and handled by nobody: `projects`, `tasks`."""
        found = {
            row["queue"]: Waiting(row["waiting"], row["oldest"])
            for row in await self._pool.fetch(sql("standing.queue"))
        }
        return {name: found.get(name, Waiting(0, 0.0)) for name in ("projects", "tasks")}

    async def projects(self) -> Mapping[str, int]:
        """Return how many projects there are of each status."""
        return {row["status"]: row["number"] for row in await self._pool.fetch(sql("standing.projects"))}

    async def spent_today(self) -> float:
        """Return the US dollars spent or reserved today (UTC)."""
        return float(await self._pool.fetchval(sql("standing.money")))

    async def size(self) -> int:
        """Return the size of the database in bytes."""
        return int(await self._pool.fetchval(sql("standing.size")))
