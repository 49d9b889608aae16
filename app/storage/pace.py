"""Turns to write to GitHub, and the times when it wants to hear nothing: one budget for all processes."""

from app.errors import RateLimited
from app.storage.pool import COMMAND_TIMEOUT, Pool, sql

# https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
# The windows are longer than GitHub's by what may lie between a turn and the moment at which GitHub counts it.
WRITES = ((80, 62.0), (500, 3610.0))  # at most so many in so many seconds


class SharedTurns:
    """Implements `Turns` in one row for each installation, by the clock of the store; no connection waits."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def take(self, installation: int, patience: float) -> float:
        """Take the next turn and return in how many seconds it comes; turns are given in the order of asking.

        Raises `RateLimited`, and takes none, when that is more than `patience` seconds off.
        """
        limits = [number for limit in WRITES for number in limit]
        row = await self._pool.fetchrow(sql("pace.take"), installation, patience, *limits, timeout=COMMAND_TIMEOUT)
        if row is None or not row["granted"]:  # None: somebody else's first turn, too late for this look
            raise RateLimited("Other writes to GitHub have to go first.", row["seconds"] if row else 1.0)
        return max(0.0, float(row["seconds"]))

    async def block(self, installation: int, seconds: float) -> None:
        """Keep every process of the installation from GitHub for `seconds`."""
        await self._pool.execute(sql("pace.block"), installation, seconds)

    async def blocked(self, installation: int) -> float:
        """Return for how many more seconds GitHub wants to hear nothing; 0 when it listens."""
        seconds: float | None = await self._pool.fetchval(sql("pace.blocked"), installation)
        return seconds or 0.0
