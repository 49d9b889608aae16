"""A GitHub that answers what a test tells it, over real HTTP."""

from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.domain.project import Repository
from app.github.forges import GitHubForges


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    json: Any


@dataclass
class GitHub:
    """Answers in the order told for each method and path; the last answer is repeated."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    _answers: dict[tuple[str, str], deque[tuple[int, Any, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(deque)
    )

    def on(self, method: str, path: str, data: Any = None, status: int = 200, **headers: str) -> "GitHub":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers[method, path].append((status, data, named))
        return self

    def sent(self, method: str, path: str) -> list[Request]:
        return [one for one in self.requests if (one.method, one.path) == (method, path)]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if await request.read() else None
        path = request.rel_url.raw_path
        self.requests.append(Request(request.method, path, dict(request.query), dict(request.headers), body))
        told = self._answers.get((request.method, path))
        if not told:
            return web.json_response({"message": "Not Found"}, status=404)
        status, data, headers = told.popleft() if len(told) > 1 else told[0]
        if data == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(data, str):
            return web.Response(text=data, status=status, headers=headers)
        if status == 204:
            return web.Response(status=204, headers=headers)
        return web.json_response(data, status=status, headers=headers)


@pytest.fixture(scope="session")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    """A server that knows the app 7 (aurora-dev) and gives tokens to installation 5."""
    api = GitHub()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api.on("GET", "/app", {"id": 7, "slug": "aurora-dev"})
    token = {"token": "ghs_secret", "expires_at": "2026-11-01T01:00:00Z"}
    api.on("POST", "/app/installations/5/access_tokens", token, 201)
    yield api
    await runner.cleanup()


@pytest.fixture
async def forges(github: GitHub, private_key: str) -> AsyncIterator[GitHubForges]:
    async with aiohttp.ClientSession() as session:
        yield GitHubForges(
            session,
            app_id=7,
            private_key=private_key,
            api_url=github.url,
            web_url="https://github.example",
            clock=lambda: github.now,
            sleep=github.sleep,
            jitter=lambda: 1.0,
        )


@pytest.fixture
def repository() -> Repository:
    return Repository(full_name="o/r", installation_id=5)
