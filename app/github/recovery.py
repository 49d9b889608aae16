"""Webhook deliveries that GitHub could not bring: it tries once, and remembers them for three days."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app import metrics
from app.github.client import GitHubClient
from app.github.reading import moment

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 5  # of one delivery; after that something else is wrong
MOST_PAGES = 30  # of a hundred


class Stored(Protocol):
    """What has arrived."""

    async def known(self, guids: Iterable[str]) -> set[str]:
        """Return those of `guids` that are stored."""
        ...


@dataclass(frozen=True)
class Missed:
    """A delivery to request again."""

    id: int
    guid: str
    event: str
    delivered_at: datetime


async def request_missed(app: GitHubClient, stored: Stored, since: datetime) -> list[Missed]:
    """Request again every delivery since `since` that failed and isn't stored; return those.

    `app` speaks as the app itself. Raises `Transient` or `ForgeError`; calling it again is harmless.
    """
    failed = missed(await _attempts(app, since))
    known = await stored.known([delivery.guid for delivery in failed]) if failed else set()
    wanted = [delivery for delivery in failed if delivery.guid not in known]
    for delivery in wanted:
        await app.post("/app/hook/deliveries/{id}/attempts", {"id": str(delivery.id)}, data=b"")
        metrics.DELIVERIES_REQUESTED_AGAIN.inc()
        log.info("requested a delivery again", extra={"delivery": delivery.guid, "kind": delivery.event})
    return wanted


def missed(attempts: Sequence[dict[str, Any]]) -> list[Missed]:
    """Return the deliveries none of whose attempts succeeded, oldest first; each once."""
    by_guid: dict[str, list[dict[str, Any]]] = {}
    for attempt in attempts:
        by_guid.setdefault(attempt["guid"], []).append(attempt)
    found = []
    for guid, tries in by_guid.items():
        if len(tries) >= MOST_ATTEMPTS or any(200 <= one["status_code"] < 300 for one in tries):
            continue
        newest = max(tries, key=lambda one: moment(one["delivered_at"]))
        found.append(Missed(newest["id"], guid, newest["event"], moment(newest["delivered_at"])))
    return sorted(found, key=lambda delivery: (delivery.delivered_at, delivery.id))


async def _attempts(app: GitHubClient, since: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for attempt in app.getiter("/app/hook/deliveries?per_page=100"):
        if moment(attempt["delivered_at"]) < since or len(found) >= MOST_PAGES * 100:
            break  # newest first
        found.append(attempt)
    return found
