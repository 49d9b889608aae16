"""The reconciler: rings again for what the tables say is due, so that losing Redis loses nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

from app import metrics
from app.storage.messages import Overdue
from app.storage.pool import COMMAND_TIMEOUT, within
from workers.outage import Outage
from workers.tempo import Tempo
from workers.wiring import Worker

log = logging.getLogger(__name__)

MOST_WAITING = 10_000  # jobs in Redis, beyond which ringing again only fills its memory
NOTICE = 20  # looks between two for what stands still

Look = Callable[[], Awaitable[None]]


async def reconcile(worker: Worker, tempo: Tempo) -> None:
    """Look, for ever, for what is stored and handled by nobody; an outage is told of once."""
    looks = 0
    noticed: set[UUID] = set()
    freeing, ringing, noticing = Outage("PostgreSQL"), Outage("what the reconciler rings with"), Outage("PostgreSQL")
    while True:
        await asyncio.sleep(tempo.reconcile)
        await _try(freeing, lambda: _free(worker, tempo))
        await _try(ringing, lambda: _ring(worker, tempo))
        if looks % NOTICE == 0:
            await _try(noticing, lambda: _notice(worker, tempo, noticed))
        looks += 1


async def ring_for(worker: Worker, messages: Iterable[Overdue]) -> None:
    """Ring for messages that nobody is handling."""
    for message in messages:
        await worker.queue.work(message.id, message.message_type, message.subject, message.ring)


async def _try(outage: Outage, look: Look) -> None:
    try:
        await within(COMMAND_TIMEOUT, look())
    except Exception as error:  # noqa: BLE001 - whatever it was, the next look may succeed; the outage tells of it
        outage.goes_on(error)
    else:
        outage.is_over()


async def _free(worker: Worker, tempo: Tempo) -> None:
    """End connections of frozen processes: they keep rows locked that others wait for."""
    for pid in await worker.jobs.leases.free(tempo.lease):
        log.warning("a connection stood still within a transaction: ended", extra={"backend": pid})


async def _ring(worker: Worker, tempo: Tempo) -> None:
    if await worker.queue.waiting() > MOST_WAITING:
        return
    for guid, ring in await worker.inbox.overdue(tempo.overdue):
        await worker.queue.delivery(guid, ring)
    await ring_for(worker, await worker.mailbox.overdue(tempo.overdue))


async def _notice(worker: Worker, tempo: Tempo, noticed: set[UUID]) -> None:
    """Tell, once each, of what a worker holds without writing anything, and of messages that wait for very long."""
    still = await worker.jobs.leases.standing_still(tempo.stuck)
    waiting = await worker.mailbox.waiting(tempo.stuck)
    told: dict[UUID, dict[str, object]] = {}
    for message in waiting:
        told[message.subject] = {"seconds": round(message.seconds), "tries": message.tries, "rings": message.rings}
    for held in still:
        told[held.subject] = {"seconds": round(held.seconds), "held_by": held.owner}
    for subject in told.keys() - noticed:
        log.error("stuck", extra={"subject": str(subject), **told[subject]})
    noticed.clear()
    noticed.update(told)
    metrics.STUCK_TASKS.set(len(told))
