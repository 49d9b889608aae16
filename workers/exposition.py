"""What a worker serves by HTTP: its metrics, whether it lives, and its own log files to the web server."""

import asyncio
import hmac
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from aiohttp import web

from app.errors import ConfigurationError
from app.settings import Settings
from app.storage.artifacts import Artifacts
from app.storage.pool import STORE_FAILURES
from app.web.artifacts import worker_token
from app.web.health import Health
from workers.archive import Archive

log = logging.getLogger(__name__)

EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on
HERE_SECONDS = 60.0  # between two times that the worker says where it is


def application(archive: Archive, token: str | None) -> web.Application:
    """Return the application; files go to whoever shows the token, and to nobody where there is none."""

    async def file(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        if token is None or not hmac.compare_digest(given.encode(errors="replace"), f"Bearer {token}".encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        try:
            content = await archive.read(UUID(request.match_info["id"]))
        except ValueError:
            content = None
        return (
            web.Response(body=content, content_type="text/plain") if content is not None else web.Response(status=404)
        )

    app, health = web.Application(), Health({})
    app.add_routes(
        [
            web.get("/healthz", health.alive),
            web.get("/metrics", health.metrics),
            web.get("/artifacts/{id}", file),
        ]
    )
    return app


@asynccontextmanager
async def expose(settings: Settings, archive: Archive) -> AsyncIterator[str]:
    """Serve while the block runs; yields the address at which others find it.

    Raises `ConfigurationError` when the port is taken.
    """
    token = worker_token(settings.api_token.get_secret_value() if settings.api_token else None)
    runner = web.AppRunner(application(archive, token), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.worker_host, settings.worker_port).start()
        except OSError as error:
            place = f"{settings.worker_host}:{settings.worker_port}"
            raise ConfigurationError(
                f"A worker can't listen on {place} ({error.strerror}): set AURORA_WORKER_PORT."
            ) from None
        url = settings.worker_url or _address(settings.worker_host, runner.addresses[0][1])
        log.info("exposed", extra={"url": url})
        yield url
    finally:
        await runner.cleanup()


def _address(host: str, port: int) -> str:
    name = socket.gethostname() if host in EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


async def tell_where(artifacts: Artifacts, worker: str, store: UUID, url: str) -> None:
    """Say, for ever, where this worker's files can be had."""
    while True:
        try:
            await artifacts.here(worker, store, url)
        except STORE_FAILURES as error:
            log.debug("the address could not be told", extra={"why": type(error).__name__})
        await asyncio.sleep(HERE_SECONDS)
