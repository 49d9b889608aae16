"""Money set aside before a model call, and accounted for after it; the caller's transaction holds the lease."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import asyncpg

from app.domain.budget import Cap, Caps, exactly, first_refusal, nearly_spent
from app.domain.ports import Call, Usage
from app.errors import BudgetExceeded, ProjectHeld
from app.storage.pool import COMMAND_TIMEOUT, Connection, Lease, Pool, sql


async def reserve(
    connection: Connection, reservation: UUID, call: Call, position: int, model: str, usd: float, epoch: int, caps: Caps
) -> None:
    """Set the worst case of a call aside under every cap at once.

    Raises `BudgetExceeded` or `ProjectHeld`, upon which the transaction has to be rolled back.
    """
    needed = exactly(usd)
    project = await connection.fetchrow(sql("usage.reserve_project"), call.project_id, needed)
    if project is None or _too_dear(needed, caps):
        raise await _refused(connection, call, needed, caps)
    purses = caps.purses(call.task_id, project["repository"], project["day"])
    limits = [limit for _, limit in purses.values()]
    fitting = await connection.fetch(sql("usage.reserve_purses"), list(purses), limits, needed)
    if len(fitting) < len(purses):
        raise await _refused(connection, call, needed, caps, {row["key"] for row in fitting}, mine=True)
    await connection.execute(
        sql("usage.open"), reservation, call.project_id, call.task_id, call.role, call.step,
        call.attempt, call.scope, position, model, needed, epoch, list(purses),
    )  # fmt: skip


def _too_dear(needed: Decimal, caps: Caps) -> bool:
    return caps.call is not None and needed > exactly(caps.call)


async def _refused(
    connection: Connection,
    call: Call,
    needed: Decimal,
    caps: Caps,
    fitting: Iterable[str] = (),
    *,
    mine: bool = False,
) -> Exception:
    """Say why a call is refused; what this very transaction added to the sums is left out of them."""
    project = await connection.fetchrow(sql("usage.standing"), call.project_id)
    if project is None:
        return LookupError(f"There is no project {call.project_id}.")
    if project["held"]:
        return ProjectHeld("The project is paused.")
    purses = caps.purses(call.task_id, project["repository"], project["day"])
    held = {row["key"]: row for row in await connection.fetch(sql("usage.purses"), list(purses))}
    added = set(fitting)
    own = needed if mine else Decimal(0)
    sums: list[tuple[Cap, Decimal | None, Decimal, Decimal]] = [
        (Cap.project, project["budget_usd"], project["spent_usd"], project["reserved_usd"] - own)
    ]
    if caps.call is not None:
        sums.append((Cap.call, exactly(caps.call), Decimal(0), Decimal(0)))
    for key, (cap, limit) in purses.items():
        row = held.get(key)
        spent, reserved = (row["spent_usd"], row["reserved_usd"]) if row else (Decimal(0), Decimal(0))
        sums.append((cap, limit, spent, reserved - needed if key in added else reserved))
    return BudgetExceeded(first_refusal(call.step, needed, sums))


async def settle(connection: Connection, reservation: UUID, usage: Usage) -> asyncpg.Record:
    """Replace a call's worst case by what it cost; returns its scope and position, and the project's money.

    Raises `LookupError` when it is closed already.
    """
    call = await connection.fetchrow(
        sql("usage.settle"), reservation, exactly(usage.usd), usage.input_tokens, usage.output_tokens, usage.seconds
    )
    if call is None:
        raise LookupError(f"There is no open reservation {reservation}.")
    moved = [(key, call["reserved_usd"], call["usd"]) for key in call["purses"]]
    await _release(connection, moved)
    return call


def passes_warning(call: asyncpg.Record) -> bool:
    """Tell whether it was this call that used up most of the project's cap."""
    before, now, cap = call["spent_usd"] - call["usd"], call["spent_usd"], call["budget_usd"]
    return nearly_spent(float(now), float(cap)) and not nearly_spent(float(before), float(cap))


async def forfeit(connection: Connection, reservation: UUID, *, sent: bool) -> None:
    """Close a call without an answer: spent when it was sent, given back when not; once is enough."""
    rows = await connection.fetch(sql("usage.forfeit"), reservation, sent)
    await _release(connection, [(row["key"], row["reserved_usd"], row["usd"]) for row in rows])


async def forfeit_abandoned(connection: Connection, subjects: Iterable[UUID], before: int | None = None) -> None:
    """Count as spent what holders of these subjects, of epochs below `before` or all, left open.

    A call that was in flight when they died or were stopped may have been billed.
    """
    rows = await connection.fetch(sql("usage.abandon"), list(subjects), before)
    await _release(connection, [(row["key"], row["reserved_usd"], row["usd"]) for row in rows])


async def _release(connection: Connection, moved: list[tuple[str, Decimal, Decimal]]) -> None:
    if moved:
        keys, reserved, spent = zip(*moved, strict=True)
        await connection.execute(sql("usage.release"), keys, reserved, spent)


async def give_back(pool: Pool, lease: Lease) -> None:
    """End a lease; who lets go has no call in flight, so what a cancelled one left open is closed here."""
    async with pool.acquire(timeout=COMMAND_TIMEOUT) as connection, connection.transaction():
        if await connection.fetchval(sql("leases.release"), lease.subject, lease.owner, lease.epoch):
            await forfeit_abandoned(connection, [lease.subject], lease.epoch + 1)
