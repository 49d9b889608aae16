"""Lets bodies in as memory allows: what isn't read yet waits in the sender's buffers, not in ours."""

import asyncio

from aiohttp import web

SMALL = 256 * 1024  # bytes; nearly every delivery
SMALL_AT_ONCE = 256
LARGE_AT_ONCE = 2  # up to 25 MB each, and a few copies of each on the way to PostgreSQL
MOST_WAITING = 512  # in each lane; each has a connection and what it has sent ahead


class Crowded(Exception):
    """Too many requests wait already."""


class Lane:
    """So many at once, a bounded line behind them, first come, first served."""

    def __init__(self, at_once: int) -> None:
        """Nobody is in."""
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0

    @property
    def free(self) -> bool:
        """Whether nobody has to wait."""
        return not self._slots.locked()

    async def enter(self) -> None:
        """Return when there is room; raise `Crowded` when the line is too long. `leave` has to follow."""
        if self._waiting >= MOST_WAITING:
            raise Crowded("Too many deliveries arrive at once.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Make room for the next."""
        self._slots.release()


class Doorkeeper:
    """Has two lanes, so that a flood of large bodies doesn't hold up the others."""

    def __init__(self, largest: int) -> None:
        """Refuse what is larger than `largest` bytes."""
        self._largest = largest
        self._small, self._large = Lane(SMALL_AT_ONCE), Lane(LARGE_AT_ONCE)

    def lane(self, size: int | None) -> Lane:
        """Return where a body of this announced size belongs; None counts as the largest."""
        size = self._largest if size is None else size
        if size > self._largest:
            raise web.HTTPRequestEntityTooLarge(max_size=self._largest, actual_size=size)
        return self._small if size <= SMALL else self._large
