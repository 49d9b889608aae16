"""The worker process: two arq workers in one loop, for tasks and for everything quick, and the reconciler."""

import asyncio
import logging
import signal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from arq.connections import ArqRedis
from arq.worker import Worker as ArqWorker
from arq.worker import func

from app import queue as names
from app.edges import Edge, edge
from app.settings import Settings
from workers.reconcile import reconcile
from workers.recovery import recover
from workers.tempo import TEMPO, Tempo
from workers.wiring import Worker, open_worker

log = logging.getLogger(__name__)

QUICK_JOBS = 16  # deliveries and Maestro's moves at a time
JOB_TIMEOUT = 6 * 3600  # seconds; what hangs is ended by its own limits long before
POLL = 0.05  # seconds between looks at the queue
AGAIN = 0.2  # seconds until what was cancelled and goes on is cancelled again

Ctx = dict[str, Any]


async def handle_delivery(ctx: Ctx, guid: str) -> None:
    """Act upon a stored delivery."""
    await edge(Edge.job, names.HANDLE_DELIVERY, partial(ctx["worker"].intake.handle, guid))


async def advance(ctx: Ctx, project: str, _message: str) -> None:
    """Move a project."""
    await edge(Edge.job, names.ADVANCE, partial(ctx["worker"].jobs.advance, UUID(project)))


async def run_task(ctx: Ctx, task: str, _message: str) -> None:
    """Do a round of a task."""
    await edge(Edge.job, names.RUN_TASK, partial(ctx["worker"].jobs.run_task, UUID(task)))


async def work(settings: Settings, ready_file: Path | None = None, tempo: Tempo = TEMPO) -> None:
    """Work until SIGTERM or SIGINT, then finish what is under way."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_worker(settings, tempo) as worker:
        redis = worker.queue.redis
        quick = _arq(worker, redis, names.QUEUE, [handle_delivery, advance], QUICK_JOBS)
        tasks = _arq(worker, redis, names.TASK_QUEUE, [run_task], settings.task_slots)
        running = [asyncio.create_task(arq.async_run()) for arq in (quick, tasks)]
        running += [asyncio.create_task(reconcile(worker, tempo)), asyncio.create_task(recover(worker, tempo))]
        if ready_file:
            await asyncio.to_thread(ready_file.touch)
        log.info("worker ready", extra={"task_slots": settings.task_slots})
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        await _drain((quick, tasks), running, tempo.drain)


def _arq(worker: Worker, redis: ArqRedis, queue: str, jobs: list[Any], most: int) -> ArqWorker:
    """Return an arq worker; a job that died is rung for again by the reconciler, not by arq."""
    return ArqWorker(
        functions=[func(job, max_tries=1, keep_result=0) for job in jobs],
        queue_name=queue,
        redis_pool=redis,
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


async def _drain(workers: tuple[ArqWorker, ...], running: list[asyncio.Task[None]], seconds: float) -> None:
    """Take no new jobs, let running ones end or cancel them; their messages stay, so nothing is lost."""
    ending = [asyncio.create_task(_end(task)) for task in running]
    jobs = [job for worker in workers for job in worker.tasks.values()]
    if jobs:
        _, late = await asyncio.wait(jobs, timeout=seconds)
        for job in late:
            job.cancel()
    await asyncio.gather(*ending, *jobs, return_exceptions=True)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: a cancellation that meets an answer of Redis's is swallowed there."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN)
