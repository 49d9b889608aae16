"""Rings for stored deliveries behind the answer's back, a few at a time."""

import asyncio
import logging
from typing import Protocol

from app import logs, metrics

log = logging.getLogger(__name__)

RINGERS = 4  # each needs a connection to Redis
RING_SECONDS = 2.0
MOST_WAITING = 10_000  # the reconciler takes what isn't rung for


class Doorbell(Protocol):
    """How workers learn of a delivery at once."""

    async def delivery(self, guid: str) -> None:
        """Ring for a stored delivery."""
        ...


class Ringer:
    """A line of deliveries to ring for; a ring that fails is only a delay, since the delivery is stored."""

    def __init__(self, doorbell: Doorbell) -> None:
        """Nothing rings before `start`."""
        self._doorbell = doorbell
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        self._ringers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to ring."""
        self._ringers = [asyncio.create_task(self._work()) for _ in range(RINGERS)]

    def ring(self, guid: str) -> None:
        """Put a delivery into the line, at once."""
        try:
            self._waiting.put_nowait(guid)
        except asyncio.QueueFull:
            metrics.DOORBELL_FAILURES.inc()

    async def stop(self) -> None:
        """Ring for what is in the line, for a few seconds at most, and end."""
        try:
            await asyncio.wait_for(self._waiting.join(), RING_SECONDS)
        except TimeoutError:
            log.warning("rings were left out", extra={"count": self._waiting.qsize()})
        for ringer in self._ringers:
            ringer.cancel()
        await asyncio.gather(*self._ringers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            guid = await self._waiting.get()
            with logs.bound(delivery=guid):
                await self._try(guid)
            self._waiting.task_done()

    async def _try(self, guid: str) -> None:
        try:
            async with asyncio.timeout(RING_SECONDS):
                await self._doorbell.delivery(guid)
        except Exception as error:  # noqa: BLE001 - the delivery is stored; the reconciler finds it
            metrics.DOORBELL_FAILURES.inc()
            log.warning("doorbell failed", extra={"why": f"{type(error).__name__}: {error}"})
