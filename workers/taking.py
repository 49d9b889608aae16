"""Take jobs from Redis, and go on when it was away: arq's own loop ends with its connection."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from arq.constants import in_progress_key_prefix
from arq.worker import Function
from arq.worker import Worker as ArqWorker
from redis.exceptions import RedisError

from app import queue as names
from workers.outage import Outage
from workers.wiring import Worker

JOB_TIMEOUT = 6 * 3600  # seconds; what hangs is ended by its own limits long before
POLL = 0.05  # seconds between looks at the queue
MARK = 60.0  # seconds for which a job counts as taken unless its worker says so again


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
        self.in_progress_timeout_s = MARK  # arq's own is as long as a job may take, for dead workers too
        self._marked = time.monotonic()
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
        if time.monotonic() - self._marked > MARK / 4:
            await self._mark()
        self._outage.is_over()

    async def _mark(self) -> None:
        """Say that the jobs under way are; what a dead worker had taken is given up by whoever sees it next."""
        async with self.pool.pipeline() as pipe:
            for job_id in self.tasks:
                pipe.pexpire(in_progress_key_prefix + job_id, int(MARK * 1000))
            await pipe.execute()
        self._marked = time.monotonic()

    @property
    def running(self) -> "set[asyncio.Task[Any]]":
        """The jobs under way."""
        return {task for task in self.tasks.values() if not task.done()}
