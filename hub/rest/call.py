"""One REST request as the handlers see it, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, integration_refused, not_found
from hub.permissions import RULES, check
from hub.rest.fields import check_body
from hub.services import accounts
from hub.store import Row
from hub.views.urls import Urls

T = TypeVar("T")
MOST_PER_PAGE = 100
LONGEST_BODY = 32 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers: JSON (or nothing), a status, and headers."""

    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its caller, its repository and its decoded body."""

    hub: Hub
    request: web.Request
    actor: Actor
    urls: Urls
    data: dict[str, Any]
    operation: str
    _repo: Row | None = None

    @property
    def repo(self) -> Row:
        if self._repo is None:
            raise not_found()
        return self._repo

    @property
    def full_name(self) -> str:
        return str(self.repo["full_name"])

    def text(self, name: str) -> str:
        """Read a part of the path."""
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """Read a number in the path; anything else names nothing."""
        text = self.request.match_info[name]
        if not text.isdecimal() or len(text) > 15:
            raise not_found()
        return int(text)

    def query(self, name: str) -> str | None:
        return self.request.query.get(name) or None

    def need_app(self) -> Row:
        """Give the app that signed this request; raise 401 for any other caller."""
        if not self.actor.is_app or self.actor.app is None:
            raise ApiError(401, "A JSON web token could not be decoded")
        return self.actor.app

    def need_issue_access(self, *, is_pull: bool) -> None:
        """Check again, knowing whether the number is a pull request's."""
        role = accounts.role(self.hub.store, self.repo, self.actor.account)
        check(RULES[self.operation], self.actor, role, is_pull=is_pull)

    def page(self, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
        """Cut one page out of everything; give it with the Link header that goes with it."""
        size = min(max(self._count("per_page", 30), 1), MOST_PER_PAGE)
        number = max(self._count("page", 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        others = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        shown = {
            name: n
            for name, n in others.items()
            if (name in {"prev", "first"} and number > 1) or (name in {"next", "last"} and number < last)
        }
        links = ", ".join(f'<{self._at(page=n)}>; rel="{name}"' for name, n in shown.items())
        return items[(number - 1) * size : number * size], {"Link": links} if links else {}

    def _count(self, name: str, default: int) -> int:
        try:
            return int(self.request.query.get(name, default))
        except ValueError:
            return default

    def _at(self, **query: Any) -> str:
        path = self.request.rel_url.raw_path.removeprefix("/api/v3")
        return f"{self.urls.api}{path}?{urlencode({**self.request.query, **query})}"

    def cursor(self, items: Sequence[Row]) -> tuple[Sequence[Row], dict[str, str]]:
        """Cut a page out of rows that are newest first, going on from the `cursor` of the query."""
        size = min(max(self._count("per_page", 30), 1), MOST_PER_PAGE)
        start = self.query("cursor")
        rest = [row for row in items if start is None or row["id"] <= int(start)] if _digits(start) else []
        if not _digits(start):
            raise ApiError(400, "Invalid cursor")
        following = rest[size]["id"] if len(rest) > size else None
        link = {} if following is None else {"Link": f'<{self._at(cursor=following)}>; rel="next"'}
        return rest[:size], link


def _digits(text: str | None) -> bool:
    return text is None or (text.isdecimal() and len(text) <= 15)


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: `operation` is its method and path as GitHub's description spells them."""

    operation: str
    handler: Handler
    pattern: str

    @property
    def method(self) -> str:
        return self.operation.split(" ", 1)[0]


class Routes:
    """Collect the endpoints of one module."""

    def __init__(self) -> None:
        self.found: list[Route] = []

    def add(self, operation: str, pattern: str | None = None) -> Callable[[Handler], Handler]:
        """Register a handler; `pattern` is aiohttp's spelling where a part of the path may hold slashes."""

        def register(handler: Handler) -> Handler:
            self.found.append(Route(operation, handler, pattern or operation.split(" ", 1)[1]))
            return handler

        return register


async def read_body(request: web.Request) -> dict[str, Any]:
    """Decode a JSON body; an empty one is no fields."""
    if request.method in {"GET", "HEAD"} or not request.can_read_body:
        return {}
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, "Problems parsing JSON") from error
    if isinstance(data, list):
        data = {"labels": data}  # the label endpoints take a bare list as well
    if not isinstance(data, dict):
        raise ApiError(400, "Body should be a JSON object")
    check_body(data)
    return data


def guard(call: Call) -> None:
    """Refuse a call that its caller's permissions don't cover; what can't be seen is not found."""
    rule = RULES.get(call.operation)
    if rule is None or call._repo is None:
        return
    repo, actor = call.repo, call.actor
    role = accounts.role(call.hub.store, repo, actor.account)
    if actor.is_installation:
        _guard_installation(repo, actor)
    elif role is None:
        raise not_found()
    check(rule, actor, role)


def _guard_installation(repo: Row, actor: Actor) -> None:
    mine = actor.installation is not None and repo["owner_id"] == actor.installation["account_id"]
    chosen = actor.repository_ids is None or repo["id"] in actor.repository_ids
    if not (mine and chosen):
        raise not_found() if repo["private"] else integration_refused()
