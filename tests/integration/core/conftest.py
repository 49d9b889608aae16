"""A world for each test of the core; whatever happened in it, one more advance changes nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.storage.pool import Pool, connect
from tests.integration.core.world import World, advance_once_more


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database."""
    opened = await connect(database_url, size=8)
    yield opened
    await asyncio.wait_for(opened.close(), 10)


@pytest.fixture
async def world(pool: Pool) -> AsyncIterator[World]:
    """A world in which nothing visible may be doubled, and every job runs twice."""
    made = World(pool)
    yield made
    made.assert_nothing_doubled()
    if not made.tampered and not await made.pending():
        await advance_once_more(made)
        made.assert_nothing_doubled()
