"""Repositories by their numbers: when one is renamed, everything that is kept under its name goes along."""

from app.storage.pool import COMMAND_TIMEOUT, Connection, Pool, sql, transaction

FOLLOWING = ("projects", "memories", "outcomes", "requests", "purses", "calls", "settings")


class Repositories:
    """What repositories are called."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def called(self, number: int) -> str | None:
        """Return what a repository was called when it was last heard of."""
        name: str | None = await self._pool.fetchval(sql("repositories.called"), number)
        return name

    async def learn(self, number: int, full_name: str) -> None:
        """Keep what a repository is called now; what is kept under an earlier name goes with it."""
        async with (
            self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection,
            transaction(connection, "repository called"),
        ):
            other = await connection.fetchval(sql("repositories.bearer"), number, full_name)
            if other is not None:  # it has another name by now, or is gone; which of them, its own deliveries tell
                await _call(connection, other, f"{full_name} (#{other})")
            await _call(connection, number, full_name)


async def _call(connection: Connection, number: int, full_name: str) -> None:
    before = await connection.fetchval(sql("repositories.learn"), number, full_name)
    if before not in {None, full_name}:
        for kind in FOLLOWING:
            await connection.execute(sql(f"repositories.rename_{kind}"), before, full_name)
