"""The web process answers over real HTTP, with its stores up and with its stores down."""

import asyncio
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from app.web.server import create_app, serve

SECRET = "s3cret"


@dataclass
class Stores:
    """Everything behind the web process, in memory, with a switch for each."""

    deliveries: dict[str, tuple[str, str | None, bytes]] = field(default_factory=dict)
    rings: list[str] = field(default_factory=list)
    database_down: bool = False
    redis_down: bool = False
    redis_frozen: bool = False

    async def store(self, guid: str, event: str, action: str | None, payload: bytes) -> bool:
        if self.database_down:
            raise ConnectionError("postgresql://user:hunter2@host is down")
        is_new = guid not in self.deliveries
        self.deliveries.setdefault(guid, (event, action, payload))
        return is_new

    async def new_deliveries(self, guids: Sequence[str]) -> None:
        if self.redis_frozen:
            await asyncio.sleep(60)
        if self.redis_down:
            raise ConnectionError("redis is down")
        self.rings += guids

    async def ping_database(self) -> None:
        if self.database_down:
            raise ConnectionError("down")

    async def ping_redis(self) -> None:
        if self.redis_frozen:
            await asyncio.sleep(60)


@asynccontextmanager
async def served(stores: Stores) -> AsyncIterator[aiohttp.ClientSession]:
    app = create_app(
        inbox=stores,
        doorbell=stores,
        checks={"postgresql": stores.ping_database, "redis": stores.ping_redis},
        webhook_secret=SECRET,
    )
    stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, url.set_result))
    async with asyncio.timeout(30), aiohttp.ClientSession(await url) as client:
        yield client
        stop.set()
        await server


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
async def client(stores: Stores) -> AsyncIterator[aiohttp.ClientSession]:
    async with served(stores) as session:
        yield session


def delivery(body: bytes = b'{"action": "labeled"}', guid: str = "d-1") -> dict[str, Any]:
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": guid, "X-GitHub-Event": "issues"}
    return {"data": body, "headers": headers}


async def test_a_delivery_is_stored_as_it_came_and_rung_for(client: aiohttp.ClientSession, stores: Stores):
    body = b'{"action":  "labeled"}'
    async with client.post("/webhooks/github", **delivery(body)) as answer:
        assert answer.status == 202
        assert await answer.json() == {"delivery": "d-1", "new": True}
    assert stores.deliveries == {"d-1": ("issues", "labeled", body)}
    assert stores.rings == ["d-1"]


async def test_a_repeated_delivery_is_accepted_and_not_rung_for_again(client: aiohttp.ClientSession, stores: Stores):
    for _ in range(2):
        async with client.post("/webhooks/github", **delivery()) as answer:
            assert answer.status == 202
    assert stores.rings == ["d-1"]


async def test_a_wrong_signature_stores_nothing(client: aiohttp.ClientSession, stores: Stores):
    request = delivery()
    request["headers"]["X-Hub-Signature-256"] = "sha256=" + "0" * 64
    async with client.post("/webhooks/github", **request) as answer:
        assert answer.status == 401
        assert answer.content_type == "application/problem+json"
        assert "signature" in (await answer.json(content_type=None))["detail"]
    assert stores.deliveries == {}


async def test_a_body_beyond_githubs_limit_is_refused(client: aiohttp.ClientSession):
    async with client.post("/webhooks/github", data=io.BytesIO(b"x" * (25 * 1024 * 1024 + 1))) as answer:
        assert answer.status == 413


async def test_a_large_delivery_is_taken(client: aiohttp.ClientSession):
    body = json.dumps({"action": "labeled", "padding": "x" * (20 * 1024 * 1024)}).encode()
    request = delivery(body)
    async with client.post("/webhooks/github", data=io.BytesIO(body), headers=request["headers"]) as answer:
        assert answer.status == 202


async def test_github_learns_when_a_delivery_could_not_be_stored(client: aiohttp.ClientSession, stores: Stores):
    stores.database_down = True
    async with client.post("/webhooks/github", **delivery()) as answer:
        assert answer.status == 503
        assert "hunter2" not in await answer.text()


@pytest.mark.parametrize("trouble", ["redis_down", "redis_frozen"])
async def test_a_lost_doorbell_neither_fails_nor_delays_the_answer(trouble: str):
    stores = Stores()
    setattr(stores, trouble, True)
    async with served(stores) as client:
        started = asyncio.get_running_loop().time()
        async with client.post("/webhooks/github", **delivery()) as answer:
            assert answer.status == 202
        assert asyncio.get_running_loop().time() - started < 1
        stores.redis_frozen = False
    assert "d-1" in stores.deliveries


async def test_ready_tells_which_store_is_away(client: aiohttp.ClientSession, stores: Stores):
    async with client.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "ok")
    stores.database_down = stores.redis_frozen = True
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        checks = (await answer.json())["checks"]
    assert checks == {"postgresql": "unreachable", "redis": "no answer in time"}
    async with client.get("/healthz") as answer:
        assert answer.status == 200


async def test_metrics_measure_webhooks(client: aiohttp.ClientSession):
    async with client.post("/webhooks/github", **delivery()):
        pass
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert 'aurora_webhook_seconds_count{status="202"}' in text
    assert 'aurora_deliveries_total{outcome="new"}' in text
    assert "process_resident_memory_bytes" in text


async def test_unknown_paths_and_methods_are_problems_too(client: aiohttp.ClientSession):
    async with client.get("/nowhere") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with client.get("/webhooks/github") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
