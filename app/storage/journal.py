"""The journal of a task, and the money behind its model calls, fenced by the task's lease."""

from decimal import Decimal
from uuid import UUID, uuid4, uuid5

from app import metrics
from app.domain.budget import Caps
from app.domain.conversation import Happening
from app.domain.messages import notice
from app.domain.ports import Call, Entry, EntryKind, Step, Usage
from app.storage import usage as money
from app.storage.pool import Connection, Lease, Pool, fenced, sql
from app.storage.records import send


class LeasedJournal:
    """Implements `Journal` for the holder of a lease on a task, or on a project for Maestro's own calls."""

    def __init__(self, pool: Pool, lease: Lease, project_id: UUID, caps: Caps | None = None) -> None:
        """Bind the journal to the subject of the lease; `caps` are the operator's besides the project's own."""
        self._pool, self._lease, self._project = pool, lease, project_id
        self._caps = caps or Caps()
        self._asked: dict[UUID, tuple[str, Step]] = {}

    async def read(self, scope: str) -> list[Entry]:
        """Return what is recorded in `scope`, in order."""
        rows = await self._pool.fetch(sql("journal.read"), self._lease.subject, scope)
        return [Entry(EntryKind(row["kind"]), row["content"], row["patch"], row["created_at"]) for row in rows]

    async def append(self, scope: str, position: int, entry: Entry) -> None:
        """Record what is no model's answer."""
        async with fenced(self._pool, self._lease, "journal append") as connection:
            await self._append(connection, scope, position, entry)

    async def _append(self, connection: Connection, scope: str, position: int, entry: Entry) -> None:
        lease = self._lease
        await connection.execute(
            sql("journal.append"), lease.subject, scope, position, self._project,
            entry.kind, entry.content, entry.patch, lease.epoch,
        )  # fmt: skip

    async def reserve(self, call: Call, position: int, model: str, usd: float) -> UUID:
        """Set the worst case of a call aside; raises `BudgetExceeded` or `ProjectHeld`."""
        reservation = uuid4()
        async with fenced(self._pool, self._lease, "journal reserve") as connection:
            await money.reserve(connection, reservation, call, position, model, usd, self._lease.epoch, self._caps)
        self._asked[reservation] = model, call.step
        return reservation

    async def settle(self, reservation: UUID, usage: Usage, entry: Entry) -> None:
        """Record the answer and replace the call's worst case by what it cost, in one transaction."""
        async with fenced(self._pool, self._lease, "journal settle") as connection:
            call = await money.settle(connection, reservation, usage)
            await self._append(connection, call["scope"], call["position"], entry)
            if money.passes_warning(call):
                await self._warn(connection, call["budget_usd"])
        self._count(reservation, usage)

    def _count(self, reservation: UUID, usage: Usage) -> None:
        model, step = self._asked.pop(reservation)
        metrics.MODEL_SECONDS.labels(model, step).observe(usage.seconds)
        metrics.TOKENS.labels(model, "input").inc(usage.input_tokens)
        metrics.TOKENS.labels(model, "output").inc(usage.output_tokens)
        metrics.SPENT.labels(model, step).inc(usage.usd)

    async def _warn(self, connection: Connection, cap: Decimal) -> None:
        """Have Maestro say, once for each cap, how little is left; the reconciler rings."""
        identity, now = uuid5(self._project, f"warned:{cap}"), await connection.fetchval("SELECT now()")
        message = notice(identity, self._project, now, Happening.nearly_spent)
        await send(connection, message)

    async def forfeit(self, reservation: UUID, *, sent: bool) -> None:
        """Close a reservation without an answer."""
        async with fenced(self._pool, self._lease, "journal forfeit") as connection:
            await money.forfeit(connection, reservation, sent=sent)
        self._asked.pop(reservation, None)
