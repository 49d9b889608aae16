"""Invariants about money, in tables where they don't hold."""

import asyncpg

from tests.crash.invariants import invariants


async def broken_purses(connection: asyncpg.Connection) -> list[str]:
    """Return the invariants about purses that don't hold."""
    about = [one for one in invariants() if "purse" in one.name]
    return [one.name for one in about if await connection.fetch(one.query)]


async def test_a_purse_beyond_its_cap_that_no_call_explains_is_found(database_url):
    connection = await asyncpg.connect(database_url)
    assert await broken_purses(connection) == []

    await connection.execute("INSERT INTO purses (key, cap_usd, spent_usd) VALUES ('day:2026-01-01', 2, 1)")
    assert await broken_purses(connection) == ["what a purse holds is the sum of its calls"]

    await connection.execute("UPDATE purses SET spent_usd = 3")
    assert await broken_purses(connection) == ["no purse beyond its cap", "what a purse holds is the sum of its calls"]
    await connection.close()
