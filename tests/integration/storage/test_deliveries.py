"""Deliveries are kept once and handled once, together with what they bring about."""

import pytest

from app.storage.deliveries import Inbox
from app.storage.pool import Pool

MARK = "INSERT INTO leases VALUES (gen_random_uuid(), 'effect', 1, now())"


async def test_a_delivery_is_kept_once(pool: Pool):
    inbox = Inbox(pool)
    assert await inbox.store("g1", "issues", "labeled", b'{"a": 1}')
    assert not await inbox.store("g1", "issues", "labeled", b'{"a": 2}')
    kept = await inbox.peek("g1")
    assert kept is not None
    assert (kept.event, kept.payload) == ("issues", {"a": 1})
    assert await inbox.known(["g1", "g2"]) == {"g1"}


async def test_a_delivery_is_handled_with_what_its_block_writes(pool: Pool):
    inbox = Inbox(pool)
    await inbox.store("g1", "issues", None, b"{}")
    async with inbox.take("g1") as connection:
        assert connection is not None
        await connection.execute(MARK)
    async with inbox.take("g1") as again:
        assert again is None
    assert await inbox.peek("g1") is None
    assert await pool.fetchval("SELECT count(*) FROM leases") == 1


async def test_a_delivery_whose_block_fails_is_to_be_handled_still_and_left_nothing(pool: Pool):
    inbox = Inbox(pool)
    await inbox.store("g1", "issues", None, b"{}")

    async def work() -> None:
        async with inbox.take("g1") as connection:
            assert connection is not None
            await connection.execute(MARK)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()
    assert await pool.fetchval("SELECT count(*) FROM leases") == 0
    async with inbox.take("g1") as connection:
        assert connection is not None


async def test_a_delivery_is_in_one_hand_at_a_time(pool: Pool):
    inbox = Inbox(pool)
    await inbox.store("g1", "issues", None, b"{}")
    async with inbox.take("g1") as first, inbox.take("g1") as second:
        assert first is not None
        assert second is None


async def test_each_ring_for_an_overdue_delivery_has_its_own_number(pool: Pool):
    inbox = Inbox(pool)
    await inbox.store("g1", "issues", None, b"{}")
    assert await inbox.overdue(5.0) == []
    rings = []
    for _ in range(3):
        await pool.execute("UPDATE deliveries SET due_at = now() - interval '1 hour'")
        rings += await inbox.overdue(5.0)
    assert rings == [("g1", 1), ("g1", 2), ("g1", 3)]
    async with inbox.take("g1"):
        pass
    await pool.execute("UPDATE deliveries SET due_at = now() - interval '1 hour'")
    assert await inbox.overdue(5.0) == []
