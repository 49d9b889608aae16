"""Act upon stored deliveries: the payload is a hint, and what matters is asked of GitHub again."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, assert_never
from uuid import UUID, uuid5

from app import metrics
from app.domain import commands
from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Clock, Forge, Forges, Issue, Labelling
from app.domain.project import Project, Repository
from app.domain.recovery import ErrorType
from app.domain.roles import AgentRole
from app.errors import NotFound, Transient
from app.github.identity import AppIdentity
from app.storage import projects
from app.storage.deliveries import Delivery, Inbox
from app.storage.leases import interrupt
from app.storage.pool import STORE_FAILURES, Connection
from app.storage.projects import Run
from app.storage.records import send
from app.storage.requests import Repeated, adopt
from app.web import events
from workers.failures import classify
from workers.renames import Renames
from workers.requests import requested

log = logging.getLogger(__name__)

Payload = dict[str, Any]
Write = Callable[[Connection], Awaitable[AgentMessage | None]]
Ring = Callable[[AgentMessage], Awaitable[None]]
NAMESPACE = UUID("5c1b6f0e-8f5f-4c7e-9d52-0a4f9a9d2d10")  # of ids derived from deliveries
GITHUB_CLOCK = timedelta(seconds=1)  # its times have no fractions
SETTLED = 10.0  # seconds after a delivery, from when on GitHub's other answers know of it too
AGAIN = 2.0  # seconds
HOLDING = frozenset({commands.Name.pause, commands.Name.resume})
STRANGER = "eyes"  # the reaction to somebody without write permission: seen, nothing more


class Runs(Protocol):
    """Where the last run of an issue is looked up."""

    async def last_run(self, repository: str, number: int) -> Run | None:
        """Return the last run of an issue as it is at the moment."""
        ...


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
        runs: Runs,
        renames: Renames,
        forges: Forges,
        identity: Callable[[], Awaitable[AppIdentity]],
        ring: Ring,
        clock: Clock,
        rules: Rules,
    ) -> None:
        """Use what the composition root gives."""
        self._inbox, self._runs, self._renames = inbox, runs, renames
        self._forges, self._identity = forges, identity
        self._ring, self._clock, self._rules = ring, clock, rules

    async def handle(self, guid: str) -> None:
        """Act upon a delivery unless that was done; what fails is tried again later, and in the end kept aside."""
        try:
            await self._handle(guid)
        except Exception as error:  # noqa: BLE001 - the boundary of a job
            await self._failed(guid, error)

    async def _handle(self, guid: str) -> None:
        delivery = await self._inbox.peek(guid)
        if delivery is None:
            return
        intent = events.intent(delivery.event, delivery.payload, await self._identity(), self._rules.reading)
        if intent is not None and not isinstance(intent, events.InstallationGone):
            repository = await self._renames.followed(intent.repository, delivery.payload)
            intent = replace(intent, repository=repository)
        write = await self._decide(intent, delivery)
        message = None
        async with self._inbox.take(guid) as taken:
            if taken is not None and write is not None:
                message = await write(taken)
        if message is not None:
            await self._ring(message)

    async def _failed(self, guid: str, error: Exception) -> None:
        """Wait for what passes by itself; give up what fails again and again, so that it costs nothing more."""
        failure = classify(error)
        try:
            if failure.transient:
                given_up = await self._inbox.wait(guid, failure.message, failure.retry_after or 1.0)
            else:
                given_up = await self._inbox.failed(guid, failure.message)
        except STORE_FAILURES as away:
            log.warning("a delivery waits for PostgreSQL", extra={"delivery": guid, "why": type(away).__name__})
            return  # the reconciler rings again
        if given_up:
            metrics.DELIVERIES_PARKED.inc()
            trace = error if failure.error_type is ErrorType.internal else None
            log.error("a delivery was given up", extra={"delivery": guid, "why": failure.message}, exc_info=trace)
        else:
            log.warning("a delivery waits", extra={"delivery": guid, "why": failure.message})

    async def _decide(self, intent: events.Intent | None, delivery: Delivery) -> Write | None:
        """Return what the delivery changes in the tables, having asked GitHub what has to be known."""
        match intent:
            case events.Start():
                return await self._start(intent, delivery)
            case events.Stopped():
                return await self._stopped(intent, delivery)
            case events.Said() if not intent.on_pull_request or commands.read(intent.body):
                return await self._said(intent, delivery)
            case events.Reviewed() | events.PullRequestChanged():
                number = intent.pull_number if isinstance(intent, events.Reviewed) else intent.number
                return self._tell_pull_request(intent.repository, number, delivery, {"event": "looked_at"})
            case events.Said() | events.Rerun() | events.ChecksCompleted() | events.InstallationGone() | None:
                return None  # nothing that a project waits for
            case _:
                assert_never(intent)

    async def _start(self, intent: events.Start, delivery: Delivery) -> Write | None:
        """Begin a run for the last labelling, whichever this delivery tells of, and for the person who made it."""
        if self._rules.paused:
            log.info("paused: a labelled issue isn't begun", extra={"issue": intent.issue_number})
            return None  # the comparison finds it afterwards
        forge = self._forges.of(intent.repository)
        issue = await self._found(forge, intent.issue_number)
        if issue is None:
            return None
        if not self._wanted(issue):  # it ended, or the label went again, before this was read
            return None
        labelling = await forge.labelling(issue.number, self._rules.reading.trigger_label)
        _await_labelling(labelling, delivery)
        sender, is_bot = intent.sender, intent.sender_is_bot
        if labelling is not None:
            sender, is_bot = labelling.actor, labelling.actor_is_bot
        if not await self._may_ask(intent.repository, sender, is_bot=is_bot):
            await forge.react(intent.issue_number, STRANGER)
            return None

        async def write(connection: Connection) -> AgentMessage | None:
            run = await projects.last_run(connection, intent.repository.full_name, issue.number)
            if run and not await _begins(connection, run, labelling, delivery):
                return None
            asked = requested(issue) if run is None else None  # later runs are asked for on GitHub
            try:
                claim = await adopt(connection, asked, intent.repository.full_name, issue.number) if asked else None
            except Repeated:
                return None
            started = await projects.start(
                connection, claim.id if claim else uuid5(NAMESPACE, delivery.guid), intent.repository, issue.number,
                title=issue.title, requested_by=(claim and claim.requested_by) or sender,
                budget_usd=self._rules.budget_usd,
                at=delivery.received_at, labelling=labelling.id if labelling else None,
            )  # fmt: skip
            if started is None:
                return None
            return await self._message(connection, started, delivery, {"event": "labelled"})

        return write

    async def _stopped(self, intent: events.Stopped, delivery: Delivery) -> Write | None:
        """End the run of an issue that is closed, gone or without its label: now, not only when this was sent."""
        name = intent.repository.full_name
        run = await self._runs.last_run(name, intent.issue_number)
        if run is None or not run.live:
            return None
        why = intent.why
        if why in {"closed", "unlabeled"}:
            issue = await self._found(self._forges.of(intent.repository), intent.issue_number)
            if issue is not None and self._wanted(issue):
                if delivery.age < SETTLED:
                    raise Transient(f"GitHub doesn't know yet that the issue was {why}.", AGAIN)
                return None  # it was opened or labelled again
            why = "deleted" if issue is None else "closed" if issue.state != "open" else "unlabeled"

        async def write(connection: Connection) -> AgentMessage | None:
            await interrupt(connection, run.id)  # before the project's row is locked
            now = await projects.last_run(connection, name, intent.issue_number)
            if now is None or not now.live:
                return None
            if (now.id, now.labelling) != (run.id, run.labelling):
                raise Transient("The issue was labelled again meanwhile.", AGAIN)
            payload = {"event": "cancelled", "why": f"The issue was {why}."}
            return await self._message(connection, now.id, delivery, payload)

        return write

    async def _found(self, forge: Forge, number: int) -> Issue | None:
        try:
            return await forge.issue(number)
        except NotFound:
            return None

    def _wanted(self, issue: Issue) -> bool:
        return issue.state == "open" and any(self._is_trigger(label) for label in issue.labels)

    async def _said(self, intent: events.Said, delivery: Delivery) -> Write | None:
        if not await self._may_ask(intent.repository, intent.author, is_bot=intent.author.endswith("[bot]")):
            return None
        found = commands.read(intent.body)
        payload: Payload = {"event": "said", "comment": intent.comment_id}
        if found:
            payload |= {"number": intent.number, "by": intent.author, "commands": commands.dump(found)}
        if intent.on_pull_request:
            return self._tell_pull_request(intent.repository, intent.number, delivery, payload)
        if found:
            await self._await_run(intent, delivery)
        return self._tell_issue(intent.repository, intent.number, delivery, payload)

    async def _await_run(self, intent: events.Said, delivery: Delivery) -> None:
        """Raise `Transient` when a command overtook the labelling that begins its run."""
        if delivery.age >= SETTLED or self._rules.paused:
            return
        run = await self._runs.last_run(intent.repository.full_name, intent.number)
        issue = None if run else await self._found(self._forges.of(intent.repository), intent.number)
        if issue is not None and self._wanted(issue):
            raise Transient("The run that this commands has yet to begin.", AGAIN)

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
        if project is None:
            return None
        if "commands" not in payload:
            return await self._message(connection, project.id, delivery, payload)
        told = await projects.commanded(connection, project.id, _comment(payload))
        if payload["comment"] in told:
            return None
        found = _still_meant(payload, told)
        said = [one.name for one in found if isinstance(one, commands.Asked)]
        if holding := [name for name in said if name in HOLDING]:
            await projects.hold(connection, project.id, held=holding[-1] is commands.Name.pause)
        return await self._message(connection, project.id, delivery, {**payload, "commands": commands.dump(found)})

    async def _message(
        self, connection: Connection, project: UUID, delivery: Delivery, payload: Payload
    ) -> AgentMessage:
        # A comment is heard once, whatever the number of deliveries that tell of it, and of runs since.
        message = AgentMessage(
            id=_comment(payload) if "comment" in payload else uuid5(NAMESPACE, f"message:{delivery.guid}"),
            sender=AgentRole.maestro,
            recipient=AgentRole.maestro,
            message_type=MessageType.CONTEXT,
            payload={"project": str(project), "delivery": delivery.guid, **payload},
            timestamp=self._clock(),
            correlation_id=project,
        )
        await send(connection, message)
        return message


def _comment(payload: Payload) -> UUID:
    """Return the id of the message that tells of a comment."""
    return uuid5(NAMESPACE, f"comment:{payload['comment']}")


def _still_meant(payload: Payload, told: Mapping[int, Sequence[commands.Said]]) -> list[commands.Said]:
    """Return a comment's commands without those that a later comment, whose delivery came first, has overruled."""
    later = [said for comment, found in told.items() if comment > payload["comment"] for said in found]
    overruled = {_matter(one) for one in later if isinstance(one, commands.Asked)}
    found = commands.load(payload["commands"])
    return [one for one in found if not isinstance(one, commands.Asked) or _matter(one) not in overruled]


def _matter(asked: commands.Asked) -> str:
    """Return what a command decides: `pause` and `resume` decide the same."""
    return "hold" if asked.name in HOLDING else asked.name


async def _begins(connection: Connection, run: Run, labelling: Labelling | None, delivery: Delivery) -> bool:
    """Tell whether the issue's last run leaves room for the next; raise `Transient` while it is coming to its end."""
    if run.live:
        if labelling is None or labelling.id <= (run.labelling or 0):
            return False
        if run.ending:
            raise Transient("The issue was labelled again while its run is coming to an end.", AGAIN)
        await projects.labelled_again(connection, run.id, labelling.id)
        return False
    if labelling is not None and run.labelling is not None:
        return labelling.id > run.labelling
    labelled_at = labelling.at if labelling else _labelled_at(delivery)
    return run.finished_at is None or labelled_at + GITHUB_CLOCK > run.finished_at


def _await_labelling(labelling: Labelling | None, delivery: Delivery) -> None:
    """Raise `Transient` when the list of an issue's events doesn't have yet what this delivery tells of."""
    if labelling is None or delivery.payload.get("action") != "labeled" or delivery.age >= SETTLED:
        return
    if labelling.at + 2 * GITHUB_CLOCK < _labelled_at(delivery):
        raise Transient("GitHub doesn't list yet who set the label.", AGAIN)


def _labelled_at(delivery: Delivery) -> datetime:
    """Return when the issue had last changed as the delivery was made, which is when it was labelled."""
    try:
        at = datetime.fromisoformat(str(delivery.payload["issue"]["updated_at"]))
    except (KeyError, TypeError, ValueError):
        return delivery.received_at
    return at if at.tzinfo else delivery.received_at
