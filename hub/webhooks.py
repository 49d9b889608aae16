"""Send webhooks: stored with what caused them, signed, in order, each tried once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

import aiohttp

from hub.faults import Faults
from hub.store import Row, Store

log = logging.getLogger(__name__)

TIME_LIMIT = 10.0  # seconds that a receiver has to answer
PATIENCE = 0.5  # seconds that a slow receiver may hold up the next delivery
USER_AGENT = "GitHub-Hookshot/aurora-hub"
LONGEST_BODY = 64 * 1024


def sign(secret: str, body: bytes) -> str:
    """Sign a raw body as the X-Hub-Signature-256 header wants it."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Outbox:
    """Keep deliveries in the store and send them in the background."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._started: set[int] = set()

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
        kept = ("guid", "app_id", "installation_id", "repository_id", "event", "action", "payload")
        url = self._store.value("SELECT webhook_url FROM apps WHERE id = ?", delivery["app_id"])
        self._insert(**{name: delivery[name] for name in kept}, url=url, redelivery=1)

    def _insert(self, **values: Any) -> None:
        self._store.insert("deliveries", **values, delivered_at=self._store.now())
        self._wake.set()

    async def start(self) -> None:
        """Begin sending, with what a former process left unsent."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIME_LIMIT))
        self._wake.set()
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop sending; what was not sent waits in the store for the next start."""
        tasks = [*self._sending, *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def idle(self) -> None:
        """Wait until everything stored has been tried."""
        while self._sending or self._store.value("SELECT 1 FROM deliveries WHERE sent = 0"):
            await asyncio.sleep(0.01)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting = self._store.all("SELECT * FROM deliveries WHERE sent = 0 ORDER BY id LIMIT 500")
            for delivery in waiting:
                if delivery["id"] not in self._started:
                    await self._begin(delivery)

    async def _begin(self, delivery: Row) -> None:
        self._started.add(delivery["id"])
        task = asyncio.create_task(self._faults.delivery(delivery, self._send))
        self._sending.add(task)
        task.add_done_callback(self._finished)
        await asyncio.wait([task], timeout=PATIENCE)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception():
            log.error("a webhook could not be sent", exc_info=task.exception())

    async def _send(self, delivery: Row) -> None:
        body = delivery["payload"].encode()
        app = self._store.get("SELECT * FROM apps WHERE id = ?", delivery["app_id"])
        headers = _headers(delivery, app, body)
        started = time.monotonic()
        answer = await self._post(delivery["url"], body, headers)
        self._store.update(
            "deliveries",
            delivery["id"],
            sent=1,
            duration=round(time.monotonic() - started, 3),
            request_headers=json.dumps(headers),
            delivered_at=self._store.now(),
            **answer,
        )
        self._started.discard(delivery["id"])

    async def _post(self, url: str | None, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        assert self._session is not None
        if not url:
            return {"status": "no webhook URL is configured", "status_code": 0}
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
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
