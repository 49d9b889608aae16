"""Put the pages together: their templates, their addresses, and what is said when something goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from multidict import MultiDict

from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.git import GitError
from hub.pages import (
    boxes,
    checks,
    code,
    deliveries,
    files,
    history,
    home,
    issues,
    markdown,
    pulls,
    reviewing,
    signing,
    words,
)
from hub.pages.sessions import Sessions, signing_key
from hub.pages.visit import HEADERS, Handler, Site, Visit
from hub.services import accounts

STATIC = {"hub.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
FORGED = (
    "This form is out of date, or didn't come from a page of this site. Go back, reload the page and send it again."
)
SAID = {
    "Not Found": "There is no such page, or you may not see it.",
    "Must have admin rights to Repository.": "You don't have the right to do this in this repository.",
    "Requires authentication": "Sign in to do this.",
    "This issue was deleted": "This issue was deleted.",
}


def add_routes(app: web.Application, hub: Hub) -> None:
    """Serve every page. REST, whose paths begin with a word of its own, is found before them."""
    texts = {name: resources.files("hub").joinpath("static", name).read_bytes() for name in STATIC}
    versions = {name: hashlib.sha256(text).hexdigest()[:12] for name, text in texts.items()}
    site = Site(hub, Sessions(signing_key(hub.places.data / "session.key")), _templates(versions))
    for name, kind in STATIC.items():
        app.router.add_get(f"/assets/{name}", _file(texts[name], kind))
    for pages in (
        module.pages for module in (home, signing, deliveries, issues, pulls, reviewing, files, checks, history, code)
    ):
        for method, pattern, handler in pages.found:
            add = app.router.add_get if method == "GET" else app.router.add_post
            add(pattern, _answer(site, handler))
    app.router.add_get("/{rest:.*}", _answer(site, _nowhere))


async def _nowhere(_: Visit) -> web.StreamResponse:
    raise not_found()


def _templates(versions: dict[str, str]) -> Environment:
    environment = Environment(
        loader=PackageLoader("hub"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        name: getattr(words, name) for name in ("ago", "moment", "plural", "size", "part", "initials")
    }
    environment.globals |= {"took": words.took, "versions": versions, "Place": markdown.Place}
    environment.filters |= {"markdown": markdown.render, "version": boxes.version}
    return environment


def _file(text: bytes, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=text, content_type=kind, charset="utf-8", headers=headers)

    return serve


def _answer(site: Site, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        session = site.sessions.of(request)
        account = accounts.by_id(site.hub.store, session.account_id)
        visit = Visit(site, request, session, account, MultiDict())
        try:
            if request.method == "POST":
                visit = Visit(site, request, session, account, await _form(request))
                if not site.sessions.is_from_our_page(session, request, visit.field("form_token")):
                    raise ApiError(403, FORGED)
            return await handler(visit)
        except GitError:  # an address can name what git doesn't have
            return _refused(visit, ApiError(404, "Not Found"))
        except ApiError as error:
            return _refused(visit, error)

    return answer


async def _form(request: web.Request) -> MultiDict[str]:
    if request.content_type != "application/x-www-form-urlencoded":
        return MultiDict()
    # Browsers send line breaks as CRLF, whatever was typed; the REST API gets them bare.
    try:
        sent = (await request.post()).items()
    except (LookupError, ValueError) as error:  # an encoding that there isn't, or that the bytes aren't in
        raise ApiError(400, "The form can't be read.") from error
    return MultiDict((name, value.replace("\r\n", "\n")) for name, value in sent if isinstance(value, str))


def _refused(visit: Visit, error: ApiError) -> web.Response:
    """Say in a sentence what is wrong; who isn't signed in may do so first."""
    if "text/html" not in visit.request.headers.get("Accept", ""):  # no browser: a client that looks for REST here
        return web.json_response({"message": error.message, "status": str(error.status)}, status=error.status)
    if error.status == 401 and visit.account is None:
        if visit.request.method != "POST":
            query = urlencode({"next": visit.request.path})
            return web.Response(status=303, headers={**HEADERS, "Location": f"/login?{query}"})
        error = ApiError(401, "Requires authentication")
    return visit.page(
        "error.html", error.status, code=error.status, sentence=_sentence(error), written=visit.field("body")
    )


def _sentence(error: ApiError) -> str:
    """Put GitHub's refusal into words for a person."""
    details = [one if isinstance(one, str) else _field(one) for one in error.errors or ()]
    return " ".join(details) or SAID.get(error.message, error.message)


def _field(problem: dict[str, str]) -> str:
    if problem.get("message"):
        return f"{problem['message']}."
    field, code_ = problem.get("field", "This"), problem.get("code")
    return f"{field.capitalize()} {'is missing' if code_ == 'missing_field' else 'is not valid'}."
