"""The web server: who asks, what goes wrong, and the headers that every answer carries."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from aiohttp import web

from hub import auth, git_http
from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.faults import address
from hub.faults import rest as faults
from hub.faults.meeting import meeting
from hub.pages import routes as pages
from hub.rest.apps import agree
from hub.rest.call import LONGEST_BODY, Call, Reply, Route, guard, read_body
from hub.rest.routes import ALL
from hub.services import accounts, renames
from hub.store import Row
from hub.views.urls import Urls

log = logging.getLogger(__name__)

DOCUMENTATION = "https://docs.github.com/rest"
GHES = "/api/v3"
REPO = "/repos/{owner}/{repo}"
HOURLY = 5_000
READS = {"GET", "HEAD"}


class RateLimits:
    """Count each caller's requests in the current hour."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[int, int]] = {}

    def state(self, key: str, cost: int = 0) -> dict[str, int]:
        """Add `cost` to what a caller has used; give limit, remaining, used and reset (epoch seconds)."""
        reset = (int(time.time()) // 3600 + 1) * 3600
        until, used = self._used.get(key, (reset, 0))
        used = cost + (used if until == reset else 0)
        self._used[key] = (reset, used)
        return {"limit": HOURLY, "remaining": max(HOURLY - used, 0), "reset": reset, "used": used}


def build(hub: Hub) -> web.Application:
    """Put the application together."""
    app = web.Application(client_max_size=LONGEST_BODY)
    limits = RateLimits()

    address.add_routes(app, hub.faults)
    for route in ALL:
        endpoint = _endpoint(hub, limits, route)
        for pattern in _patterns(route):
            for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
                app.router.add_route(method, pattern, endpoint)
    app.router.add_post("/settings/apps/new", partial(agree, hub))
    git_http.add_routes(app, hub)
    pages.add_routes(app, hub)
    for prefix in ("/repos", "/repositories", "/app", "/user", "/users", GHES):
        app.router.add_route("*", prefix + "/{rest:.*}", _endpoint(hub, limits, Route("* *", _nowhere, "")))
    return app


def _patterns(route: Route) -> Iterator[str]:
    """Spell an endpoint for github.com and for GHES; a repository is found by its id too, where renamed ones lead."""
    for prefix in ("", GHES):
        yield prefix + route.pattern
        if route.pattern.startswith(REPO):
            yield f"{prefix}/repositories/{{repository_id}}{route.pattern.removeprefix(REPO)}"


async def _nowhere(_: Call) -> Reply:
    raise not_found()


def _endpoint(hub: Hub, limits: RateLimits, route: Route) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        urls = addresses(request)
        actor, met = auth.ANONYMOUS, None
        try:
            actor = authenticate(hub, request)
            met = meeting(hub, request, actor) if hub.faults.on else None
            if met is not None:
                await faults.before(met)
            call = Call(
                hub,
                request,
                actor,
                urls,
                await read_body(request),
                route.operation,
                _repository(hub, request, actor, urls),
            )
            guard(call)
            reply = await route.handler(call)
            if met is not None:
                reply = faults.changed(met, reply)
        except ApiError as error:
            reply = _refusal(error)
        except Exception:  # the boundary of a request: the caller gets a sentence, the log the reason
            log.exception("%s %s failed", request.method, request.path)
            reply = _refusal(ApiError(500, "Server Error"))
        cost = 0 if request.path.endswith("/rate_limit") else 1
        state = limits.state(actor.key, cost)
        if cost == 0 and reply.status == 200:
            reply = Reply(_overview(state))
        response = _response(request, reply, state)
        return response if met is None else await faults.sent(met, response)

    return answer


def addresses(request: web.Request) -> Urls:
    """Speak to a caller in terms of the address that it used."""
    web_url = f"{request.scheme}://{request.host}"
    ghes = request.path.startswith(f"{GHES}/")
    return Urls(api=web_url + (GHES if ghes else ""), web=web_url)


def authenticate(hub: Hub, request: web.Request) -> Actor:
    """Find out who asks; raise 401 for a credential that is no good."""
    header = request.headers.get("Authorization", "")
    scheme, _, credential = header.partition(" ")
    if not header:
        return auth.ANONYMOUS
    if scheme.lower() == "basic":
        return git_http.basic(hub.store, header) or auth.ANONYMOUS
    if scheme.lower() not in {"bearer", "token"} or not credential:
        raise ApiError(401, "Bad credentials")
    credential = credential.strip()
    return (auth.by_jwt if credential.count(".") == 2 else auth.by_token)(hub.store, credential)


def _repository(hub: Hub, request: web.Request, actor: Actor, urls: Urls) -> Row | None:
    info = request.match_info
    if "repository_id" in info:
        return _by_id(hub, info["repository_id"])
    if "owner" not in info:
        return None
    repo = accounts.find_repository(hub, info["owner"], info["repo"])
    if repo is not None:
        return repo
    repo = renames.now_at(hub, info["owner"], info["repo"])
    if repo is None or not renames.visible(hub, repo, actor):
        raise not_found()
    rest = request.path_qs.partition("/repos/")[2].split("/", 2)[2:]
    raise renames.moved("/".join([f"{urls.api}/repositories/{repo['id']}", *rest]), reading=request.method in READS)


def _by_id(hub: Hub, number: str) -> Row:
    known = number.isdecimal() and len(number) <= 15
    if not known or hub.store.one("SELECT 1 FROM repositories WHERE id = ?", int(number)) is None:
        raise not_found()
    return accounts.repository_by_id(hub, int(number))


def _refusal(error: ApiError) -> Reply:
    body: dict[str, Any] = {"message": error.message, "documentation_url": DOCUMENTATION, "status": str(error.status)}
    if error.errors is not None:
        body["errors"] = error.errors
    if "Location" in error.headers:
        body["url"] = error.headers["Location"]
    return Reply(body, error.status, error.headers)


def _overview(state: dict[str, int]) -> dict[str, Any]:
    return {"resources": {"core": state, "search": {**state, "limit": 30, "remaining": 30, "used": 0}}, "rate": state}


def _response(request: web.Request, reply: Reply, state: dict[str, int]) -> web.Response:
    headers = {
        "X-GitHub-Request-Id": uuid.uuid4().hex[:16].upper(),
        "X-GitHub-Media-Type": "github.v3; format=json",
        **{f"X-RateLimit-{name.title()}": str(value) for name, value in state.items()},
        "X-RateLimit-Resource": "core",
        **reply.headers,
    }
    if reply.data is None:
        return web.Response(status=reply.status, headers=headers)
    body = json.dumps(reply.data).encode()
    if request.method == "GET" and reply.status == 200:
        headers["ETag"] = f'W/"{hashlib.sha256(body).hexdigest()}"'
        headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        if headers["ETag"] in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
    return web.Response(
        body=body, status=reply.status, headers=headers, content_type="application/json", charset="utf-8"
    )
