"""Bring a database to the present schema, one numbered file at a time."""

import asyncio
from importlib import resources
from importlib.resources.abc import Traversable

import asyncpg

LOCK = 7046029254  # any fixed number: one migrating process at a time


async def migrate(dsn: str) -> list[str]:
    """Apply what hasn't been applied yet, all or nothing; return the names of the files applied."""
    connection = await asyncio.wait_for(asyncpg.connect(dsn), timeout=30)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations"
                " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            done = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
            applied = [file for file in _files() if file.name not in done]
            for file in applied:
                await connection.execute(file.read_text())
                await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", file.name)
            return [file.name for file in applied]
    finally:
        await connection.close()


def _files() -> list[Traversable]:
    folder = resources.files(__name__)
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
