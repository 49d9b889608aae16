"""Leases: one holder at a time, a successor for a dead one, and no late writes."""

import asyncio
import itertools
from uuid import UUID, uuid4

import pytest

from app.domain.ports import Revoked
from app.errors import LeaseLost
from app.storage.leases import Leases
from app.storage.pool import Lease, Pool, fenced
from app.storage.records import LeasedRecords


async def expire(pool: Pool, subject: UUID) -> None:
    """Let the holder look as if it had stopped beating long ago."""
    await pool.execute("UPDATE leases SET expires_at = now() - interval '1 second' WHERE subject = $1", subject)


async def write(pool: Pool, lease: Lease) -> None:
    async with fenced(pool, lease, "test") as connection:
        await connection.execute("SELECT 1")


async def test_a_subject_has_one_holder_at_a_time(pool: Pool):
    subject = uuid4()
    async with Leases(pool, "one").hold(subject) as first, Leases(pool, "two").hold(subject) as second:
        assert isinstance(first, Lease)
        assert second is None


async def test_of_many_that_want_a_subject_at_once_one_gets_it(pool: Pool):
    subject, done = uuid4(), asyncio.Event()

    async def want(name: str) -> bool:
        async with Leases(pool, name).hold(subject) as lease:
            if lease is not None:
                await done.wait()
            return lease is not None

    wanting = [asyncio.create_task(want(str(number))) for number in range(8)]
    refused = [await first for first in itertools.islice(asyncio.as_completed(wanting), 7)]
    done.set()
    assert refused == [False] * 7
    assert sum(await asyncio.gather(*wanting)) == 1


async def test_a_released_subject_is_free_and_its_epoch_grows(pool: Pool, leases: Leases):
    subject = uuid4()
    epochs = []
    for _ in range(3):
        async with leases.hold(subject) as lease:
            assert lease is not None
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]


async def test_a_lease_is_released_when_its_block_fails(pool: Pool, leases: Leases):
    subject = uuid4()
    with pytest.raises(ZeroDivisionError):
        async with leases.hold(subject):
            raise ZeroDivisionError
    async with leases.hold(subject) as lease:
        assert lease is not None


async def test_a_dead_holder_is_replaced_and_its_late_write_refused(pool: Pool):
    subject = uuid4()

    async def work() -> None:
        async with Leases(pool, "one", beat=60).hold(subject) as old:
            assert old is not None
            await write(pool, old)
            await expire(pool, subject)
            async with Leases(pool, "two").hold(subject) as new:
                assert new is not None
                assert new.epoch == old.epoch + 1
                await write(pool, new)
                await write(pool, old)

    with pytest.raises(LeaseLost):
        await work()


async def test_a_holder_that_was_late_but_has_no_successor_goes_on(pool: Pool):
    subject = uuid4()
    async with Leases(pool, "one", beat=0.02).hold(subject) as lease:
        assert lease is not None
        await expire(pool, subject)
        await asyncio.sleep(0.2)
        async with Leases(pool, "two").hold(subject) as other:
            assert other is None
        await write(pool, lease)


async def test_a_lost_lease_cancels_the_block_and_only_the_block(pool: Pool):
    subject, reached = uuid4(), list[bool]()

    async def work() -> None:
        async with Leases(pool, "one", beat=0.02).hold(subject):
            await expire(pool, subject)
            async with Leases(pool, "two").hold(subject):
                await asyncio.sleep(30)
            reached.append(True)

    with pytest.raises(LeaseLost):
        await work()
    assert not reached
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
    await asyncio.sleep(0)  # a cancellation that is left over would show here


async def test_a_lost_lease_is_reported_when_the_block_turns_the_cancellation_into_something_else(pool: Pool):
    subject = uuid4()

    async def work() -> None:
        async with Leases(pool, "one", beat=0.02).hold(subject) as lease:
            assert lease is not None
            await pool.execute("UPDATE leases SET epoch = epoch + 1 WHERE subject = $1", subject)
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                raise ValueError("cleaning up failed") from None

    with pytest.raises(LeaseLost):
        await work()
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_being_cancelled_from_outside_stays_a_cancellation(pool: Pool, leases: Leases):
    subject = uuid4()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), leases.hold(subject):
            await asyncio.sleep(30)
    async with leases.hold(subject) as lease:
        assert lease is not None


async def test_a_successor_waits_for_a_write_that_is_under_way(pool: Pool):
    subject, order = uuid4(), list[str]()

    async def succeed() -> None:
        async with Leases(pool, "two").hold(subject):
            order.append("successor")

    async with Leases(pool, "one", beat=60).hold(subject) as lease:
        assert lease is not None
        async with fenced(pool, lease, "test"):
            await expire(pool, uuid4())
            await pool.execute("SELECT 1")
            waiting = asyncio.create_task(_expire_then(pool, subject, succeed))
            await asyncio.sleep(0.2)
            order.append("write")
        await asyncio.wait_for(waiting, 5)
    assert order == ["write", "successor"]


async def _expire_then(pool: Pool, subject: UUID, then) -> None:
    await expire(pool, subject)
    await then()


async def test_a_revoked_task_refuses_the_writes_of_its_worker(pool: Pool, leases: Leases, project_id: UUID):
    task = uuid4()

    async def work() -> None:
        async with Leases(pool, "two", beat=60).hold(task) as working, leases.hold(project_id) as lease:
            assert working is not None
            assert lease is not None
            await LeasedRecords(pool, lease, project_id, _no_ring).write(Revoked((task,)))
            await write(pool, working)

    with pytest.raises(LeaseLost):
        await work()


async def _no_ring(message: object) -> None:
    """Announce nothing."""
