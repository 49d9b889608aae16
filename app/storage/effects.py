"""Effects: intent, act, outcome, so that nothing that others can see is done twice."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from app.domain.ports import Outcome
from app.storage.pool import Lease, Pool, fenced, sql


class LeasedEffects:
    """Implements `Effects` for the holder of a lease on the project or on one of its tasks."""

    def __init__(self, pool: Pool, lease: Lease, project_id: UUID) -> None:
        """Say whose effects these are."""
        self._pool, self._lease, self._project_id = pool, lease, project_id

    async def once(
        self,
        key: str,
        act: Callable[[], Awaitable[Outcome]],
        find: Callable[[], Awaitable[Outcome | None]],
    ) -> Outcome:
        """Return the effect's outcome: the known one, else what is found of an earlier try, else of `act`."""
        intended, outcome = await self._intend(key)
        if outcome is not None:
            return outcome
        left = await find() if intended else None
        outcome = left if left is not None else await act()
        async with fenced(self._pool, self._lease, f"outcome {_kind(key)}") as connection:
            await connection.execute(sql("effects.done"), self._project_id, key, outcome, self._lease.epoch)
        return outcome

    async def _intend(self, key: str) -> tuple[bool, Outcome | None]:
        """Write the intent unless it is written; return whether it was, and the outcome if that is known.

        The lease is checked here, just before the act: GitHub's own API knows no epochs.
        """
        async with fenced(self._pool, self._lease, f"intent {_kind(key)}") as connection:
            row = await connection.fetchrow(sql("effects.find"), self._project_id, key)
            if row is not None:
                return True, row["outcome"]
            await connection.execute(sql("effects.intend"), self._project_id, key, {}, self._lease.epoch)
            return False, None


def _kind(key: str) -> str:
    return key.partition(".")[0]
