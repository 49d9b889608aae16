"""The reconciler: rings again for what the tables say is due, so that losing Redis loses no work."""

import asyncio
import logging

from workers.tempo import Tempo
from workers.wiring import Worker

log = logging.getLogger(__name__)


async def reconcile(worker: Worker, tempo: Tempo) -> None:
    """Ring again, for ever, for what is stored and handled by nobody."""
    while True:
        await asyncio.sleep(tempo.reconcile)
        try:
            for guid, ring in await worker.inbox.overdue(tempo.overdue):
                await worker.queue.delivery(guid, ring)
            for message in await worker.mailbox.overdue(tempo.overdue):
                await worker.queue.work(message.id, message.message_type, message.subject, message.ring)
        except Exception:
            log.warning("the reconciler could not look", exc_info=True)
