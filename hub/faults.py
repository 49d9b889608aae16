"""The one place where a test may make the hub misbehave: around each request and around each delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from hub.store import Row

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Send = Callable[[Row], Awaitable[None]]


class Faults(Protocol):
    """Stand between the hub and the outside; call through, or do something worse."""

    async def request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a REST or git request, usually by `await handler(request)`."""
        ...

    async def delivery(self, delivery: Row, send: Send) -> None:
        """Deliver a webhook, usually by `await send(delivery)`."""
        ...


class NoFaults:
    """Let everything through."""

    async def request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    async def delivery(self, delivery: Row, send: Send) -> None:
        await send(delivery)
