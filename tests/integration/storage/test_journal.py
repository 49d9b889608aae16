"""Every answer is recorded before it is used, and no call is made that could cost more than is left."""

import asyncio
import random
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.domain.ports import Call, Entry, EntryKind, Usage
from app.errors import BudgetExceeded, LeaseLost
from app.storage.journal import LeasedJournal
from app.storage.leases import Leases
from app.storage.pool import Pool

ANSWER = Entry(EntryKind.model, {"text": "yes"})
USAGE = Usage(10, 5, 0.5, 0.25)


@pytest.fixture
async def journal(pool: Pool, leases: Leases, project_id: UUID):
    async with leases.hold(project_id) as lease:
        assert lease is not None
        yield LeasedJournal(pool, lease, project_id)


async def money(pool: Pool) -> tuple[Decimal, Decimal]:
    row = await pool.fetchrow("SELECT spent_usd, reserved_usd FROM projects")
    assert row is not None
    return row["spent_usd"], row["reserved_usd"]


async def test_entries_are_read_in_order_and_scopes_keep_apart(journal: LeasedJournal):
    second = Entry(EntryKind.tool, {"tool": "run", "output": "ok"}, b"\0patch\xff")
    await journal.append("plan", 1, second)
    await journal.append("plan", 0, ANSWER)
    await journal.append("other", 0, ANSWER)
    assert await journal.read("plan") == [ANSWER, second]


async def test_a_position_is_written_once(journal: LeasedJournal):
    await journal.append("plan", 0, ANSWER)
    with pytest.raises(asyncpg.UniqueViolationError):
        await journal.append("plan", 0, ANSWER)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0\0b", "a\ufffd\ufffdb"),
        ("\\\0", "\\\ufffd"),
        ("\\u0000", "\\u0000"),
        ("\\\\u0000\0", "\\\\u0000\ufffd"),
        ("half \ud83d", "half \ufffd"),
        ("whole 😀", "whole 😀"),
    ],
)
async def test_characters_that_the_store_refuses_are_replaced(journal: LeasedJournal, said: str, kept: str):
    await journal.append("plan", 0, Entry(EntryKind.model, {said: [said]}))
    assert [entry.content for entry in await journal.read("plan")] == [{kept: [kept]}]


async def test_a_settled_call_costs_what_it_cost_and_is_recorded(pool: Pool, journal: LeasedJournal, call: Call):
    reservation = await journal.reserve(call, 0, "m", 1.5)
    assert await money(pool) == (Decimal(0), Decimal("1.5"))
    await journal.settle(reservation, USAGE, ANSWER)
    assert await money(pool) == (Decimal("0.25"), Decimal(0))
    assert await journal.read("plan") == [ANSWER]


async def test_a_call_is_settled_once(pool: Pool, journal: LeasedJournal, call: Call):
    reservation = await journal.reserve(call, 0, "m", 1.5)
    await journal.settle(reservation, USAGE, ANSWER)
    with pytest.raises(LookupError):
        await journal.settle(reservation, USAGE, ANSWER)
    await journal.forfeit(reservation, sent=True)
    assert await money(pool) == (Decimal("0.25"), Decimal(0))


async def test_an_answer_that_cannot_be_recorded_is_not_paid_for_yet(pool: Pool, journal: LeasedJournal, call: Call):
    await journal.append("plan", 0, ANSWER)
    reservation = await journal.reserve(call, 0, "m", 1.5)
    with pytest.raises(asyncpg.UniqueViolationError):
        await journal.settle(reservation, USAGE, ANSWER)
    assert await money(pool) == (Decimal(0), Decimal("1.5"))


@pytest.mark.parametrize(("sent", "spent"), [(True, "1.5"), (False, "0")])
async def test_a_call_without_an_answer_is_spent_when_it_was_sent(
    pool: Pool, journal: LeasedJournal, call: Call, sent: bool, spent: str
):
    reservation = await journal.reserve(call, 0, "m", 1.5)
    await journal.forfeit(reservation, sent=sent)
    await journal.forfeit(reservation, sent=True)
    assert await money(pool) == (Decimal(spent), Decimal(0))


async def test_a_call_that_could_cost_more_than_is_left_is_refused(pool: Pool, journal: LeasedJournal, call: Call):
    await journal.reserve(call, 0, "m", 9.0)
    with pytest.raises(BudgetExceeded, match=r"1\.0001 US dollars"):
        await journal.reserve(call, 1, "m", 1.0001)
    await journal.reserve(call, 1, "m", 1.0)
    assert await money(pool) == (Decimal(0), Decimal(10))


async def test_a_call_in_flight_when_its_worker_died_counts_as_spent(pool: Pool, project_id: UUID, call: Call):
    task = uuid4()
    for subject, of_task in ((project_id, None), (task, task)):
        async with Leases(pool, "one").hold(subject) as lease:
            assert lease is not None
            mine = Call(project_id, of_task, call.role, call.step, 1, "r0")
            await LeasedJournal(pool, lease, project_id).reserve(mine, 0, "m", 1.0)
    async with Leases(pool, "two").hold(task) as lease:
        assert await money(pool) == (Decimal(1), Decimal(1))  # Maestro's own call isn't the task's
        assert lease is not None
        await LeasedJournal(pool, lease, project_id).reserve(
            Call(project_id, task, call.role, call.step, 1, "r0"), 0, "m", 1.0
        )
        async with Leases(pool, "two").hold(project_id):
            assert await money(pool) == (Decimal(2), Decimal(1))


async def test_nothing_is_recorded_or_reserved_after_the_lease_is_lost(pool: Pool, journal: LeasedJournal, call: Call):
    reservation = await journal.reserve(call, 0, "m", 1.0)
    await pool.execute("UPDATE leases SET epoch = epoch + 1")
    for late in (
        journal.append("plan", 0, ANSWER),
        journal.reserve(call, 1, "m", 1.0),
        journal.settle(reservation, USAGE, ANSWER),
        journal.forfeit(reservation, sent=False),
    ):
        with pytest.raises(LeaseLost):
            await late
    assert await journal.read("plan") == []
    assert await money(pool) == (Decimal(0), Decimal(1))


async def test_the_cap_holds_whatever_eight_workers_do_at_once(pool: Pool, start):
    project_id = await start(issue=2, budget=3.0)
    outcomes = await asyncio.gather(*(_spend(pool, project_id, random.Random(seed)) for seed in range(8)))
    assert all(highest <= 3 for highest, _ in outcomes)
    assert sum(refused for _, refused in outcomes) > 0
    spent, reserved = await money(pool)
    rows = await pool.fetch("SELECT status, sum(usd) AS usd, sum(reserved_usd) AS reserved FROM token_usage GROUP BY 1")
    by_status = {row["status"]: row for row in rows}
    assert reserved == (by_status["reserved"]["reserved"] if "reserved" in by_status else 0)
    assert spent == sum(row["usd"] for status, row in by_status.items() if status != "reserved")
    assert spent + reserved <= 3


async def _spend(pool: Pool, project_id: UUID, chance: random.Random) -> tuple[Decimal, int]:
    """Reserve, settle, give back and forfeit at random, as one task; return the most in use, and the refusals."""
    task, highest, refused = uuid4(), Decimal(0), 0
    async with Leases(pool, str(task)).hold(task) as lease:
        assert lease is not None
        journal, open_calls = LeasedJournal(pool, lease, project_id), list[tuple[UUID, float]]()
        for position in range(40):
            call = Call(project_id, task, "backend", "generate", 1, "r0")  # type: ignore[arg-type]  # stored as words
            try:
                worst = chance.uniform(0.001, 0.3)
                open_calls.append((await journal.reserve(call, position, "m", worst), worst))
            except BudgetExceeded:
                refused += 1
            if open_calls and chance.random() < 0.8:
                reservation, worst = open_calls.pop(chance.randrange(len(open_calls)))
                if chance.random() < 0.6:
                    usage = Usage(1, 1, 0.1, worst * chance.choice([0.0, 0.02, 0.1, 1.0]))
                    await journal.settle(reservation, usage, ANSWER)
                else:
                    await journal.forfeit(reservation, sent=chance.random() < 0.1)
            used = await pool.fetchval("SELECT spent_usd + reserved_usd FROM projects WHERE id = $1", project_id)
            highest = max(highest, used)
    return highest, refused
