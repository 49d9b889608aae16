"""Rings for stored deliveries behind the answer's back, as many at a time as wait."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from app import metrics

log = logging.getLogger(__name__)

RING_SECONDS = 2.0
MOST_AT_ONCE = 200
MOST_WAITING = 10_000  # the reconciler takes what isn't rung for


class Doorbell(Protocol):
    """How workers learn of deliveries at once."""

    async def new_deliveries(self, guids: Sequence[str]) -> None:
        """Ring for stored deliveries."""
        ...


class Ringer:
    """A line of deliveries to ring for; a ring that fails is only a delay, since the delivery is stored."""

    def __init__(self, doorbell: Doorbell) -> None:
        """Nothing rings before `start`."""
        self._doorbell = doorbell
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._ringer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ring."""
        self._ringer = asyncio.create_task(self._work())

    def ring(self, guid: str) -> None:
        """Put a delivery into the line, at once."""
        try:
            self._waiting.put_nowait(guid)
        except asyncio.QueueFull:
            metrics.DOORBELL_FAILURES.inc()

    async def stop(self) -> None:
        """Ring for what is in the line, for a few seconds at most, and end."""
        if self._ringer is None:
            return
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)
        await asyncio.wait([self._ringer], timeout=RING_SECONDS)
        while not self._ringer.done():  # a cancellation that meets Redis's answer is swallowed
            log.warning("rings were left out", extra={"count": self._waiting.qsize()})
            self._ringer.cancel()
            await asyncio.wait([self._ringer], timeout=RING_SECONDS)

    async def _work(self) -> None:
        last = False
        while not last:
            guids = [await self._waiting.get()]
            while not self._waiting.empty() and len(guids) < MOST_AT_ONCE:
                guids.append(self._waiting.get_nowait())
            last = None in guids
            await self._try([guid for guid in guids if guid is not None])

    async def _try(self, guids: list[str]) -> None:
        if not guids:
            return
        try:
            async with asyncio.timeout(RING_SECONDS):
                await self._doorbell.new_deliveries(guids)
        except Exception as error:  # noqa: BLE001 - the deliveries are stored; the reconciler finds them
            metrics.DOORBELL_FAILURES.inc(len(guids))
            log.warning("doorbell failed", extra={"why": f"{type(error).__name__}: {error}", "count": len(guids)})
