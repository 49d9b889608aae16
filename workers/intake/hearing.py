"""What people and other apps do on GitHub: heard, acknowledged, and told to the run that it is about."""

import hashlib
import json
from dataclasses import dataclass

from app.domain import commands
from app.domain.conversation import Happening
from app.domain.messages import AgentMessage
from app.domain.ports import Comment
from app.domain.project import Project
from app.errors import NotFound, Transient
from app.storage import projects
from app.storage.deliveries import Delivery
from app.storage.pool import Connection
from app.web import events
from workers.intake.desk import AGAIN, SETTLED, STRANGER, Desk
from workers.intake.replies import Replies, answered_here, no_run
from workers.intake.telling import Payload, Remark, Teller, Write

UNDERSTOOD, NOT_UNDERSTOOD = "+1", "confused"  # reactions
PULL_EVENTS = {
    "closed": Happening.pull_closed,
    "reopened": Happening.pull_reopened,
    "synchronize": Happening.pull_pushed,
}
BUTTONS = {"format": Happening.action_format, "retry": Happening.action_retry}


@dataclass(frozen=True)
class Hearing:
    """Listens to people with write permission, and tells runs."""

    _desk: Desk
    _teller: Teller
    _replies: Replies

    # --- comments

    async def of_issue(self, intent: events.Said | events.Ticked | events.Edited, delivery: Delivery) -> Write | None:
        """Hear a comment, a ticked box, or an edit of an issue."""
        match intent:
            case events.Said():
                return await self._said(intent, delivery)
            case events.Ticked():
                return await self._ticked(intent, delivery)
            case events.Edited():
                return await self._edited(intent, delivery)

    async def _said(self, intent: events.Said, delivery: Delivery) -> Write | None:
        """Hear a comment as it is now: what was edited counts as it stands, what was deleted doesn't count."""
        by = intent.editor or intent.author
        slug = (await self._desk.identity()).slug
        if not commands.read(intent.body, slug) and not await self._may_answer(intent):
            return None
        if not await self._listens(intent, by):
            return None
        comment = await self._comment(intent)
        found = commands.read(comment.body, slug) if comment else []
        if comment is None or (not found and intent.on_pull_request):
            return None
        return await self._heard(intent, delivery, comment, by, found)

    async def _may_answer(self, intent: events.Said) -> bool:
        """Tell whether plain words may be for a run: those on an issue that has one under way."""
        if intent.on_pull_request:
            return False
        run = await self._desk.runs.last_run(intent.repository.full_name, intent.number)
        return run is not None and run.live

    async def _listens(self, intent: events.Said, by: str) -> bool:
        """Tell whether the people behind a comment may command; a stranger's command gets a reaction, a bot's none."""
        if all([await self._desk.may_ask(intent.repository, login) for login in {by, intent.author}]):
            return True
        slug = (await self._desk.identity()).slug
        if commands.read(intent.body, slug) and not by.endswith("[bot]"):
            await self._desk.forges.of(intent.repository).react(intent.number, STRANGER, intent.comment_id)
        return False

    async def _comment(self, intent: events.Said) -> Comment | None:
        try:
            return await self._desk.forges.of(intent.repository).read_comment(intent.comment_id)
        except NotFound:
            return None

    async def _heard(
        self, intent: events.Said, delivery: Delivery, comment: Comment, by: str, found: list[commands.Said]
    ) -> Write:
        """Acknowledge a comment at once, answer what can be answered, and tell the run the rest."""
        if found and not intent.on_pull_request:
            await self._await_run(intent, delivery)
        project = await self._project(intent)
        version = hashlib.sha256(comment.body.encode()).hexdigest()[:12] if intent.editor else ""
        orders = tuple(one for one in found if not answered_here(one, project))
        remark = Remark(comment.id, intent.number, by, orders, version)
        if found:
            forge, label = self._desk.forges.of(intent.repository), self._desk.rules.reading.trigger_label
            clear = any(isinstance(one, commands.Asked) for one in found)
            await forge.react(intent.number, UNDERSTOOD if clear else NOT_UNDERSTOOD, comment.id)
            none = no_run(label, on_pull_request=intent.on_pull_request)
            await self._replies.reply(forge, project, remark, found, none)

        async def write(connection: Connection) -> list[AgentMessage]:
            now = await self._project(intent, connection)
            if now is None or (found and not orders):
                return []
            return await self._teller.remark(connection, now, delivery, remark)

        return write

    async def _project(self, intent: events.Said, connection: Connection | None = None) -> Project | None:
        """Return the run that a comment is about: the last one of the issue, or the one that has the pull request."""
        name = intent.repository.full_name
        async with self._desk.runs.connection(connection) as used:
            if intent.on_pull_request:
                return await projects.latest_of_pull_request(used, name, intent.number)
            return await projects.latest_of_issue(used, name, intent.number)

    async def _await_run(self, intent: events.Said, delivery: Delivery) -> None:
        """Raise `Transient` when a command overtook the labelling that begins its run."""
        if delivery.age >= SETTLED or self._desk.rules.paused:
            return
        run = await self._desk.runs.last_run(intent.repository.full_name, intent.number)
        issue = None if run else await self._desk.found(self._desk.forges.of(intent.repository), intent.number)
        if issue is not None and self._desk.wanted(issue):
            raise Transient("The run that this commands has yet to begin.", AGAIN)

    async def _ticked(self, intent: events.Ticked, delivery: Delivery) -> Write | None:
        """Hear that the box of a plan was ticked, if it still is."""
        forge = self._desk.forges.of(intent.repository)
        if not await self._desk.may_ask(intent.repository, intent.editor):
            return None
        try:
            comment = await forge.read_comment(intent.comment_id)
        except NotFound:
            return None
        if not (comment.by_this_app and commands.TICKED.search(comment.body)):
            return None
        payload = {"event": Happening.ticked, "comment": intent.comment_id, "by": intent.editor}
        return self._tell_issue(intent.repository.full_name, intent.issue_number, delivery, payload)

    async def _edited(self, intent: events.Edited, delivery: Delivery) -> Write | None:
        """Hear that an issue reads otherwise now; a stranger's edit is read when somebody asks for it."""
        issue = await self._desk.found(self._desk.forges.of(intent.repository), intent.issue_number)
        if issue is None or not await self._desk.may_ask(intent.repository, intent.editor):
            return None
        digest = hashlib.sha256(f"{issue.title}\n{issue.body}".encode()).hexdigest()[:12]
        payload = {"event": Happening.issue_edited, "by": intent.editor, "digest": digest}
        told = _digest(delivery)  # a plan is made anew for it once
        return self._tell_issue(intent.repository.full_name, intent.issue_number, delivery, payload, told)

    def _tell_issue(self, name: str, number: int, delivery: Delivery, payload: Payload, once: str = "") -> Write:
        async def write(connection: Connection) -> list[AgentMessage]:
            found = await projects.live_of_issue(connection, name, number)
            return await self._teller.event(connection, found, delivery, payload, once) if found else []

        return write

    # --- pull requests and checks

    async def of_pull_request(
        self, intent: events.Reviewed | events.PullRequestChanged, delivery: Delivery
    ) -> Write | None:
        """Hear what happened to a pull request; whether it is one of the app's own the tables know."""
        name = intent.repository.full_name
        if isinstance(intent, events.Reviewed):
            if not await self._counts(intent):
                return None
            return self._tell_pull_request(name, intent.pull_number, delivery, {"event": Happening.looked_at})
        if intent.action == "closed" and await self._open_after_all(intent, delivery):
            return None
        if intent.action == "reopened" and not await self._desk.may_ask(intent.repository, intent.sender):
            return None  # who may only triage can open it again too
        payload: Payload = {"event": PULL_EVENTS[intent.action]}
        if intent.action == "closed":
            payload["why"] = f"Pull request #{intent.number} was closed."
        return self._tell_pull_request(name, intent.number, delivery, payload)

    async def _counts(self, intent: events.Reviewed) -> bool:
        """Tell whether a review can change something: strangers' don't, and a dismissal is always a writer's."""
        if await self._desk.runs.of_pull_request(intent.repository.full_name, intent.pull_number) is None:
            return False
        return intent.state == "dismissed" or await self._desk.may_ask(intent.repository, intent.reviewer)

    async def _open_after_all(self, intent: events.PullRequestChanged, delivery: Delivery) -> bool:
        """Tell whether a run's pull request is open, whatever this delivery says; raises `Transient` while unsure."""
        run = await self._desk.runs.of_pull_request(intent.repository.full_name, intent.number)
        if run is None:
            return False
        try:
            pull = await self._desk.forges.of(intent.repository).pull_request(intent.number)
        except NotFound:
            return False
        if pull.state == "open" and delivery.age < SETTLED:
            raise Transient("GitHub doesn't know yet that the pull request was closed.", AGAIN)
        return pull.state == "open"

    def _tell_pull_request(self, name: str, number: int, delivery: Delivery, payload: Payload) -> Write:
        async def write(connection: Connection) -> list[AgentMessage]:
            found = await projects.latest_of_pull_request(connection, name, number)
            return await self._teller.event(connection, found, delivery, payload) if found else []

        return write

    async def of_checks(
        self, intent: events.Rerun | events.Pressed | events.ChecksCompleted, delivery: Delivery
    ) -> Write | None:
        """Hear of checks on a commit of a run: asked for again, a button pressed, another app's completed."""
        payload: Payload = {"event": Happening.checks_completed, "head": intent.head_sha}
        once = ""
        if not isinstance(intent, events.ChecksCompleted):
            if not await self._desk.may_ask(intent.repository, intent.sender):
                return None
            kind = BUTTONS[intent.action] if isinstance(intent, events.Pressed) else Happening.rerun
            payload |= {
                "event": kind,
                "check": intent.check_name,
                "by": intent.sender,
                "guid": (once := _digest(delivery)),
            }
        if isinstance(intent, events.Pressed):
            payload |= {"run": intent.run_id}
        name = intent.repository.full_name

        async def write(connection: Connection) -> list[AgentMessage]:
            found = await projects.of_commit(connection, name, intent.head_sha)
            return await self._teller.event(connection, found, delivery, payload, once) if found else []

        return write


def _digest(delivery: Delivery) -> str:
    """Name what a delivery tells: GitHub may tell the same under two GUIDs."""
    return hashlib.sha256(json.dumps([delivery.event, delivery.payload], sort_keys=True).encode()).hexdigest()[:32]
