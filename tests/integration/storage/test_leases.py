"""Leases: one holder at a time, a successor for a dead one, and no late writes."""

import asyncio
import itertools
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import edges
from app.domain.ports import Revoked
from app.edges import Edge, edge
from app.errors import LeaseLost
from app.storage.leases import Leases
from app.storage.pool import Lease, Pool, connect, fenced
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


class CancelsReleases:
    """A guard in whose process whoever gives a lease back is cancelled."""

    async def cross(self, _: Edge, what: str, act: Callable[[], Awaitable[Any]]) -> Any:
        if what.startswith("release"):
            raise asyncio.CancelledError
        return await act()


async def test_who_is_cancelled_while_giving_back_holds_nothing(leases: Leases, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(edges, "guard", CancelsReleases())
    with pytest.raises(asyncio.CancelledError):
        async with leases.hold(uuid4()):
            pass
    assert leases.subjects == []


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


FROZEN = """
import asyncio, os, signal, sys
from uuid import UUID
from app.storage.leases import Leases
from app.storage.pool import connect, fenced

async def main():
    pool = await connect(sys.argv[1], size=2)
    async with Leases(pool, "frozen", ttl=0.5, beat=0.1).hold(UUID(sys.argv[2])) as lease:
        async with fenced(pool, lease, "test") as connection:
            await connection.execute("UPDATE projects SET title = 'late' WHERE id = $1", lease.subject)
            print("within", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


async def test_a_holder_that_froze_within_a_transaction_is_put_out_of_the_way(
    pool: Pool, database_url: str, project_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    """Its connection keeps the lease's row locked: it is ended, a successor starts, and nothing late is written."""
    monkeypatch.setattr("app.storage.leases.LOCK_SECONDS", 0.2)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FROZEN, database_url, str(project_id),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        assert await asyncio.wait_for(child.stdout.readline(), 20) == b"within\n"
        successor = Leases(pool, "two")
        await asyncio.sleep(0.7)
        async with successor.hold(project_id) as lease:
            assert lease is None
        assert len(await successor.free(0.5)) == 1
        assert await successor.free(0.5) == []
        async with successor.hold(project_id) as lease:
            assert lease is not None
            assert lease.epoch == 2
    finally:
        child.send_signal(signal.SIGCONT)
        _, said = await asyncio.wait_for(child.communicate(), 20)
    assert child.returncode != 0, said
    assert await pool.fetchval("SELECT title FROM projects WHERE id = $1", project_id) == "A title"


async def test_a_connection_that_is_only_idle_or_at_work_is_left_alone(pool: Pool, leases: Leases):
    working = asyncio.create_task(pool.fetchval("SELECT pg_sleep(0.5)"))
    await asyncio.sleep(0.2)
    assert await leases.free(0.1) == []
    await working


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def show(shown: list[str], what: str) -> None:
    """Do what others see."""

    async def act() -> None:
        shown.append(what)

    await edge(Edge.github, "test", act)


async def test_what_others_see_is_refused_after_a_pause_in_which_a_successor_came(pool: Pool):
    """No beat has told yet: the lease is asked for anew before the act, because it is no longer fresh."""
    subject, clock, shown = uuid4(), Clock(), list[str]()

    async def work() -> None:
        async with Leases(pool, "one", beat=60, clock=clock).hold(subject):
            await show(shown, "before")
            clock.now += 60
            await show(shown, "after a pause without a successor")
            clock.now += 60
            await expire(pool, subject)
            async with Leases(pool, "two").hold(subject):
                await asyncio.sleep(0)
            await show(shown, "after it")

    with pytest.raises(LeaseLost):
        await work()
    assert shown == ["before", "after a pause without a successor"]


async def test_what_a_block_left_running_shows_nothing_any_more(pool: Pool, leases: Leases):
    shown, go_on = list[str](), asyncio.Event()

    async def later() -> None:
        await go_on.wait()
        await show(shown, "late")

    async with leases.hold(uuid4()):
        left = asyncio.create_task(later())
    go_on.set()
    with pytest.raises(LeaseLost):
        await left
    assert shown == []


async def test_a_holder_whose_store_is_silent_for_longer_than_its_lease_is_stopped(database_url: str):
    """It can't know whether somebody else has taken over."""
    lost = await connect(database_url, size=3)

    async def work() -> None:
        async with Leases(lost, "one", ttl=0.5, beat=0.1).hold(uuid4()):
            lost.terminate()
            await asyncio.sleep(30)

    with pytest.raises(LeaseLost, match="didn't answer"):
        await asyncio.wait_for(work(), 10)


async def test_a_block_that_beats_and_writes_nothing_is_ended_by_time(pool: Pool):
    stuck, subject = Leases(pool, "one", beat=0.05, stuck=0.4), uuid4()

    async def work() -> None:
        async with stuck.hold(subject) as lease, stuck.patience(subject):
            assert lease is not None
            for _ in range(6):
                await asyncio.sleep(0.1)
                await write(pool, lease)  # this is progress
            assert [one.subject for one in await stuck.standing_still(0.0)] == [subject]
            await asyncio.sleep(30)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), 10)
    assert await stuck.standing_still(0.0) == []


async def test_a_worker_that_is_to_end_begins_nothing_long_and_takes_nothing(pool: Pool, leases: Leases):
    async def work() -> None:
        async with leases.hold(uuid4()):
            leases.drain()
            shown = list[str]()
            await show(shown, "what has begun goes on")
            assert shown
            await edge(Edge.model, "test", asyncio.Event().wait)

    with pytest.raises(LeaseLost):
        await asyncio.wait_for(work(), 5)
    async with leases.hold(uuid4()) as lease:
        assert lease is None
