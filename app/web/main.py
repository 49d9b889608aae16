"""The composition root of the web process: stores, queue and application, from the settings."""

import asyncio
import gc
import signal

from app import queue
from app.settings import Settings
from app.storage.deliveries import Inbox, open_door
from app.storage.lookout import Lookout
from app.storage.pool import connect
from app.storage.standing import Standing
from app.web.portal import open_portal
from app.web.server import create_app
from app.web.server import serve as serve_app
from app.web.standing import Teller


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
    teller = Teller(inbox, Lookout(door), Standing(pool), settings)
    standing = asyncio.create_task(teller.keep_telling())
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
