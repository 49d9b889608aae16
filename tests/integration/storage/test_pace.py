"""All processes of an installation share one budget of writes, and keep quiet together.

Time passes by taking it off the rows, so that nobody sleeps for minutes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest

from app.errors import RateLimited
from app.storage.pace import SharedTurns
from app.storage.pool import Pool, connect

EVER = 1e6  # seconds


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[Pool]:
    """The pool of another process."""
    opened = await connect(database_url, size=4)
    yield opened
    await asyncio.wait_for(opened.close(), 10)


async def pass_by(pool: Pool, seconds: float) -> None:
    await pool.execute(
        "UPDATE github_pace SET free_at = free_at - $1 * interval '1 second',"
        " blocked_until = blocked_until - $1 * interval '1 second',"
        " turns = ARRAY(SELECT at - $1 * interval '1 second' FROM unnest(turns) at)",
        seconds,
    )


def most_within(times: Iterable[float], seconds: float) -> int:
    """Return how many of the times at most lie within any window of that length."""
    ordered = sorted(times)
    return max(sum(start <= time < start + seconds for time in ordered) for start in ordered)


async def test_two_processes_never_write_more_together_than_github_allows(pool: Pool, others: Pool):
    first, second = SharedTurns(pool), SharedTurns(others)
    waits = await asyncio.gather(*((first, second)[n % 2].take(5, EVER) for n in range(620)))
    assert most_within(waits, 60.0) == 80
    assert most_within(waits, 3600.0) == 500
    assert sum(wait < 1.0 for wait in waits) == 80  # a project that writes little never waits


async def test_turns_come_in_the_order_of_asking(pool: Pool, others: Pool):
    waits = [await SharedTurns((pool, others)[n % 2]).take(5, EVER) for n in range(200)]
    assert all(later > earlier - 1.0 for earlier, later in pairwise(waits))
    at = await pool.fetchval("SELECT turns FROM github_pace")
    assert list(at) == sorted(at)


async def test_a_turn_beyond_ones_patience_is_not_taken(pool: Pool):
    turns = SharedTurns(pool)
    for _ in range(80):
        assert await turns.take(5, 20.0) == 0
    for _ in range(3):
        with pytest.raises(RateLimited) as raised:
            await turns.take(5, 20.0)
        assert raised.value.retry_after == pytest.approx(62, abs=2)
    await pass_by(pool, 45)
    assert await turns.take(5, 20.0) == pytest.approx(17, abs=2)
    await pass_by(pool, 62)
    assert await turns.take(5, 20.0) == 0


async def test_a_limit_that_one_process_hears_of_holds_for_all(pool: Pool, others: Pool):
    told, other = SharedTurns(pool), SharedTurns(others)
    assert await other.blocked(5) == 0
    await told.block(5, 30.0)
    await told.block(5, 10.0)  # a shorter one doesn't end it
    assert await other.blocked(5) == pytest.approx(30, abs=2)
    with pytest.raises(RateLimited) as raised:
        await other.take(5, 20.0)
    assert raised.value.retry_after == pytest.approx(30, abs=2)
    assert await other.take(5, 60.0) == pytest.approx(30, abs=2)
    await pass_by(pool, 31)
    assert await other.blocked(5) == 0
    assert await other.take(5, 0.0) == 0


async def test_installations_have_their_own_budgets(pool: Pool):
    turns = SharedTurns(pool)
    await turns.block(5, 30.0)
    assert await turns.take(6, 0.0) == 0
    assert await turns.blocked(6) == 0


async def test_nobody_holds_a_connection_while_waiting(pool: Pool, database_url: str):
    """One connection hands out turns to many who wait for them."""
    single = await connect(database_url, size=1)
    try:
        waits = await asyncio.wait_for(asyncio.gather(*(SharedTurns(single).take(5, EVER) for _ in range(100))), 10)
    finally:
        await asyncio.wait_for(single.close(), 10)
    assert sum(wait > 50 for wait in waits) == 20
    assert await pool.fetchval("SELECT cardinality(turns) FROM github_pace") == 100


async def test_the_row_stays_small(pool: Pool):
    turns = SharedTurns(pool)
    for _ in range(510):
        await turns.take(5, EVER)
    assert await pool.fetchval("SELECT cardinality(turns) FROM github_pace") == 500
