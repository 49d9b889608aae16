"""What GitHub could not tell: missed deliveries are asked for again."""

import asyncio
import logging
from datetime import timedelta

from app.github.recovery import request_missed
from workers.tempo import Tempo
from workers.wiring import Worker, utc_now

log = logging.getLogger(__name__)

REMEMBERED = timedelta(days=3)  # that GitHub keeps deliveries for


async def recover(worker: Worker, tempo: Tempo) -> None:
    """Ask GitHub, at the start and every few minutes, for the deliveries that it could not bring."""
    while True:
        try:
            await request_missed(worker.app, worker.inbox, utc_now() - REMEMBERED)
        except Exception:
            log.warning("missed deliveries could not be looked for", exc_info=True)
        await asyncio.sleep(tempo.recover)
