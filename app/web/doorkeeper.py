"""Lets bodies in as memory allows: what isn't read yet waits in the sender's buffers, not in ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

SMALL = 256 * 1024  # bytes; nearly every delivery
SMALL_AT_ONCE = 256
LARGE_AT_ONCE = 2  # up to 25 MB each, and a few copies of each on the way to PostgreSQL
MOST_WAITING = 512  # in each lane; each has a connection and what it has sent ahead


class Crowded(Exception):
    """Too many requests wait already."""


class _Lane:
    """So many at once, a bounded line behind them, first come, first served."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise Crowded("Too many deliveries arrive at once.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


class Doorkeeper:
    """Reads bodies in two lanes, so that a flood of large ones doesn't hold up the others."""

    def __init__(self, largest: int) -> None:
        """Refuse what is larger than `largest` bytes."""
        self._largest = largest
        self._small, self._large = _Lane(SMALL_AT_ONCE), _Lane(LARGE_AT_ONCE)

    @asynccontextmanager
    async def admit(self, request: web.Request) -> AsyncIterator[bytes]:
        """Yield the request's body; its memory counts until the block ends. Raises `Crowded`."""
        size = self._largest if request.content_length is None else request.content_length
        if size > self._largest:
            raise web.HTTPRequestEntityTooLarge(max_size=self._largest, actual_size=size)
        async with (self._small if size <= SMALL else self._large).slot():
            yield await request.read()
