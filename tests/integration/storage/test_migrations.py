"""The schema is applied once, by whoever comes first."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

from app.storage import migrate


@pytest.fixture
def empty_url(postgres: str) -> Iterator[str]:
    """The address of a database without a schema."""
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE unmigrated STRATEGY FILE_COPY")
        yield urlsplit(postgres)._replace(path="/unmigrated").geturl()
        admin.execute("DROP DATABASE unmigrated WITH (FORCE)")


async def test_migrating_again_does_nothing(empty_url: str):
    first = await migrate(empty_url)
    assert first == sorted(first)
    assert first[0] == "0001_initial.sql"
    assert await migrate(empty_url) == []


async def test_of_processes_that_migrate_at_once_one_does_it(empty_url: str):
    applied = await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert sorted(map(bool, applied)) == [False, False, False, True]


async def test_a_migration_that_fails_leaves_nothing(empty_url: str):
    connection = await asyncpg.connect(empty_url, timeout=10)
    try:
        await connection.execute("CREATE TABLE artifacts (id int)")  # in the way of the real one
        with pytest.raises(asyncpg.DuplicateTableError):
            await migrate(empty_url)
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert [row["tablename"] for row in tables] == ["artifacts"]
    finally:
        await connection.close()
