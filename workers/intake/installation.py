"""What the app may see, as GitHub says now: what tells of it may be days late, or overtaken by its opposite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.conversation import Happening
from app.domain.messages import AgentMessage
from app.domain.ports import Sight
from app.errors import NotFound, Transient
from app.storage import projects
from app.storage.deliveries import Delivery
from app.storage.pool import Connection
from app.web import events
from workers.intake.desk import AGAIN, SETTLED, Desk
from workers.intake.telling import Payload, Teller, Write

TOLD: Mapping[str, Sight] = {"uninstalled": Sight.gone, "suspended": Sight.suspended, "restored": Sight.whole}


@dataclass(frozen=True)
class Installations:
    """Tells runs that the app may see less than before, or as much again."""

    _desk: Desk
    _teller: Teller

    async def of(self, intent: events.InstallationChanged, delivery: Delivery) -> Write | None:
        """Hear of a change, if it is one still; raises `Transient` while GitHub doesn't seem to know of it."""
        names = await self._concerned(intent)
        if not names:
            return None
        if intent.repositories:
            gone = [name for name in names if not await self._seen(name)]
            so, whole = bool(gone), len(gone) == len(names)
        else:
            gone = []  # of all of them
            so = whole = await self._desk.forges.sight(intent.installation_id) is TOLD[intent.how]
        if not whole and delivery.age < SETTLED:
            raise Transient(f"GitHub doesn't know yet that the app was {intent.how}.", AGAIN)
        return self._tell(intent, gone, delivery) if so else None  # how it is, other deliveries tell

    async def _concerned(self, intent: events.InstallationChanged) -> list[str]:
        """Return the repositories that have runs under way: nobody asks about the others."""
        async with self._desk.runs.connection() as connection:
            live = await projects.live_of_installation(connection, intent.installation_id, intent.repositories)
        return sorted({project.repository.full_name for project in live})

    async def _seen(self, name: str) -> bool:
        try:
            await self._desk.forges.find(name)
        except NotFound:
            return False
        return True

    def _tell(self, intent: events.InstallationChanged, names: Sequence[str], delivery: Delivery) -> Write:
        payload: Payload = {"event": Happening[intent.how]}
        if intent.how == "uninstalled":
            payload["why"] = "The app was uninstalled."

        async def write(connection: Connection) -> list[AgentMessage]:
            messages: list[AgentMessage] = []
            for project in await projects.live_of_installation(connection, intent.installation_id, names):
                by_person = project.pause is not None and project.pause.by is not None
                if intent.how == "suspended" or not by_person:  # Maestro may not have obeyed the suspension yet
                    await projects.hold(connection, project.id, held=intent.how == "suspended")
                messages += await self._teller.event(connection, project, delivery, payload)
            return messages

        return write
