"""What holds for every request: an id, plain refusals instead of tracebacks, quiet headers."""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web

from app import logs
from app.errors import AuroraError

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
WEBHOOKS = "/webhooks/github"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def problem(status: int, title: str, detail: str = "") -> web.Response:
    """Return an error as `application/problem+json` (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status} | ({"detail": detail} if detail else {})
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")


@web.middleware
async def request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, in its logs and in its answer; a delivery has its GUID."""
    if request.path == WEBHOOKS:
        return await handler(request)
    given = request.headers.get(REQUEST_ID, "")
    identity = given if _ACCEPTED_ID.fullmatch(given) else uuid4().hex
    with logs.bound(request=identity):
        response = await handler(request)
    if not response.prepared:
        response.headers[REQUEST_ID] = identity
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in a sentence; the traceback goes to the log."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = problem(error.status, error.reason)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except AuroraError as error:
        log.warning("request failed", extra={"path": request.path, "why": str(error)})
        return problem(503, "Not possible at the moment", str(error))
    except Exception:  # the boundary of a request
        log.exception("request failed", extra={"path": request.path})
        return problem(500, "Something went wrong", "The log has the details under this request's id.")
