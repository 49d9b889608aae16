"""The composition root of the web process: stores, queue and application, from the settings."""

import asyncio
import gc
import logging
import signal
from datetime import UTC, datetime

from app import metrics, queue
from app.settings import Settings
from app.storage.deliveries import Inbox, open_door
from app.storage.lookout import Lookout
from app.storage.pool import STORE_FAILURES, connect
from app.web.portal import open_portal
from app.web.server import create_app
from app.web.server import serve as serve_app

log = logging.getLogger(__name__)

STANDING_SECONDS = 15.0  # between counts


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that have begun."""
    gc.freeze()  # what was imported lives as long as the process: looking through it again and again costs a pause
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pool = await connect(settings.database())
    door = await open_door(settings.database())
    bell = queue.connect(settings.redis())
    inbox = Inbox(door)
    standing = asyncio.create_task(_keep_telling(inbox, Lookout(door)))
    try:
        app = create_app(
            inbox=inbox,
            doorbell=bell,
            checks={"postgresql": lambda: pool.fetchval("SELECT 1"), "redis": bell.ping},
            webhook_secret=settings.webhook_secret(),
            portal=open_portal(pool, settings),
        )
        await serve_app(app, settings.host, settings.port, stop)
    finally:
        standing.cancel()
        await asyncio.gather(standing, return_exceptions=True)
        await bell.close()
        await door.close()
        await pool.close()


async def _keep_telling(inbox: Inbox, lookout: Lookout) -> None:
    """Say once that deliveries are taken again, and then how many of them wait and were given up."""
    told = False
    while True:
        try:
            if not told:
                await lookout.door_opened(datetime.now(UTC))
                told = True
            standing = await inbox.standing()
        except STORE_FAILURES as error:
            log.warning("the deliveries can't be counted", extra={"why": type(error).__name__})
        else:
            metrics.DELIVERIES_STANDING.labels("waiting").set(standing.waiting)
            metrics.DELIVERIES_STANDING.labels("parked").set(standing.parked)
            metrics.DELIVERIES_OLDEST.set(standing.oldest)
        await asyncio.sleep(STANDING_SECONDS)
