"""Whether the process lives, whether it can do its work, and what it measures."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.metrics import REGISTRY

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0

Checks = Mapping[str, Callable[[], Awaitable[object]]]  # by name; each raises when its store is away


class Health:
    """Answers the three questions that machines ask."""

    def __init__(self, checks: Checks) -> None:
        """`checks` are what the process can't work without."""
        self._checks = checks

    async def alive(self, _: web.Request) -> web.Response:
        """Answer as long as the process can."""
        return web.json_response({"status": "ok"})

    async def ready(self, _: web.Request) -> web.Response:
        """Ask every store at once; 503 when one of them doesn't answer in time."""
        answers = await asyncio.gather(*(self._ask(name) for name in self._checks))
        found = dict(zip(self._checks, answers, strict=True))
        ready = all(answer == "ok" for answer in answers)
        body = {"status": "ok" if ready else "unavailable", "checks": found}
        return web.json_response(body, status=200 if ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Return the metrics in Prometheus's format."""
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _ask(self, name: str) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._checks[name]()
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - drivers raise what they like; the answer is "not ready"
            log.warning("not ready", extra={"store": name, "why": f"{type(error).__name__}: {error}"})
            return "unreachable"
        return "ok"
