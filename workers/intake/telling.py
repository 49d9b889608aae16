"""Messages to runs: what an event on GitHub tells a run, once, whatever the number of deliveries that tell of it."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from app.domain import commands
from app.domain.conversation import Happening
from app.domain.messages import AgentMessage, notice
from app.domain.ports import Clock
from app.domain.project import Project
from app.storage import projects
from app.storage.deliveries import Delivery
from app.storage.leases import interrupt
from app.storage.pool import Connection
from app.storage.records import send

NAMESPACE = UUID("5c1b6f0e-8f5f-4c7e-9d52-0a4f9a9d2d10")  # of ids derived from deliveries
ENDING = frozenset({Happening.pull_closed, Happening.uninstalled})  # what agents do by then is in vain
HOLDING = frozenset({commands.Name.pause, commands.Name.resume})

Payload = dict[str, Any]
Write = Callable[[Connection], Awaitable[list[AgentMessage]]]


@dataclass(frozen=True)
class Remark:
    """A comment as it is now: where it stands, who is behind it, and the orders in it."""

    comment: int
    number: int
    by: str
    orders: tuple[commands.Said, ...]
    edit: str = ""  # names this version of a comment that was edited

    @property
    def payload(self) -> Payload:
        """What a message says of it."""
        told: Payload = {"event": Happening.said, "comment": self.comment, "number": self.number, "by": self.by}
        told |= {"commands": commands.dump(self.orders)} if self.orders else {}
        return told | ({"edit": self.edit} if self.edit else {})

    @property
    def id(self) -> UUID:
        """The message that tells of it: the same for the same comment, whatever delivery brought it."""
        said = hashlib.sha256(repr(self.orders).encode()).hexdigest()[:12] if self.orders else ""
        return uuid5(NAMESPACE, ":".join(part for part in ("comment", str(self.comment), self.edit, said) if part))


@dataclass(frozen=True)
class Teller:
    """Writes messages in the transaction in which a delivery is taken."""

    clock: Clock

    async def event(
        self, connection: Connection, project: Project | UUID, delivery: Delivery, payload: Payload, once: str = ""
    ) -> list[AgentMessage]:
        """Tell a run of an event: once for each delivery, or for each text that `once` names."""
        identity = project if isinstance(project, UUID) else project.id
        if payload["event"] in ENDING:
            await interrupt(connection, identity)
        message = uuid5(NAMESPACE, f"message:{once or delivery.guid}:{identity}")
        return [await self._send(connection, message, identity, {"delivery": delivery.guid, **payload})]

    async def remark(
        self, connection: Connection, project: Project, delivery: Delivery, remark: Remark
    ) -> list[AgentMessage]:
        """Tell a run of a comment; of its orders only those that it hasn't had, and that no later comment overruled."""
        payload = {"delivery": delivery.guid, **remark.payload}
        if not remark.orders:
            return [await self._send(connection, remark.id, project.id, payload)]
        if any(isinstance(one, commands.Asked) and one.name is commands.Name.cancel for one in remark.orders):
            await interrupt(connection, project.id)  # before the project's row is locked
        told = await projects.commanded(connection, project.id, remark.id)
        if any(one.id == remark.id for one in told):
            return []
        orders = _still_meant(remark, told)
        if not orders:
            return []
        said = [one.name for one in orders if isinstance(one, commands.Asked)]
        if holding := [name for name in said if name in HOLDING]:
            held = holding[-1] is commands.Name.pause and not project.status.ended  # else there is nothing to hold
            await projects.hold(connection, project.id, held=held)
        payload |= {"commands": commands.dump(orders)}
        return [await self._send(connection, remark.id, project.id, payload)]

    async def _send(self, connection: Connection, identity: UUID, project: UUID, payload: Payload) -> AgentMessage:
        message = notice(identity, project, self.clock(), **payload)
        await send(connection, message)
        return message


def _still_meant(remark: Remark, told: Sequence[projects.Commanded]) -> list[commands.Said]:
    """Return the orders that this comment hasn't given yet, without those that a later one has overruled."""
    given = [said for one in told if one.comment == remark.comment for said in one.commands]
    later = [said for one in told if one.comment > remark.comment for said in one.commands]
    overruled = {matter for one in later if isinstance(one, commands.Asked) and (matter := _matter(one))}
    new = [one for one in remark.orders if one not in given]
    return [one for one in new if not isinstance(one, commands.Asked) or _matter(one) not in overruled]


def _matter(asked: commands.Asked) -> str:
    """Return what an order decides: `pause` and `resume` decide the same; empty where each stands for itself."""
    if asked.name in HOLDING:
        return "hold"
    return asked.name.value if commands.COMMANDS[asked.name].once else ""
