"""Act upon stored deliveries: the payload is a hint, and what matters is asked of GitHub again."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from app import metrics
from app.domain.messages import AgentMessage
from app.domain.recovery import ErrorType
from app.storage.deliveries import Delivery, Inbox
from app.storage.pool import STORE_FAILURES
from app.web import events
from workers.failures import classify
from workers.intake.beginnings import Beginnings
from workers.intake.desk import Desk
from workers.intake.hearing import Hearing
from workers.intake.installation import Installations
from workers.intake.replies import Replies
from workers.intake.telling import Teller, Write
from workers.renames import Renames

log = logging.getLogger(__name__)

Ring = Callable[[AgentMessage], Awaitable[None]]


class Intake:
    """Turns deliveries into projects and messages, each once."""

    def __init__(self, desk: Desk, inbox: Inbox, renames: Renames, replies: Replies, ring: Ring) -> None:
        """Use what the composition root gives."""
        self._desk, self._inbox, self._renames, self._ring = desk, inbox, renames, ring
        teller = Teller(desk.clock)
        self._beginnings, self._hearing = Beginnings(desk, teller), Hearing(desk, teller, replies)
        self._installations = Installations(desk, teller)

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
        intent = events.intent(delivery.event, delivery.payload, await self._desk.identity(), self._desk.rules.reading)
        if intent is not None and not isinstance(intent, events.InstallationChanged):
            repository = await self._renames.followed(intent.repository, delivery.payload)
            intent = replace(intent, repository=repository)
        write = await self._decide(intent, delivery)
        messages: list[AgentMessage] = []
        async with self._inbox.take(guid) as taken:
            if taken is not None and write is not None:
                messages = await write(taken)
        for message in messages:
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
            case events.Start() | events.Stopped():
                return await self._beginnings.of(intent, delivery)
            case events.Said() | events.Ticked() | events.Edited():
                return await self._hearing.of_issue(intent, delivery)
            case events.Reviewed() | events.PullRequestChanged():
                return await self._hearing.of_pull_request(intent, delivery)
            case events.Rerun() | events.Pressed() | events.ChecksCompleted():
                return await self._hearing.of_checks(intent, delivery)
            case events.InstallationChanged():
                return await self._installations.of(intent, delivery)
            case None:
                return None  # nothing that a run waits for
