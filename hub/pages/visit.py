"""One visit of a browser: who comes, what they may do, and what they are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from jinja2 import Environment
from multidict import MultiDict

from hub.auth import ANONYMOUS, Actor
from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.pages.sessions import Session, Sessions, set_cookie
from hub.rest.call import Call, Reply, guard
from hub.rest.fields import check_body
from hub.rest.routes import ALL
from hub.services import accounts
from hub.store import Row

REPO = "/repos/{owner}/{repo}"
POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPERATIONS = {route.operation: route for route in ALL}


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages are given."""

    hub: Hub
    sessions: Sessions
    templates: Environment


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page, or a form sent from one."""

    site: Site
    request: web.Request
    session: Session
    account: Row | None
    form: MultiDict[str]

    @property
    def hub(self) -> Hub:
        return self.site.hub

    @property
    def actor(self) -> Actor:
        return ANONYMOUS if self.account is None else Actor(account=self.account, key=f"page:{self.account['id']}")

    def field(self, name: str) -> str:
        """Read a field of the form; one that wasn't sent is empty."""
        return self.form.get(name, "")

    def part(self, name: str) -> str:
        """Read a part of the path."""
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """Read a number in the path."""
        return self._call("", {}, None).number(name)

    def allowed(self, operation: str) -> Row:
        """Give the repository of the path to a person who may do a REST operation with it; else refuse as REST does."""
        repo = self._repository()
        guard(self._call(operation, {}, repo))
        return repo

    def may(self, operation: str) -> bool:
        """Tell whether a person may do a REST operation with the repository of the path."""
        try:
            self.allowed(operation)
        except ApiError:
            return False
        return True

    async def rest(self, operation: str, data: dict[str, Any]) -> Reply:
        """Do what a REST request would do, by the same code: checked, permitted, told to the apps."""
        check_body(data)
        call = self._call(operation, data, self._repository())
        guard(call)
        reply: Reply = await OPERATIONS[operation].handler(call)
        return reply

    def _call(self, operation: str, data: dict[str, Any], repo: Row | None) -> Call:
        return Call(self.hub, self.request, self.actor, self.hub.urls, data, operation, repo)

    def _repository(self) -> Row:
        repo = accounts.find_repository(self.hub, self.part("owner"), self.part("repo"))
        if repo is None:
            raise not_found()
        return repo

    def page(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """Show a page."""
        token = self.site.sessions.form_token(self.session)
        text = self.site.templates.get_template(template).render(
            visit=self, form_token=token, path=self.request.path, now=self.hub.store.moment(), **values
        )
        response = web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
        if self.session.fresh:
            set_cookie(self.request, response, self.session)
        return response

    def become(self, account_id: int | None) -> Session:
        """Begin a new session; what was known of the former one is of no use in it."""
        return self.site.sessions.begin(account_id)


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Pages:
    """Collect the pages of one module."""

    found: list[tuple[str, str, Handler]] = dataclasses.field(default_factory=list)

    def get(self, *patterns: str) -> Callable[[Handler], Handler]:
        """Register a page."""
        return self._add("GET", patterns)

    def post(self, *patterns: str) -> Callable[[Handler], Handler]:
        """Register what a form does."""
        return self._add("POST", patterns)

    def _add(self, method: str, patterns: tuple[str, ...]) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.found.extend((method, pattern, handler) for pattern in patterns)
            return handler

        return register


def go(address: str) -> web.Response:
    """Send the browser on to a page, after a form has done its work."""
    return web.Response(status=303, headers={**HEADERS, "Location": address})
