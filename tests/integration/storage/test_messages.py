"""Messages wait until they are handled, once each, and are announced again when nobody handles them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from app.domain.ports import Handled, Postponed
from app.storage.leases import Leases
from app.storage.messages import Mailbox
from app.storage.pool import Pool
from app.storage.records import LeasedRecords

LONG_AGO = "UPDATE agent_messages SET due_at = now() - interval '1 hour', rung_at = now() - interval '1 hour'"


async def no_ring(message: object) -> None:
    """Announce nothing."""


async def test_a_message_that_is_sent_twice_is_one(pool: Pool, deliver, message):
    await deliver(message)
    await deliver(message)
    assert await Mailbox(pool).pending(message.correlation_id) == [message]


async def test_a_task_message_waits_for_the_task_and_others_for_the_project(
    pool: Pool, deliver, note, project_id: UUID
):
    task = uuid4()
    about_task, about_project = note(project_id, task), note(project_id)
    await deliver(about_task)
    await deliver(about_project)
    assert await Mailbox(pool).pending(task) == [about_task]
    assert await Mailbox(pool).pending(project_id) == [about_project]


async def test_what_is_handled_or_put_off_is_not_pending(pool: Pool, leases: Leases, deliver, note, project_id: UUID):
    handled, later, left, delayed = (note(project_id) for _ in range(4))
    for message in (handled, later, left):
        await deliver(message)
    await deliver(delayed, 60.0)
    async with leases.hold(project_id) as lease:
        assert lease is not None
        records = LeasedRecords(pool, lease, project_id, no_ring)
        await records.write(Handled((handled.id,)), Postponed((later.id,), 60.0))
    assert await Mailbox(pool).pending(project_id) == [left]


async def test_each_ring_for_an_overdue_message_has_its_own_number(pool: Pool, deliver, message):
    await deliver(message)
    rings = []
    for _ in range(3):
        await pool.execute(LONG_AGO)
        rings += [(late.id, late.subject, late.ring) for late in await Mailbox(pool).overdue(1.0)]
    assert rings == [(message.id, message.correlation_id, ring) for ring in (1, 2, 3)]


async def test_a_fresh_message_is_not_overdue(pool: Pool, deliver, message):
    await deliver(message)
    assert await Mailbox(pool).overdue(5.0) == []


async def test_a_message_is_not_overdue_while_a_living_worker_holds_its_subject(pool: Pool, deliver, message):
    await deliver(message)
    await pool.execute(LONG_AGO)
    async with Leases(pool, "one", beat=60).hold(message.correlation_id):
        assert await Mailbox(pool).overdue(1.0) == []
        await pool.execute("UPDATE leases SET expires_at = now() - interval '1 second'")
        assert [late.id for late in await Mailbox(pool).overdue(1.0)] == [message.id]


async def test_when_a_message_is_due_is_up_to_the_clock_of_the_store(pool: Pool, deliver, message):
    ahead = message.model_copy(update={"timestamp": message.timestamp + timedelta(days=365_000)})
    await deliver(ahead)
    assert await Mailbox(pool).pending(ahead.correlation_id) == [ahead]


async def test_a_message_that_was_rung_for_thousands_of_times_is_rung_for_again(pool: Pool, deliver, message):
    """The growing delay must not grow beyond what numbers can hold: one such message would silence all others."""
    await deliver(message)
    await pool.execute(LONG_AGO + ", rings = 5000")
    assert [late.ring for late in await Mailbox(pool).overdue(1.0)] == [5001]


async def test_two_that_look_for_overdue_messages_at_once_ring_once(pool: Pool, deliver, note, project_id: UUID):
    for _ in range(50):
        await deliver(note(project_id))
    await pool.execute(LONG_AGO)
    found = await asyncio.gather(*(Mailbox(pool).overdue(1.0) for _ in range(4)))
    rung = [(late.id, late.ring) for some in found for late in some]
    assert len(rung) == len(set(rung)) == 50


async def test_what_is_let_go_is_announced_at_once_under_a_number_of_its_own(pool: Pool, deliver, message):
    await deliver(message)
    assert [late.ring for late in await Mailbox(pool).again([message.correlation_id])] == [1]
    assert await Mailbox(pool).again([uuid4()]) == []


async def test_a_message_that_waits_for_very_long_is_told_of(pool: Pool, deliver, message):
    await deliver(message.model_copy(update={"timestamp": datetime.now(UTC) - timedelta(hours=3)}))
    await pool.execute("UPDATE agent_messages SET due_at = now() - interval '1 second'")
    (waiting,) = await Mailbox(pool).waiting(7200.0)
    assert waiting.subject == message.correlation_id
    assert await Mailbox(pool).waiting(14400.0) == []
