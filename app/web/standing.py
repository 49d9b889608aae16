"""Tells in metrics how the whole installation stands; the server does, so that it is told once."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import metrics
from app.domain.project import ProjectStatus
from app.settings import Settings
from app.storage.deliveries import Inbox
from app.storage.lookout import Lookout
from app.storage.pool import STORE_FAILURES
from app.storage.standing import Standing, Waiting

log = logging.getLogger(__name__)

EVERY = 15.0  # seconds
SECONDS = 5.0  # for Redis to answer
RETENTION = "retention"  # the mark of the last sweep
# What the stores are meant to hold at most; the alerts begin at four fifths.
LIMITS = {"postgresql": 100e9, "queue": 1e9, "short_term": 1e9}


@dataclass
class Teller:
    """Sets the gauges of the installation."""

    inbox: Inbox
    lookout: Lookout
    standing: Standing
    settings: Settings
    opened: bool = False  # that deliveries are taken again was said

    async def keep_telling(self) -> None:
        """Tell, for ever; what can't be asked keeps its last value."""
        for store, limit in LIMITS.items():
            metrics.STORE_LIMIT.labels(store).set(limit)
        metrics.BUDGET_TODAY.set(self.settings.budget_day or math.inf)
        while True:
            for what, tell in (("postgresql", self._tables), ("redis", self._redis)):
                await self._try(what, tell)
            await asyncio.sleep(EVERY)

    async def _try(self, what: str, tell: Callable[[], Awaitable[None]]) -> None:
        try:
            await tell()
        except (*STORE_FAILURES, RedisError) as error:
            log.warning("the installation can't be measured", extra={"store": what, "why": type(error).__name__})

    async def _tables(self) -> None:
        if not self.opened:
            await self.lookout.door_opened(datetime.now(UTC))
            self.opened = True
        deliveries = await self.inbox.standing()
        metrics.DELIVERIES_STANDING.labels("waiting").set(deliveries.waiting)
        metrics.DELIVERIES_STANDING.labels("parked").set(deliveries.parked)
        metrics.DELIVERIES_OLDEST.set(deliveries.oldest)
        queues = {**await self.standing.queues(), "deliveries": Waiting(deliveries.waiting, deliveries.oldest)}
        for queue, waiting in queues.items():
            metrics.QUEUE_WAITING.labels(queue).set(waiting.number)
            metrics.QUEUE_OLDEST.labels(queue).set(waiting.oldest)
        projects = await self.standing.projects()
        for status in ProjectStatus:
            metrics.PROJECTS.labels(status).set(projects.get(status, 0))
        metrics.SPENT_TODAY.set(await self.standing.spent_today())
        metrics.STORE_BYTES.labels("postgresql").set(await self.standing.size())
        if swept := await self.lookout.mark(RETENTION):
            metrics.RETENTION_LAST.set(swept.timestamp())

    async def _redis(self) -> None:
        queue, own = self.settings.redis(), self.settings.memory_redis_url
        await self._used("queue", queue)
        await self._used("short_term", own.get_secret_value() if own else queue)

    async def _used(self, store: str, url: str) -> None:
        async with Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS) as redis:
            metrics.STORE_BYTES.labels(store).set((await redis.info("memory"))["used_memory"])
