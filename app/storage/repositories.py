"""Repositories by their numbers: when one is renamed, or the app installed again, all that is kept of it goes along."""

from app.domain.project import Repository
from app.storage.pool import COMMAND_TIMEOUT, Connection, Pool, sql, transaction

FOLLOWING = ("projects", "memories", "outcomes", "requests", "purses", "calls", "settings")


class Repositories:
    """What repositories are called, and which installation covers them."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def called(self, number: int) -> Repository | None:
        """Return a repository as it was when it was last heard of, with 0 for an installation that is unknown."""
        row = await self._pool.fetchrow(sql("repositories.called"), number)
        return Repository(**row) if row else None

    async def learn(self, number: int, repository: Repository) -> None:
        """Keep what a repository is called and covered by now; what is kept of it goes with it."""
        name = repository.full_name
        async with (
            self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection,
            transaction(connection, "repository called"),
        ):
            other = await connection.fetchval(sql("repositories.bearer"), number, name)
            if other is not None:  # it has another name by now, or is gone; which of them, its own deliveries tell
                await _call(connection, other, f"{name} (#{other})", 0)
            await _call(connection, number, name, repository.installation_id)
            await connection.execute(sql("repositories.move_projects"), name, repository.installation_id)


async def _call(connection: Connection, number: int, full_name: str, installation: int) -> None:
    before = await connection.fetchval(sql("repositories.learn"), number, full_name, installation)
    if before not in {None, full_name}:
        for kind in FOLLOWING:
            await connection.execute(sql(f"repositories.rename_{kind}"), before, full_name)
