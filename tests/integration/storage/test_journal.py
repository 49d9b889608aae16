"""Every answer is recorded before it is used, and no call is made that could cost more than is left."""

from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.domain.budget import Cap, Caps, Refusal
from app.domain.ports import Call, Entry, EntryKind, Revoked, Step, Usage
from app.domain.project import Repository
from app.domain.task import Task
from app.errors import BudgetExceeded, LeaseLost, ProjectHeld
from app.storage.journal import LeasedJournal
from app.storage.leases import Leases
from app.storage.pool import Lease, Pool, sql
from app.storage.records import LeasedRecords
from app.storage.repositories import Repositories

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


async def purses(pool: Pool) -> dict[str, tuple[Decimal, Decimal]]:
    """Return what is spent and reserved, by the kind of purse."""
    rows = await pool.fetch("SELECT * FROM purses")
    return {row["key"].partition(":")[0]: (row["spent_usd"], row["reserved_usd"]) for row in rows}


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
    with pytest.raises(
        BudgetExceeded, match=r"could cost \$1\.0001\. The cap for this run is \$10\.00, of which \$0\.00 is spent"
    ):
        await journal.reserve(call, 1, "m", 1.0001)
    await journal.reserve(call, 1, "m", 1.0)
    assert await money(pool) == (Decimal(0), Decimal(10))


async def dies_in_a_call(pool: Pool, subject: UUID, call: Call) -> None:
    """Take a lease, reserve, and be gone: the lease has run out, and nobody has given it back."""
    epoch = (await pool.fetchrow(sql("leases.acquire"), subject, "dead", -1.0))["epoch"]
    await LeasedJournal(pool, Lease(subject, "dead", epoch), call.project_id).reserve(call, 0, "m", 1.0)


async def test_a_call_in_flight_when_its_worker_died_counts_as_spent(pool: Pool, project_id: UUID, call: Call):
    task = uuid4()
    of_task = Call(project_id, task, call.role, call.step, 1, "r0")
    await dies_in_a_call(pool, project_id, call)
    await dies_in_a_call(pool, task, of_task)
    async with Leases(pool, "two").hold(task) as lease:
        assert await money(pool) == (Decimal(1), Decimal(1))  # Maestro's own call isn't the task's
        assert lease is not None
        await LeasedJournal(pool, lease, project_id).reserve(of_task, 0, "m", 1.0)
        async with Leases(pool, "two").hold(project_id):
            assert await money(pool) == (Decimal(2), Decimal(1))


async def test_who_gives_a_lease_back_leaves_nothing_reserved(pool: Pool, project_id: UUID, call: Call):
    async with Leases(pool, "one").hold(project_id) as lease:
        assert lease is not None
        await LeasedJournal(pool, lease, project_id).reserve(call, 0, "m", 1.0)
    assert await money(pool) == (Decimal(1), Decimal(0))
    assert await purses(pool) == {"day": (1, 0), "repository": (1, 0)}


async def test_the_open_calls_of_a_revoked_task_are_closed(pool: Pool, project_id: UUID, call: Call, task: Task):
    of_task = Call(project_id, task.id, call.role, call.step, 1, "r0")
    await dies_in_a_call(pool, task.id, of_task)

    async def ring(_: object) -> None: ...

    async with Leases(pool, "two").hold(project_id) as lease:
        assert lease is not None
        await LeasedRecords(pool, lease, project_id, ring).write(task, Revoked((task.id,)))
        assert await money(pool) == (Decimal(1), Decimal(0))
        assert await purses(pool) == {"day": (1, 0), "repository": (1, 0), "task": (1, 0)}


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


CAPS = {
    Cap.call: (Caps(call=1.0), "a single call"),
    Cap.task: (Caps(task=1.0), "this task"),
    Cap.repository_day: (Caps(repository_day=1.0), "this repository today"),
    Cap.day: (Caps(day=1.0), "the whole installation today"),
}


@pytest.mark.parametrize("cap", CAPS)
async def test_a_refusal_names_the_cap_and_leaves_nothing_reserved(pool: Pool, project_id: UUID, task: Task, cap: Cap):
    caps, words = CAPS[cap]
    async with Leases(pool, "one").hold(task.id) as lease:
        assert lease is not None
        journal = LeasedJournal(pool, lease, project_id, caps)
        call = Call(project_id, task.id, task.assigned_agent, Step.generate, 1, "r0")
        await journal.settle(await journal.reserve(call, 0, "m", 0.5), USAGE, ANSWER)
        await journal.reserve(call, 1, "m", 0.5)
        with pytest.raises(BudgetExceeded, match=words) as refused:
            await journal.reserve(call, 2, "m", 1.25)
        refusal = refused.value.refusal
        assert isinstance(refusal, Refusal)
        alone = cap is Cap.call
        assert (refusal.cap, refusal.limit, refusal.needed) == (cap, 1, Decimal("1.25"))
        assert (refusal.spent, refusal.reserved) == ((0, 0) if alone else (Decimal("0.25"), Decimal("0.5")))
        assert await money(pool) == (Decimal("0.25"), Decimal("0.5"))
        assert set((await purses(pool)).values()) == {(Decimal("0.25"), Decimal("0.5"))}


async def test_a_call_that_a_rename_overtakes_is_counted_under_the_new_name(pool: Pool, project_id: UUID, call: Call):
    called = Repositories(pool)
    await called.learn(1, Repository(full_name="o/r", installation_id=5))
    async with Leases(pool, "one").hold(project_id) as lease:
        assert lease is not None
        journal = LeasedJournal(pool, lease, project_id, Caps(repository_day=1.0))
        settled, returned = await journal.reserve(call, 0, "m", 0.5), await journal.reserve(call, 1, "m", 0.5)
        await called.learn(1, Repository(full_name="o/renamed", installation_id=5))
        await journal.settle(settled, USAGE, ANSWER)
        await journal.forfeit(returned, sent=False)
    (row,) = await pool.fetch("SELECT * FROM purses WHERE starts_with(key, 'repository:')")
    assert row["key"].startswith("repository:o/renamed:")
    assert (row["spent_usd"], row["reserved_usd"]) == (Decimal("0.25"), 0)


async def test_a_new_day_has_its_cap_again_and_a_call_belongs_to_the_day_of_its_reservation(
    pool: Pool, project_id: UUID, call: Call
):
    async with Leases(pool, "one").hold(project_id) as lease:
        assert lease is not None
        journal = LeasedJournal(pool, lease, project_id, Caps(day=1.0))
        reservation = await journal.reserve(call, 0, "m", 1.0)
        with pytest.raises(BudgetExceeded):
            await journal.reserve(call, 1, "m", 1.0)
        today: str = await pool.fetchval("SELECT key FROM purses WHERE key LIKE 'day:%'")
        await pool.execute("UPDATE token_usage SET purses = array_replace(purses, $1, 'day:2001-01-01')", today)
        await pool.execute("UPDATE purses SET key = 'day:2001-01-01' WHERE key = $1", today)
        await journal.reserve(call, 1, "m", 1.0)
        await journal.settle(reservation, USAGE, ANSWER)
    rows = await pool.fetch("SELECT key, spent_usd, reserved_usd FROM purses WHERE key LIKE 'day:%' ORDER BY key")
    assert [(row["spent_usd"], row["reserved_usd"]) for row in rows] == [(Decimal("0.25"), 0), (1, 0)]
    assert rows[0]["key"] == "day:2001-01-01"


@pytest.mark.parametrize("how", ["held = true", "status = 'paused'"])
async def test_no_call_is_begun_for_a_project_that_is_held(pool: Pool, journal: LeasedJournal, call: Call, how: str):
    await pool.execute(f"UPDATE projects SET {how}")
    with pytest.raises(ProjectHeld):
        await journal.reserve(call, 0, "m", 0.1)
    assert await money(pool) == (0, 0)


async def test_a_statement_that_forgets_the_caps_is_refused_by_the_tables(pool: Pool, project_id: UUID):
    with pytest.raises(asyncpg.CheckViolationError, match="cap of projects"):
        await pool.execute("UPDATE projects SET reserved_usd = reserved_usd + 10.01")
    with pytest.raises(asyncpg.CheckViolationError, match="cap of purses day:x"):
        await pool.execute("INSERT INTO purses (key, cap_usd, reserved_usd) VALUES ('day:x', 1, 1.01)")
    await pool.execute("INSERT INTO purses (key, cap_usd, reserved_usd) VALUES ('day:x', 1, 1)")
    with pytest.raises(asyncpg.CheckViolationError, match="cap of purses day:x"):
        await pool.execute("UPDATE purses SET reserved_usd = 1.01")
    await pool.execute("UPDATE purses SET spent_usd = 3, reserved_usd = 0")  # what was paid is paid
    await pool.execute("UPDATE purses SET cap_usd = 2")


async def test_amounts_are_kept_exactly(pool: Pool, journal: LeasedJournal, call: Call):
    for position in range(3):
        reservation = await journal.reserve(call, position, "m", 0.1)
        await journal.settle(reservation, Usage(1, 1, 0.1, 0.000_000_075), ANSWER)
    assert await money(pool) == (Decimal("0.000000225"), 0)


async def test_maestro_is_told_once_that_most_of_the_cap_is_spent(pool: Pool, journal: LeasedJournal, call: Call):
    for position, usd in enumerate([7.9, 0.2, 0.2]):
        reservation = await journal.reserve(call, position, "m", usd)
        await journal.settle(reservation, Usage(1, 1, 0.1, usd), ANSWER)
        told = await pool.fetch("SELECT payload FROM agent_messages")
        assert [row["payload"]["event"] for row in told] == (["nearly_spent"] if position else [])
