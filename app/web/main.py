"""The composition root of the web process: stores, queue and application, from the settings."""

import asyncio
import signal

from app import queue
from app.settings import Settings
from app.storage.deliveries import Inbox, open_door
from app.storage.pool import connect
from app.web.portal import open_portal
from app.web.server import create_app
from app.web.server import serve as serve_app


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that have begun."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pool = await connect(settings.database())
    door = await open_door(settings.database())
    bell = queue.connect(settings.redis())
    try:
        app = create_app(
            inbox=Inbox(door),
            doorbell=bell,
            checks={"postgresql": lambda: pool.fetchval("SELECT 1"), "redis": bell.ping},
            webhook_secret=settings.webhook_secret(),
            portal=open_portal(pool, settings),
        )
        await serve_app(app, settings.host, settings.port, stop)
    finally:
        await bell.close()
        await door.close()
        await pool.close()
