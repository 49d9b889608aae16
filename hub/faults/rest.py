"""Faults of REST: before a request is handled, in what it answers, and on the answer's way."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from hub.auth import digest
from hub.errors import ApiError, not_found
from hub.faults import both
from hub.faults.meeting import Meeting, spelled
from hub.rest.call import Reply

HOUR, MINUTE = 3600.0, 60.0
HELP = "If you reach out to GitHub Support for help, please include the request ID"
SECONDARY = f"You have exceeded a secondary rate limit. Please wait a few minutes before you try again. {HELP}"
UNAVAILABLE = "No server is currently available to service your request. Sorry about that."
ERRORS = {"error-500": (500, "Server Error"), "error-502": (502, "Server Error"), "error-503": (503, UNAVAILABLE)}


async def before(met: Meeting) -> None:
    """Do what happens instead of handling a request, or before; raises ApiError."""
    await both.slow(met)
    if switch := met.due("reset"):
        met.fired(switch)
        met.cut()
        raise both.gone()
    both.tokens(met)
    for name, refuse in LIMITS.items():
        _limited(met, name, refuse)
    _enforce(met)
    for name, (status, message) in ERRORS.items():
        if switch := met.due(name):
            met.fired(switch)
            raise ApiError(status, message)
    _not_found_yet(met)
    info = met.request.match_info
    if "owner" in info and "repo" in info:
        both.rename(met, info["owner"], info["repo"])


# Limits --------------------------------------------------------------------------------------------


def _primary(met: Meeting, until: float) -> ApiError:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(math.ceil(until)), "X-RateLimit-Used": "5000"}
    return ApiError(403, f"API rate limit exceeded for {met.caller}. {HELP}", headers=headers)


def _secondary(_: Meeting, until: float) -> ApiError:
    return ApiError(403, SECONDARY, headers=_retry_after(until))


def _too_many(_: Meeting, until: float) -> ApiError:
    return ApiError(429, SECONDARY, headers=_retry_after(until))


def _bare(_: Meeting, __: float) -> ApiError:
    return ApiError(403, SECONDARY)


def _retry_after(until: float) -> dict[str, str]:
    return {"Retry-After": str(max(math.ceil(until - time.time()), 1))}


LIMITS: Mapping[str, Callable[[Meeting, float], ApiError]] = {
    "primary-limit": _primary,
    "too-many-requests": _too_many,
    "secondary-limit": _secondary,
    "secondary-limit-bare": _bare,
}


def _limited(met: Meeting, name: str, refusal: Callable[[Meeting, float], ApiError]) -> None:
    """Refuse a caller from when the fault fires until its time is over; who asks again meanwhile is counted."""
    if met.active(name) is None:
        return
    memory = met.board.memory(name)
    until = memory.get(met.caller, 0.0)
    if time.time() < until:
        met.board.again[name] += 1
        raise refusal(met, until)
    if switch := met.due(name):
        until = time.time() + switch.options["seconds"]
        memory[met.caller] = math.ceil(until) if name == "primary-limit" else until  # the reset is in whole seconds
        met.fired(switch)
        raise refusal(met, until)


def _enforce(met: Meeting) -> None:
    """Count writes as GitHub does, and refuse those above its limits."""
    if not (switch := met.active("limits")):
        return
    now, written = time.time(), met.board.memory("limits").setdefault(met.caller, deque())
    while written and written[0] <= now - HOUR:
        written.popleft()
    for span, most in ((MINUTE, switch.options["minute"]), (HOUR, switch.options["hour"])):
        within = [moment for moment in written if moment > now - span]
        if len(within) >= most:
            met.fired(switch)
            raise _secondary(met, within[-most] + span)
    written.append(now)


# What was made a moment ago ------------------------------------------------------------------------


def _not_found_yet(met: Meeting) -> None:
    if not met.active("not-found-yet"):
        return
    parts = met.path.split("/")
    made = met.board.memory("made")
    at = max((made.get("/".join(parts[:n]), 0.0) for n in range(4, len(parts) + 1)), default=0.0)
    if at and (switch := met.due("not-found-yet")) and time.time() - at < switch.options["seconds"]:
        met.fired(switch)
        raise not_found()


def _remember(met: Meeting, reply: Reply) -> None:
    """Remember when something was made: tokens by their hash, all else by its address."""
    if reply.status != 201 or not isinstance(reply.data, dict):
        return
    now = time.time()
    if "token" in reply.data:
        met.board.memory("born")[digest(reply.data["token"])] = now
    # A pull request is an issue too; a comment's `issue_url` names what was there before.
    names = ("url", "issue_url") if met.path.endswith("/pulls") else ("url",)
    for name in names:
        if name in reply.data:
            met.board.memory("made")[_address(reply.data[name])] = now


def _address(url: str) -> str:
    return spelled(urlsplit(url).path)


# Answers that aren't the truth ---------------------------------------------------------------------


def changed(met: Meeting, reply: Reply) -> Reply:
    """Change what a request that was handled answers; raises ApiError."""
    _remember(met, reply)
    if reply.status < 300 and (switch := met.due("answer-502")):
        met.fired(switch)
        raise ApiError(502, "Server Error")
    return _stale(met, _not_known(met, reply))


def _not_known(met: Meeting, reply: Reply) -> Reply:
    data = reply.data
    if not isinstance(data, dict) or data.get("mergeable") is None or not (switch := met.active("mergeable-null")):
        return reply
    state = (data["id"], data["head"]["sha"], data["base"]["sha"])
    since = met.board.memory("mergeable-null").setdefault(state, time.time())
    if not met.due("mergeable-null") or time.time() - since >= switch.options["seconds"]:
        return reply
    met.fired(switch)
    return replace(reply, data={**data, "mergeable": None, "rebaseable": None, "mergeable_state": "unknown"})


def _stale(met: Meeting, reply: Reply) -> Reply:
    if _items(reply) is None or not (switch := met.active("stale-list")):
        return reply
    due, memory, now = met.due("stale-list"), met.board.memory("stale-list"), time.time()
    key = (met.caller, met.occasion.path)
    before: Reply
    seen, before = memory.get(key, (0.0, reply))
    if now - seen > switch.options["seconds"] or before.data == reply.data:
        memory[key] = (now, reply)
        before = _without(reply, met.board.memory("made"), now - switch.options["seconds"])
    if due is None or before.data == reply.data:
        return reply
    met.fired(switch)
    return before


def _items(reply: Reply) -> list[Any] | None:
    """Find the list in an answer: all of it, or the one beside a `total_count`."""
    data = reply.data
    if isinstance(data, dict) and "total_count" in data:
        data = next((value for value in data.values() if isinstance(value, list)), None)
    return data if isinstance(data, list) and reply.status == 200 else None


def _without(reply: Reply, made: Mapping[str, float], since: float) -> Reply:
    items = _items(reply) or []
    kept = [one for one in items if not (isinstance(one, dict) and made.get(_address(one.get("url") or ""), 0) > since)]
    if isinstance(reply.data, list):
        return replace(reply, data=kept)
    count = reply.data["total_count"] - (len(items) - len(kept))
    lists = {name: kept for name, value in reply.data.items() if value is items}
    return replace(reply, data={**reply.data, **lists, "total_count": count})


# On its way ----------------------------------------------------------------------------------------


async def sent(met: Meeting, response: web.Response) -> web.StreamResponse:
    """Lose an answer, or the second half of it."""
    if met.request.transport is None or met.request.transport.is_closing():
        return response
    if response.status < 300 and (switch := met.due("answer-lost")):
        met.fired(switch)
        met.cut()
        return response
    body = response.body if isinstance(response.body, bytes) else b""
    if len(body) > 1 and met.request.method != "HEAD" and (switch := met.due("truncated")):
        met.fired(switch)
        return await _half(met, response, body)
    return response


async def _half(met: Meeting, response: web.Response, body: bytes) -> web.StreamResponse:
    half = web.StreamResponse(status=response.status, headers=response.headers)
    half.content_length = len(body)
    await half.prepare(met.request)
    await half.write(body[: len(body) // 2])
    if met.request.transport is not None:
        met.request.transport.close()
    return half
