"""The worker process: it takes jobs, for tasks and for everything quick, and reconciles, until it is asked to end."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from arq.worker import Function, func

from app import queue as names
from app.edges import Edge, edge
from app.logs import bound
from app.settings import Settings
from app.storage.pool import within
from workers.ending import Ending
from workers.exposition import tell_where
from workers.outage import AWAY, Outage
from workers.reconcile import reconcile, ring_for
from workers.recovery import recover
from workers.requests import open_requested
from workers.retention import retain
from workers.taking import Taker
from workers.tempo import TEMPO, Tempo
from workers.wiring import Worker, open_worker

log = logging.getLogger(__name__)

DELIVERIES = 16  # at a time
MOVES = 16  # of Maestro's at a time
AGAIN = 0.2  # seconds until what was cancelled and goes on is cancelled again
LOOK = 0.25  # seconds between looks at the loop
BLOCKED = 1.0  # seconds

Ctx = dict[str, Any]


async def handle_delivery(ctx: Ctx, guid: str) -> None:
    """Act upon a stored delivery."""
    with bound(delivery=guid):
        await _job(names.HANDLE_DELIVERY, partial(ctx["worker"].intake.handle, guid))
        log.info("delivery looked at")


async def advance(ctx: Ctx, project: str, _message: str) -> None:
    """Move a project."""
    with bound(project=project):
        await _job(names.ADVANCE, partial(ctx["worker"].jobs.advance, UUID(project)))


async def run_task(ctx: Ctx, _task: str, _message: str) -> None:
    """Do rounds of tasks: which ones is chosen in PostgreSQL, since Redis knows only who came first."""
    await _job(names.RUN_TASK, ctx["worker"].jobs.run_tasks)


async def _job(name: str, act: Callable[[], Awaitable[None]]) -> None:
    """Do a job; where a store is away, what was to be done still stands in the tables and is rung for again."""
    try:
        await edge(Edge.job, name, act)
    except AWAY as error:
        log.warning("a job has to wait", extra={"job": name, "why": f"{type(error).__name__}: {error}"})


async def work(settings: Settings, ready_file: Path | None = None, tempo: Tempo = TEMPO) -> None:
    """Work until SIGTERM or SIGINT, then bring what is under way to a saved point; a second signal ends it at once."""
    ending = Ending(tempo.drain + tempo.last)
    ending.watch()
    opened = asyncio.Event()
    working = asyncio.create_task(_work(settings, ready_file, tempo, ending.asked, opened))
    asked = asyncio.create_task(ending.asked.wait())
    await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not opened.is_set():
        working.cancel()  # it may be waiting for a store
    asked.cancel()
    await asyncio.wait({working})
    if not working.cancelled():
        working.result()


async def _work(
    settings: Settings, ready_file: Path | None, tempo: Tempo, asked: asyncio.Event, opened: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        worker = await _open(stack, settings, tempo)
        takers = (
            Taker(worker, names.DELIVERY_QUEUE, [_once(handle_delivery)], DELIVERIES),
            Taker(worker, names.QUEUE, [_once(advance)], MOVES),
            Taker(worker, names.TASK_QUEUE, [_once(run_task)], settings.task_slots),
        )
        rounds = (
            *(taker.take() for taker in takers),
            reconcile(worker, tempo),
            recover(worker, tempo),
            open_requested(worker.opener),
            retain(worker, tempo),
            tell_where(worker.artifacts, worker.jobs.leases.worker, worker.files.store, worker.url),
            _watch_loop(),
        )
        running = [asyncio.create_task(one) for one in rounds]
        opened.set()
        if ready_file:
            await asyncio.to_thread(ready_file.touch)
        log.info("worker ready", extra={"task_slots": settings.task_slots})
        stopped = asyncio.create_task(asked.wait())
        done, _ = await asyncio.wait({stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
        ending = [asyncio.create_task(_end(task)) for task in (stopped, *running)]
        await _drain(worker, takers, tempo)
        await asyncio.gather(*ending)
        for task in done:
            task.result()  # what ended by itself is a defect, and says so


async def _open(stack: AsyncExitStack, settings: Settings, tempo: Tempo) -> Worker:
    """Connect to everything, once it is there."""
    outage = Outage("what the worker needs")
    while True:
        try:
            return await stack.enter_async_context(open_worker(settings, tempo))
        except AWAY as error:
            await asyncio.sleep(outage.goes_on(error))


def _once(job: Callable[..., Awaitable[None]]) -> Function:
    """Return what arq runs; a job that died is rung for again by the reconciler, not by arq."""
    return func(job, max_tries=1, keep_result=0)  # type: ignore[arg-type]  # arq's protocol wants a __qualname__


async def _drain(worker: Worker, takers: Sequence[Taker], tempo: Tempo) -> None:
    """Begin nothing, let what runs come to a saved point, then end it; another worker hears of it at once."""
    leases = worker.jobs.leases
    for taker in takers:
        taker.allow_pick_jobs = False
    leases.drain()
    let_go = leases.subjects
    jobs = {job for taker in takers for job in taker.running}
    if jobs:
        _, late = await asyncio.wait(jobs, timeout=tempo.drain)
        leases.let_go()
        late = (await asyncio.wait(late, timeout=tempo.last / 2))[1] if late else late
        await asyncio.gather(*(_end(job) for job in late))
    try:
        await within(tempo.last / 4, _announce(worker, let_go))
    except AWAY as error:
        log.warning("what was let go could not be announced", extra={"why": f"{type(error).__name__}: {error}"})


async def _announce(worker: Worker, subjects: Sequence[UUID]) -> None:
    await ring_for(worker, await worker.mailbox.again(subjects))


async def _end(task: "asyncio.Task[Any]") -> None:
    """Cancel until it has ended: a cancellation that meets an answer of Redis's is swallowed there."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN)


async def _watch_loop() -> None:
    """Tell when something kept the loop from running: leases can't be kept alive meanwhile."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(LOOK)
        late = time.monotonic() - began - LOOK
        if late > BLOCKED:
            log.warning("the loop stood still", extra={"seconds": round(late, 1)})
