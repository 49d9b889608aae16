"""Cut long lists into pages."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Paging:
    """One page of a list, and the addresses of its neighbours."""

    number: int
    count: int
    older: str | None
    newer: str | None
    size: int = PER_PAGE

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size


def paging(request: web.Request, count: int) -> Paging:
    """Find the page of `count` things that a request asks for; a number out of range is brought into it."""
    asked = request.query.get("page", "1")
    last = max((count + PER_PAGE - 1) // PER_PAGE, 1)
    number = min(max(int(asked), 1), last) if asked.isdecimal() and len(asked) < 9 else 1
    older = _at(request, number + 1) if number < last else None
    return Paging(number, count, older, _at(request, number - 1) if number > 1 else None)


def _at(request: web.Request, number: int) -> str:
    return "?" + urlencode({**request.query, "page": number})
