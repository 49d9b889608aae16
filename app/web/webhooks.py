"""`POST /webhooks/github`: verify, store, ring, answer; the work is done later, from the stored row."""

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from app import logs, metrics
from app.errors import AuroraError
from app.web.doorkeeper import Crowded, Doorkeeper, Lane
from app.web.middleware import problem

log = logging.getLogger(__name__)

ANSWER_SECONDS = 8.0  # from the headers to the answer; GitHub gives up after ten
RETRY_SECONDS = 60  # what others than GitHub are told; GitHub doesn't try again by itself
READ_WHOLE = 1024 * 1024  # bytes; of a larger body only the ends are looked at, since parsing blocks everybody

NEW, REPEATED = metrics.DELIVERIES.labels("new"), metrics.DELIVERIES.labels("repeated")

_GUID = re.compile(r"[A-Za-z0-9-]{1,64}")
_EVENT = re.compile(r"[a-z_]{1,64}")
_ACTION = re.compile(rb'\s*\{\s*"action"\s*:\s*"([a-z_]{1,64})"')  # which GitHub writes first
_BLANK = b" \t\r\n"


class Inbox(Protocol):
    """Where deliveries are kept."""

    async def store(self, guid: str, event: str, action: str | None, payload: bytes) -> bool:
        """Keep a delivery; return False when its GUID was known. Answers, or raises, within `ANSWER_SECONDS`."""
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
    return Envelope(guid, event, _action(body) if len(body) <= READ_WHOLE else _action_of_large(body), body)


def signed(body: bytes, signature: str, secret: bytes) -> bool:
    """Tell, in constant time, whether `signature` is that of the raw body."""
    expected = "sha256=" + hmac.digest(secret, body, "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))


class Webhooks:
    """Takes deliveries in."""

    def __init__(self, inbox: Inbox, ring: Callable[[str], None], secret: str, largest: int) -> None:
        """Check signatures with `secret`; `ring` is told of every new delivery and mustn't take long.

        `largest` is in bytes.
        """
        self._inbox = inbox
        self._ring = ring
        self._secret = secret.encode()
        self._door = Doorkeeper(largest)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a delivery: 202 when it is safe with us, whether it was known or not."""
        started = time.perf_counter()
        response = await self._answer(request)
        metrics.WEBHOOK_SECONDS.labels(str(response.status)).observe(time.perf_counter() - started)
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        """Answer in time whatever happens, so that GitHub learns of a failure."""
        try:
            lane = self._door.lane(request.content_length)
            if lane.free and request.content.is_eof():  # nothing to wait for but the store, which has its own limit
                return await self._admit(request, lane)
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._admit(request, lane)
        except Refused as refusal:
            metrics.DELIVERIES.labels("refused").inc()
            log.warning("delivery refused", extra={"why": str(refusal), "status": refusal.status})
            return problem(refusal.status, "The delivery was refused", str(refusal))
        except Crowded as error:
            return self._failed(str(error))
        except web.HTTPRequestEntityTooLarge:
            return problem(413, "The delivery is too large")
        except TimeoutError:
            return self._failed("The delivery didn't arrive, or wasn't stored, in time.")

    async def _admit(self, request: web.Request, lane: Lane) -> web.Response:
        await lane.enter()
        try:
            return await self._keep(opened(request.headers, await request.read(), self._secret))
        finally:
            lane.leave()

    async def _keep(self, envelope: Envelope) -> web.Response:
        with logs.bound(delivery=envelope.guid):
            try:
                is_new = await self._inbox.store(envelope.guid, envelope.event, envelope.action, envelope.body)
            except AuroraError as error:
                return self._failed(str(error))
            except TimeoutError:
                raise
            except Exception:  # whatever ails the store, GitHub has to learn that it failed
                log.exception("delivery not stored")
                return self._failed("An internal error happened.")
            (NEW if is_new else REPEATED).inc()
            if is_new:
                self._ring(envelope.guid)
            log.debug("delivery stored", extra={"kind": envelope.event, "action": envelope.action, "new": is_new})
        answer = f'{{"delivery": "{envelope.guid}", "new": {"true" if is_new else "false"}}}'
        return web.Response(text=answer, status=202, content_type="application/json")

    def _failed(self, why: str) -> web.Response:
        metrics.DELIVERIES.labels("failed").inc()
        log.warning("delivery not stored", extra={"why": why})
        answer = problem(503, "The delivery could not be stored", f"{why} It will be requested again.")
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
        return answer


def _action(body: bytes) -> str | None:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise _no_json() from None
    if not isinstance(payload, dict):
        raise Refused(400, "The body isn't a JSON object.")
    action = payload.get("action")
    return action[:64] if isinstance(action, str) else None


def _action_of_large(body: bytes) -> str | None:
    if body[:64].lstrip(_BLANK)[:1] != b"{" or body[-64:].rstrip(_BLANK)[-1:] != b"}":
        raise _no_json()
    found = _ACTION.match(body)
    return found.group(1).decode() if found else None


def _no_json() -> Refused:
    return Refused(400, "The body isn't JSON: set the webhook's content type to application/json.")
