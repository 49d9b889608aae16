"""Log files by link, whichever worker's disk they are on."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from app.domain.artifacts import Artifact
from app.domain.board import ArtifactList
from app.storage.artifacts import Artifacts
from app.web.middleware import problem
from app.web.projects import answered, identity_in

log = logging.getLogger(__name__)

SECONDS = 10.0  # for a worker to answer
SESSION = web.AppKey("worker_session", aiohttp.ClientSession)
HEADERS = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",  # others wrote parts of it
}


def worker_token(api_token: str | None) -> str | None:
    """Return what the web server shows to workers: made from the operator's token, which it doesn't give away.

    A blank token is none: what is made of it, anybody could make.
    """
    if api_token is None or not api_token.strip():
        return None
    return hmac.new(api_token.strip().encode(), b"aurora worker", hashlib.sha256).hexdigest()


class LogFiles:
    """Passes files through from the workers that have them; only addresses that workers wrote down are asked."""

    def __init__(self, artifacts: Artifacts, api_token: str | None) -> None:
        """Find files by `artifacts`."""
        self._artifacts = artifacts
        self._token = worker_token(api_token) or ""

    async def session(self, app: web.Application) -> AsyncIterator[None]:
        """Hold the connections to workers while the server runs."""
        app[SESSION] = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=SECONDS), headers={"Authorization": f"Bearer {self._token}"}
        )
        yield
        await app[SESSION].close()

    async def listing(self, request: web.Request) -> web.Response:
        """Return what files a project has, the newest first."""
        project = identity_in(request, "id")
        return answered(await self._artifacts.of_project(project) if project else ArtifactList(artifacts=()))

    async def one(self, request: web.Request) -> web.Response:
        """Return a file as text."""
        project, identity = identity_in(request, "id"), identity_in(request, "artifact")
        artifact = await self._artifacts.get(project, identity) if project and identity else None
        if artifact is None:
            return problem(404, "Not found", "There is no such log; logs are kept for a limited time.")
        for url in await self._artifacts.hosts(artifact.store):
            content = await self._ask(request.app[SESSION], url, artifact)
            if content is not None:
                return web.Response(body=content, content_type="text/plain", charset="utf-8", headers=HEADERS)
        return problem(
            503, "The worker is away", "The worker that has this log can't be reached: try again once it runs."
        )

    async def _ask(self, session: aiohttp.ClientSession, url: str, artifact: Artifact) -> bytes | None:
        """Return the file from one worker, unless it is away or has something else."""
        try:
            async with session.get(f"{url}/artifacts/{artifact.id}", allow_redirects=False) as answer:
                content = await answer.content.read(artifact.size + 1) if answer.status == 200 else b""
                while (
                    answer.status == 200 and len(content) <= artifact.size and (more := await answer.content.readany())
                ):
                    content += more
        except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            log.warning("a worker can't be reached", extra={"url": url, "why": f"{type(error).__name__}: {error}"})
            return None
        if answer.status != 200 or hashlib.sha256(content).hexdigest() != artifact.digest:
            log.warning("a worker doesn't have a log", extra={"url": url, "status": answer.status})
            return None
        return content
