"""The web application, and the process's life around it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from app.web.doorbell import Doorbell, Ringer
from app.web.health import Checks, Health
from app.web.middleware import WEBHOOKS, plain_errors, request_id
from app.web.webhooks import Inbox, Webhooks

log = logging.getLogger(__name__)

LARGEST_BODY = 25 * 1024 * 1024  # GitHub's own limit for a payload
SHUTDOWN_SECONDS = 15.0

RINGER = web.AppKey("ringer", Ringer)


def create_app(
    *,
    inbox: Inbox,
    doorbell: Doorbell,
    checks: Checks,
    webhook_secret: str,
    portal: Callable[[web.Application], None] | None = None,
) -> web.Application:
    """Return the application; whoever made the stores closes them."""
    app = web.Application(middlewares=[request_id, plain_errors], client_max_size=LARGEST_BODY)
    app[RINGER] = Ringer(doorbell)
    webhooks, health = Webhooks(inbox, app[RINGER].ring, webhook_secret, LARGEST_BODY), Health(checks)
    app.add_routes(
        [
            web.post(WEBHOOKS, webhooks.receive),
            web.get("/healthz", health.alive),
            web.get("/readyz", health.ready),
            web.get("/metrics", health.metrics),
        ]
    )
    if portal:
        portal(app)
    app.cleanup_ctx.append(_ringing)
    return app


async def serve(
    app: web.Application,
    host: str,
    port: int,
    stop: asyncio.Event,
    started: Callable[[str], None] | None = None,
) -> None:
    """Answer on `host:port` (0: any free one) until `stop` is set, then finish what has begun.

    `started` is told the URL. Raises `OSError` when the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        url = f"http://{host if ':' not in host else f'[{host}]'}:{address[1]}"
        log.info("listening", extra={"url": url})
        if started:
            started(url)
        await stop.wait()
    finally:
        await runner.cleanup()


async def _ringing(app: web.Application) -> AsyncIterator[None]:
    app[RINGER].start()
    yield
    await app[RINGER].stop()
