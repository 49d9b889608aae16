"""Take jobs from Redis, and go on when it was away: arq's own loop ends with its connection."""

import asyncio
from collections.abc import Sequence
from typing import Any

from arq.worker import Function
from arq.worker import Worker as ArqWorker
from redis.exceptions import RedisError

from app import queue as names
from workers.outage import Outage
from workers.wiring import Worker

JOB_TIMEOUT = 6 * 3600  # seconds; what hangs is ended by its own limits long before
POLL = 0.05  # seconds between looks at the queue


class Taker(ArqWorker):
    """Takes jobs from one queue, `most` at a time; what died with a job is rung for anew, never tried again by arq."""

    def __init__(self, worker: Worker, queue: str, jobs: Sequence[Function], most: int) -> None:
        """Take jobs for the worker."""
        super().__init__(
            functions=jobs,
            queue_name=queue,
            redis_pool=worker.queue.redis,
            ctx={"worker": worker},
            max_jobs=most,
            job_timeout=JOB_TIMEOUT,
            keep_result=0,
            poll_delay=POLL,
            handle_signals=False,
            allow_abort_jobs=False,
            job_serializer=names.serialize,
            job_deserializer=names.deserialize,
        )
        self._outage = Outage(f"Redis ({queue})")

    async def take(self) -> None:
        """Take jobs for ever."""
        while True:
            try:
                await self.main()
            except (RedisError, OSError, TimeoutError) as error:
                await asyncio.sleep(self._outage.goes_on(error))

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Start what is there; arq forgets the slot that it had taken when Redis fails it."""
        try:
            await super().start_jobs(job_ids)
        except (RedisError, OSError, TimeoutError):
            self._release_sem_dec_counter_on_complete()
            raise

    async def heart_beat(self) -> None:
        """Come to the end of a look at the queue."""
        await super().heart_beat()
        self._outage.is_over()

    @property
    def running(self) -> "set[asyncio.Task[Any]]":
        """The jobs under way."""
        return {task for task in self.tasks.values() if not task.done()}
