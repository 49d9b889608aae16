"""The journal of a task, and the money behind its model calls, fenced by the task's lease."""

from uuid import UUID, uuid4

import asyncpg

from app.domain.ports import Call, Entry, EntryKind, Usage
from app.errors import BudgetExceeded
from app.storage.pool import Connection, Lease, Pool, fenced, sql


class LeasedJournal:
    """Implements `Journal` for the holder of a lease on a task, or on a project for Maestro's own calls."""

    def __init__(self, pool: Pool, lease: Lease, project_id: UUID) -> None:
        """Bind the journal to the subject of the lease."""
        self._pool, self._lease, self._project = pool, lease, project_id

    async def read(self, scope: str) -> list[Entry]:
        """Return what is recorded in `scope`, in order."""
        rows = await self._pool.fetch(sql("journal.read"), self._lease.subject, scope)
        return [Entry(EntryKind(row["kind"]), row["content"], row["patch"]) for row in rows]

    async def append(self, scope: str, position: int, entry: Entry) -> None:
        """Record a tool result."""
        async with fenced(self._pool, self._lease, "journal append") as connection:
            await self._append(connection, scope, position, entry)

    async def _append(self, connection: Connection, scope: str, position: int, entry: Entry) -> None:
        lease = self._lease
        await connection.execute(
            sql("journal.append"), lease.subject, scope, position, self._project,
            entry.kind, entry.content, entry.patch, lease.epoch,
        )  # fmt: skip

    async def reserve(self, call: Call, position: int, model: str, usd: float) -> UUID:
        """Set the worst case of a call aside; raises `BudgetExceeded`."""
        reservation = uuid4()
        async with fenced(self._pool, self._lease, "journal reserve") as connection:
            if not await connection.fetchval(sql("usage.reserve"), call.project_id, usd):
                raise BudgetExceeded(
                    f"The next {call.step} call could cost {usd:.4f} US dollars, and less than that is left."
                )
            await connection.execute(
                sql("usage.open"), reservation, call.project_id, call.task_id, call.role, call.step,
                call.attempt, call.scope, position, model, usd, self._lease.epoch,
            )  # fmt: skip
        return reservation

    async def settle(self, reservation: UUID, usage: Usage, entry: Entry) -> None:
        """Record the answer and replace the call's worst case by what it cost, in one transaction."""
        async with fenced(self._pool, self._lease, "journal settle") as connection:
            call: asyncpg.Record | None = await connection.fetchrow(
                sql("usage.settle"),
                reservation,
                usage.usd,
                usage.input_tokens,
                usage.output_tokens,
                usage.seconds,
            )
            if call is None:
                raise LookupError(f"There is no open reservation {reservation}.")
            await self._append(connection, call["scope"], call["position"], entry)

    async def forfeit(self, reservation: UUID, *, sent: bool) -> None:
        """Close a reservation without an answer."""
        async with fenced(self._pool, self._lease, "journal forfeit") as connection:
            await connection.execute(sql("usage.forfeit"), reservation, sent)
