"""`POST /webhooks/github`: verify, store, ring, answer; the work is done later, from the stored row."""

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from app import logs, metrics
from app.web.middleware import problem

log = logging.getLogger(__name__)

STORE_SECONDS = 8.0  # GitHub gives up after ten

_GUID = re.compile(r"[A-Za-z0-9-]{1,64}")
_EVENT = re.compile(r"[a-z_]{1,64}")


class Inbox(Protocol):
    """Where deliveries are kept."""

    async def store(self, guid: str, event: str, action: str | None, payload: bytes) -> bool:
        """Keep a delivery; return False when its GUID was known."""
        ...


@dataclass(frozen=True)
class Envelope:
    """A delivery whose signature and form are right."""

    guid: str
    event: str
    action: str | None
    body: bytes


class Refused(Exception):
    """A delivery that isn't GitHub's, or isn't one."""

    def __init__(self, status: int, detail: str) -> None:
        """Say what is wrong with it."""
        super().__init__(detail)
        self.status = status


def opened(headers: Mapping[str, str], body: bytes, secret: bytes) -> Envelope:
    """Return the delivery in a request; raise `Refused`. The signature is checked before anything is read."""
    if not signed(body, headers.get("X-Hub-Signature-256", ""), secret):
        raise Refused(401, "The signature doesn't match: check the webhook secret.")
    guid, event = headers.get("X-GitHub-Delivery", ""), headers.get("X-GitHub-Event", "")
    if not _GUID.fullmatch(guid) or not _EVENT.fullmatch(event):
        raise Refused(400, "X-GitHub-Delivery and X-GitHub-Event are needed.")
    payload = _json(body)
    action = payload.get("action")
    return Envelope(guid, event, action[:64] if isinstance(action, str) else None, body)


def signed(body: bytes, signature: str, secret: bytes) -> bool:
    """Tell, in constant time, whether `signature` is that of the raw body."""
    expected = "sha256=" + hmac.digest(secret, body, "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))


class Webhooks:
    """Takes deliveries in."""

    def __init__(self, inbox: Inbox, ring: Callable[[str], None], secret: str) -> None:
        """Check signatures with `secret`; `ring` is told of every new delivery and mustn't take long."""
        self._inbox = inbox
        self._ring = ring
        self._secret = secret.encode()

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a delivery: 202 when it is safe with us, whether it was known or not."""
        started = time.perf_counter()
        response = await self._answer(request)
        elapsed = time.perf_counter() - started
        metrics.WEBHOOK_SECONDS.labels(str(response.status)).observe(elapsed)
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            envelope = opened(request.headers, await request.read(), self._secret)
        except Refused as refusal:
            metrics.DELIVERIES.labels("refused").inc()
            log.warning("delivery refused", extra={"why": str(refusal), "status": refusal.status})
            return problem(refusal.status, "The delivery was refused", str(refusal))
        with logs.bound(delivery=envelope.guid):
            return await self._keep(envelope)

    async def _keep(self, envelope: Envelope) -> web.Response:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                is_new = await self._inbox.store(envelope.guid, envelope.event, envelope.action, envelope.body)
        except Exception:  # whatever ails the store, GitHub has to learn that it failed
            metrics.DELIVERIES.labels("failed").inc()
            log.exception("delivery not stored")
            return problem(503, "The delivery could not be stored", "It will be requested again.")
        metrics.DELIVERIES.labels("new" if is_new else "repeated").inc()
        if is_new:
            self._ring(envelope.guid)
        log.info("delivery stored", extra={"kind": envelope.event, "action": envelope.action, "new": is_new})
        return web.json_response({"delivery": envelope.guid, "new": is_new}, status=202)


def _json(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The body isn't JSON: set the webhook's content type to application/json.") from None
    if not isinstance(payload, dict):
        raise Refused(400, "The body isn't a JSON object.")
    return payload
