"""Act upon stored deliveries: the payload is a hint, and what matters is asked of GitHub again."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID, uuid5

from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Clock, Forges
from app.domain.project import Project, Repository
from app.domain.roles import AgentRole
from app.errors import NotFound
from app.github.identity import AppIdentity
from app.storage import projects
from app.storage.deliveries import Delivery, Inbox
from app.storage.pool import Connection
from app.storage.records import send
from app.storage.requests import Repeated, adopt
from app.web import events
from workers.requests import requested

log = logging.getLogger(__name__)

Payload = dict[str, Any]
Write = Callable[[Connection], Awaitable[AgentMessage | None]]
Ring = Callable[[AgentMessage], Awaitable[None]]
NAMESPACE = UUID("5c1b6f0e-8f5f-4c7e-9d52-0a4f9a9d2d10")  # of ids derived from deliveries
GITHUB_CLOCK = timedelta(seconds=1)  # its times have no fractions
STRANGER = "eyes"  # the reaction to somebody without write permission: seen, nothing more


@dataclass(frozen=True)
class Rules:
    """What the operator decides about who is listened to."""

    reading: events.Reading
    allowed_bots: frozenset[str]
    budget_usd: float
    paused: bool


class Intake:
    """Turns deliveries into projects and messages, each once."""

    def __init__(
        self,
        inbox: Inbox,
        forges: Forges,
        identity: Callable[[], Awaitable[AppIdentity]],
        ring: Ring,
        clock: Clock,
        rules: Rules,
    ) -> None:
        """Use what the composition root gives."""
        self._inbox, self._forges, self._identity = inbox, forges, identity
        self._ring, self._clock, self._rules = ring, clock, rules

    async def handle(self, guid: str) -> None:
        """Act upon a delivery unless that was done; raises `Transient` when GitHub can't be asked now."""
        delivery = await self._inbox.peek(guid)
        if delivery is None:
            return
        intent = events.intent(delivery.event, delivery.payload, await self._identity(), self._rules.reading)
        write = await self._decide(intent, delivery)
        message = None
        async with self._inbox.take(guid) as taken:
            if taken is not None and write is not None:
                message = await write(taken)
        if message is not None:
            await self._ring(message)

    async def _decide(self, intent: events.Intent | None, delivery: Delivery) -> Write | None:
        """Return what the delivery changes in the tables, having asked GitHub what has to be known."""
        match intent:
            case events.Start():
                return await self._start(intent, delivery)
            case events.Stopped():
                return self._tell_issue(
                    intent.repository, intent.issue_number, delivery,
                    {"event": "cancelled", "why": f"The issue was {intent.why}."},
                )  # fmt: skip
            case events.Said() if not intent.on_pull_request:
                return await self._said(intent, delivery)
            case events.Reviewed() | events.PullRequestChanged():
                number = intent.pull_number if isinstance(intent, events.Reviewed) else intent.number
                return self._tell_pull_request(intent.repository, number, delivery, {"event": "looked_at"})
            case events.Said() | events.Rerun() | events.ChecksCompleted() | events.InstallationGone() | None:
                return None  # nothing that a project waits for
            case _:
                assert_never(intent)

    async def _start(self, intent: events.Start, delivery: Delivery) -> Write | None:
        forge = self._forges.of(intent.repository)
        if not await self._may_ask(intent.repository, intent.sender, is_bot=intent.sender_is_bot):
            await forge.react(intent.issue_number, STRANGER)
            return None
        if self._rules.paused:
            log.info("paused: a labelled issue isn't begun", extra={"issue": intent.issue_number})
            return None
        try:
            issue = await forge.issue(intent.issue_number)
        except NotFound:
            return None
        if issue.state != "open" or not any(self._is_trigger(label) for label in issue.labels):
            return None  # it ended, or the label went again, before this was read

        async def write(connection: Connection) -> AgentMessage | None:
            latest = await projects.latest_of_issue(connection, intent.repository.full_name, issue.number)
            if latest and latest.finished_at and latest.finished_at > _labelled_at(delivery) + GITHUB_CLOCK:
                return None  # this label started the run that has ended since
            asked = requested(issue)
            try:
                claim = await adopt(connection, asked, intent.repository.full_name, issue.number) if asked else None
            except Repeated:
                return None
            started = await projects.start(
                connection, claim.id if claim else uuid5(NAMESPACE, delivery.guid), intent.repository, issue.number,
                title=issue.title, requested_by=(claim and claim.requested_by) or intent.sender,
                budget_usd=self._rules.budget_usd, at=delivery.received_at,
            )  # fmt: skip
            if started is None:
                return None
            return await self._message(connection, started, delivery, {"event": "labelled"})

        return write

    async def _said(self, intent: events.Said, delivery: Delivery) -> Write | None:
        if not await self._may_ask(intent.repository, intent.author, is_bot=intent.author.endswith("[bot]")):
            return None
        return self._tell_issue(intent.repository, intent.number, delivery, {"event": "said"})

    async def _may_ask(self, repository: Repository, login: str, *, is_bot: bool) -> bool:
        if is_bot:
            return login in self._rules.allowed_bots or login == (await self._identity()).login
        return (await self._forges.of(repository).permission(login)).may_write

    def _is_trigger(self, label: str) -> bool:
        return label.casefold() == self._rules.reading.trigger_label.casefold()

    def _tell_issue(self, repository: Repository, number: int, delivery: Delivery, payload: Payload) -> Write:
        async def write(connection: Connection) -> AgentMessage | None:
            found = await projects.live_of_issue(connection, repository.full_name, number)
            return await self._tell(connection, found, delivery, payload)

        return write

    def _tell_pull_request(self, repository: Repository, number: int, delivery: Delivery, payload: Payload) -> Write:
        async def write(connection: Connection) -> AgentMessage | None:
            found = await projects.live_of_pull_request(connection, repository.full_name, number)
            return await self._tell(connection, found, delivery, payload)

        return write

    async def _tell(
        self, connection: Connection, project: Project | None, delivery: Delivery, payload: Payload
    ) -> AgentMessage | None:
        return await self._message(connection, project.id, delivery, payload) if project else None

    async def _message(
        self, connection: Connection, project: UUID, delivery: Delivery, payload: Payload
    ) -> AgentMessage:
        message = AgentMessage(
            id=uuid5(NAMESPACE, f"message:{delivery.guid}"),
            sender=AgentRole.maestro,
            recipient=AgentRole.maestro,
            message_type=MessageType.CONTEXT,
            payload={"project": str(project), "delivery": delivery.guid, **payload},
            timestamp=self._clock(),
            correlation_id=project,
        )
        await send(connection, message)
        return message


def _labelled_at(delivery: Delivery) -> datetime:
    """Return when the issue had last changed as the delivery was made, which is when it was labelled."""
    try:
        return datetime.fromisoformat(str(delivery.payload["issue"]["updated_at"]).replace("Z", "+00:00"))
    except (KeyError, TypeError, ValueError):
        return delivery.received_at
