"""Keep a tier that is lost from costing more than its memories: one warning, a metric, and no more waiting for it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app import metrics

T = TypeVar("T")
log = logging.getLogger(__name__)

REST = 60.0  # seconds in which a tier that failed isn't asked


class Tier:
    """One tier as its coordinator asks it: bounded in time, and left alone for a while after it failed."""

    def __init__(self, name: str, seconds: float, rest: float = REST) -> None:
        """Name the tier, how many seconds it has for an answer, and for how many it is left alone after none."""
        self.name, self._seconds, self._rest = name, seconds, rest
        self._asked_again_at = 0.0
        self._lost = False
        metrics.MEMORY_UP.labels(name).set(1)

    @property
    def resting(self) -> bool:
        """Whether it failed lately, so that nobody waits for it."""
        return time.monotonic() < self._asked_again_at

    async def ask(self, operation: str, act: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Return what `act` does, or `otherwise` when it can't."""
        if self.resting:
            return otherwise
        begun = time.perf_counter()
        try:
            found = await asyncio.wait_for(act(), self._seconds)
        except Exception as error:  # noqa: BLE001 - a tier is drivers, a model and a server; none may end a project
            self._lose(operation, error)
            return otherwise
        metrics.MEMORY_SECONDS.labels(self.name, operation).observe(time.perf_counter() - begun)
        self._regain()
        return found

    def _lose(self, operation: str, error: Exception) -> None:
        metrics.MEMORY_ERRORS.labels(self.name).inc()
        metrics.MEMORY_UP.labels(self.name).set(0)
        self._asked_again_at = time.monotonic() + self._rest
        if not self._lost:
            why = f"{type(error).__name__}: {error}"
            log.warning(
                "memory is lost for now, and work goes on without it",
                extra={"tier": self.name, "operation": operation, "why": why},
            )
        self._lost = True

    def _regain(self) -> None:
        if self._lost:
            log.info("memory is back", extra={"tier": self.name})
            metrics.MEMORY_UP.labels(self.name).set(1)
        self._lost = False
