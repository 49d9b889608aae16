"""Send webhooks: stored with what caused them, signed, in order, each tried once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp

from hub.faults.board import Board
from hub.faults.deliveries import Crooked
from hub.store import Row, Store, timestamp

TIME_LIMIT = 10.0  # seconds that a receiver has to answer
MEMORY = timedelta(days=3)
PATIENCE = 0.5  # seconds that a slow receiver may hold up the next delivery
USER_AGENT = "GitHub-Hookshot/aurora-hub"
LONGEST_BODY = 64 * 1024


def sign(secret: str, body: bytes) -> str:
    """Sign a raw body as the X-Hub-Signature-256 header wants it."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Outbox:
    """Keep deliveries in the store and send them in the background."""

    def __init__(self, store: Store, faults: Board) -> None:
        self._store = store
        self._faults = faults
        self._crooked = Crooked(faults)
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def add(
        self,
        app: Row,
        event: str,
        payload: Mapping[str, Any],
        installation_id: int | None = None,
        repository_id: int | None = None,
    ) -> None:
        """Store a delivery; call it inside the transaction of what it tells."""
        self._insert(
            guid=str(uuid.uuid4()),
            app_id=app["id"],
            installation_id=installation_id,
            repository_id=repository_id,
            event=event,
            action=payload.get("action"),
            url=app["webhook_url"],
            payload=json.dumps(payload),
        )

    def redeliver(self, delivery: Row) -> None:
        """Send the same event once more, under the same GUID."""
        self.repeat(delivery, delivery["guid"], redelivery=1)

    def repeat(self, delivery: Row, guid: str, redelivery: int = 0) -> None:
        """Store the same event as one more delivery."""
        kept = ("app_id", "installation_id", "repository_id", "event", "action", "payload")
        url = self._store.value("SELECT webhook_url FROM apps WHERE id = ?", delivery["app_id"])
        self._insert(**{name: delivery[name] for name in kept}, guid=guid, url=url, redelivery=redelivery)

    def forget_old(self) -> None:
        """Forget deliveries as old as those that GitHub forgets."""
        before = timestamp(self._store.moment() - MEMORY)
        self._store.execute("DELETE FROM deliveries WHERE sent = 1 AND delivered_at < ?", before)

    def _insert(self, **values: Any) -> None:
        self._store.insert("deliveries", **values, delivered_at=self._store.now())
        self._wake.set()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send in the background, first what a former process left unsent; what is left waits for the next."""
        self._wake.set()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIME_LIMIT)) as session:
            loop = asyncio.create_task(self._run(session))
            try:
                yield
            finally:
                tasks = [loop, *self._under_way.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until everything stored has been tried."""
        while self._store.value("SELECT 1 FROM deliveries WHERE sent = 0"):
            self._tried.clear()
            await self._tried.wait()

    async def _run(self, session: aiohttp.ClientSession) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for delivery in self._store.all("SELECT * FROM deliveries WHERE sent = 0 ORDER BY id LIMIT 500"):
                if delivery["id"] not in self._under_way:
                    task = asyncio.create_task(self._deliver(session, delivery))
                    self._under_way[delivery["id"]] = task
                    await asyncio.wait([task], timeout=PATIENCE)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Row) -> None:
        try:
            line = _Line(self._store, session)
            if self._faults.on:
                await self._crooked.deliver(delivery, line, self.repeat)
            else:
                await line.send(delivery)
        finally:
            del self._under_way[delivery["id"]]
            self._tried.set()
            self._wake.set()


class _Line:
    """Send deliveries, each once, and write down what came of it."""

    def __init__(self, store: Store, session: aiohttp.ClientSession) -> None:
        self._store = store
        self._session = session

    async def send(self, delivery: Row) -> None:
        """Send a delivery."""
        headers, body = self._signed(delivery)
        started = time.monotonic()
        answer = await _post(self._session, delivery["url"], body, headers)
        self._note(delivery, headers, time.monotonic() - started, answer)

    def fail(self, delivery: Row, status: str, code: int) -> None:
        """Write down that a delivery failed."""
        answer = {"status": status, "status_code": code, "response_headers": "{}", "response_body": None}
        self._note(delivery, self._signed(delivery)[0], 0.0, answer)

    def _signed(self, delivery: Row) -> tuple[dict[str, str], bytes]:
        body = delivery["payload"].encode()
        app = self._store.get("SELECT * FROM apps WHERE id = ?", delivery["app_id"])
        return _headers(delivery, app, body), body

    def _note(self, delivery: Row, headers: dict[str, str], seconds: float, answer: Row) -> None:
        self._store.update(
            "deliveries",
            delivery["id"],
            sent=1,
            duration=round(seconds, 3),
            request_headers=json.dumps(headers),
            delivered_at=self._store.now(),
            **answer,
        )


async def _post(
    session: aiohttp.ClientSession, url: str | None, body: bytes, headers: Mapping[str, str]
) -> dict[str, Any]:
    """Send one body; give what is to be remembered of the answer."""
    if not url:
        return {"status": "no webhook URL is configured", "status_code": 0}
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            text = (await response.content.read(LONGEST_BODY)).decode(errors="replace")
            good = response.status < 300
            return {
                "status": "OK" if good else f"Invalid HTTP Response: {response.status}",
                "status_code": response.status,
                "response_headers": json.dumps(dict(response.headers)),
                "response_body": text,
            }
    except TimeoutError:
        return {"status": "timed out", "status_code": 504}
    except (aiohttp.ClientError, ValueError):
        return {"status": "failed to connect to host", "status_code": 502}


def _headers(delivery: Row, app: Row, body: bytes) -> dict[str, str]:
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-GitHub-Delivery": delivery["guid"],
        "X-GitHub-Event": delivery["event"],
        "X-GitHub-Hook-ID": str(app["id"]),
        "X-GitHub-Hook-Installation-Target-ID": str(app["id"]),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
    }
    if app["webhook_secret"]:
        headers["X-Hub-Signature-256"] = sign(app["webhook_secret"], body)
        digest = hmac.new(app["webhook_secret"].encode(), body, hashlib.sha1).hexdigest()
        headers["X-Hub-Signature"] = f"sha1={digest}"
    return headers
