"""The reconciler: rings again for what the tables say is due, so that losing Redis loses nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
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


async def reconcile(worker: Worker, tempo: Tempo) -> None:
    """Look, for ever, for what is stored and handled by nobody; an outage is told of once."""
    outage, noticed, rounds = Outage("what the reconciler looks at"), set[UUID](), 0
    while True:
        await asyncio.sleep(tempo.reconcile)
        looks = [partial(_free, worker, tempo), partial(_ring, worker, tempo)]
        if rounds % NOTICE == 0:
            looks.append(partial(_notice, worker, tempo, noticed))
        failures = [error for look in looks if (error := await _try(look))]
        if failures:
            outage.goes_on(failures[0])
        else:
            outage.is_over()
            rounds += 1


async def ring_for(worker: Worker, messages: Iterable[Overdue]) -> None:
    """Ring for messages that nobody is handling."""
    for message in messages:
        await worker.queue.work(message.id, message.message_type, message.subject, message.ring)


async def _try(look: Callable[[], Awaitable[None]]) -> Exception | None:
    """Look; return what went wrong, which is told of once and tried again."""
    try:
        await within(COMMAND_TIMEOUT, look())
    except Exception as error:  # noqa: BLE001 - one look must not keep the others from being made
        return error
    return None


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
