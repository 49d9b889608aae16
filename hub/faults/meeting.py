"""A request that meets the switchboard: who asks for what, and how a connection is cut."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from aiohttp import web

from hub.auth import Actor
from hub.context import Hub
from hub.faults.board import Board
from hub.faults.switches import Occasion, Switch

GHES = "/api/v3"


@dataclass(frozen=True, slots=True)
class Meeting:
    """One request with its caller."""

    hub: Hub
    request: web.Request
    actor: Actor
    occasion: Occasion

    @property
    def board(self) -> Board:
        return self.hub.faults

    @property
    def path(self) -> str:
        """Name the thing asked for: no query, and refs spelled in one way."""
        return spelled(self.request.path)

    @property
    def caller(self) -> str:
        """Name whom GitHub's limits count for: an installation with all its tokens, an app, a person."""
        actor = self.actor
        if actor.installation is not None:
            return f"installation ID {actor.installation['id']}"
        return f"user ID {actor.account['id']}" if actor.account else actor.key

    def due(self, name: str) -> Switch | None:
        return self.board.due(name, self.occasion)

    def active(self, name: str) -> Switch | None:
        return self.board.active(name, self.occasion)

    def fired(self, switch: Switch) -> None:
        self.board.fired(switch, self.occasion)

    def cut(self) -> None:
        """Reset the connection: nothing that waits to be sent is sent."""
        transport = self.request.transport
        if transport is not None:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()


def meeting(hub: Hub, request: web.Request, actor: Actor) -> Meeting:
    method = "GET" if request.method == "HEAD" else request.method
    return Meeting(hub, request, actor, Occasion(method, request.path_qs.removeprefix(GHES)))


def spelled(path: str) -> str:
    """Spell a path as the hub remembers it."""
    return path.removeprefix(GHES).replace("/git/refs/", "/git/ref/").lower()
