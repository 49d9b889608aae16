"""Runs begin and end with their issues: labelled, closed, gone."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid5

from app.domain.conversation import Happening
from app.domain.messages import AgentMessage
from app.domain.ports import Labelling
from app.errors import Transient
from app.storage import projects
from app.storage.deliveries import Delivery
from app.storage.leases import interrupt
from app.storage.pool import Connection
from app.storage.projects import Run
from app.storage.requests import Repeated, adopt
from app.web import events
from workers.intake.desk import AGAIN, SETTLED, STRANGER, Desk
from workers.intake.telling import NAMESPACE, Teller, Write
from workers.requests import requested

log = logging.getLogger(__name__)

GITHUB_CLOCK = timedelta(seconds=1)  # its times have no fractions


@dataclass(frozen=True)
class Beginnings:
    """Begins runs and has them end."""

    _desk: Desk
    _teller: Teller

    async def of(self, intent: events.Start | events.Stopped, delivery: Delivery) -> Write | None:
        """Begin or end a run, as the issue asks for."""
        if isinstance(intent, events.Start):
            return await self._start(intent, delivery)
        return await self._stopped(intent, delivery)

    async def _start(self, intent: events.Start, delivery: Delivery) -> Write | None:
        """Begin a run for the last labelling, whichever this delivery tells of, and for the person who made it."""
        if self._desk.rules.paused:
            log.info("paused: a labelled issue isn't begun", extra={"issue": intent.issue_number})
            return None  # the comparison finds it afterwards
        forge = self._desk.forges.of(intent.repository)
        issue = await self._desk.found(forge, intent.issue_number)
        if issue is None:
            return None
        if not self._desk.wanted(issue):  # it ended, or the label went again, before this was read
            return None
        labelling = await forge.labelling(issue.number, self._desk.rules.reading.trigger_label)
        _await_labelling(labelling, delivery)
        sender, is_bot = intent.sender, intent.sender_is_bot
        if labelling is not None:
            sender, is_bot = labelling.actor, labelling.actor_is_bot
        if not await self._desk.may_ask(intent.repository, sender, is_bot=is_bot):
            if not is_bot:  # bots that nobody has listed get nothing at all
                await forge.react(intent.issue_number, STRANGER)
            return None

        async def write(connection: Connection) -> list[AgentMessage]:
            run = await projects.last_run(connection, intent.repository.full_name, issue.number)
            if run and not await _begins(connection, run, labelling, delivery):
                return []
            asked = requested(issue) if run is None else None  # later runs are asked for on GitHub
            try:
                claim = await adopt(connection, asked, intent.repository.full_name, issue.number) if asked else None
            except Repeated:
                return []
            started = await projects.start(
                connection, claim.id if claim else uuid5(NAMESPACE, delivery.guid), intent.repository, issue.number,
                title=issue.title, requested_by=(claim and claim.requested_by) or sender,
                budget_usd=self._desk.rules.budget_usd,
                at=delivery.received_at, labelling=labelling.id if labelling else None,
            )  # fmt: skip
            if started is None:
                return []
            return await self._teller.event(connection, started, delivery, {"event": Happening.labelled})

        return write

    async def _stopped(self, intent: events.Stopped, delivery: Delivery) -> Write | None:
        """End the run of an issue that is closed, gone or without its label: now, not only when this was sent."""
        name = intent.repository.full_name
        run = await self._desk.runs.last_run(name, intent.issue_number)
        if run is None or not run.live or run.reverting:
            return None
        why = intent.why
        if why in {"closed", "unlabeled"}:
            issue = await self._desk.found(self._desk.forges.of(intent.repository), intent.issue_number)
            if issue is not None and self._desk.wanted(issue):
                if delivery.age < SETTLED:
                    raise Transient(f"GitHub doesn't know yet that the issue was {why}.", AGAIN)
                return None  # it was opened or labelled again
            why = "deleted" if issue is None else "closed" if issue.state != "open" else "unlabeled"

        async def write(connection: Connection) -> list[AgentMessage]:
            await interrupt(connection, run.id)  # before the project's row is locked
            now = await projects.last_run(connection, name, intent.issue_number)
            if now is None or not now.live:
                return []
            if (now.id, now.labelling) != (run.id, run.labelling):
                raise Transient("The issue was labelled again meanwhile.", AGAIN)
            payload = {"event": Happening.stopped, "why": f"The issue was {why}."}
            return await self._teller.event(connection, now.id, delivery, payload)

        return write


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
