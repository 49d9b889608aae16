"""Waiting for a query no longer than it may take."""

import asyncio
import gc
from typing import Any

import pytest

from app.storage.pool import within


async def test_an_error_that_comes_as_its_waiter_is_cancelled_is_told_of_nowhere():
    """Whoever cancelled it has said enough; asyncio would write a traceback into the log."""
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    query: asyncio.Future[None] = loop.create_future()
    waiting = asyncio.create_task(within(5, query))
    await asyncio.sleep(0)
    query.set_exception(ConnectionError("the store is away"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del query, waiting
    await asyncio.sleep(0)
    gc.collect()
    assert told == []
