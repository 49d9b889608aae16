"""Opens the issues of projects that were asked for by HTTP; what follows comes by webhook like any other issue."""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from app.domain.ports import Forge, Issue
from app.domain.project import Repository
from app.domain.recovery import backoff
from app.errors import ForgeError, LeaseLost, NotFound, Transient
from app.github import render
from app.logs import bound
from app.storage.leases import Leases
from app.storage.pool import Lease
from app.storage.requests import Requests, Unopened
from workers.outage import Outage

log = logging.getLogger(__name__)

MARKER = "request"
LOOK = 1.0  # seconds between looks
SETTLING = 20.0  # seconds after which GitHub's lists and webhooks show what a lost answer left
CLOCKS = timedelta(minutes=5)  # that GitHub's may differ from ours
AT_ONCE = 4

_MARKED = re.compile(rf"<!-- aurora:{MARKER} ([0-9a-f-]{{36}}) -->")


class Places(Protocol):
    """Where repositories are found by their names."""

    def of(self, repository: Repository) -> Forge: ...
    async def find(self, full_name: str) -> Repository:
        """Return a repository with its installation; raises `NotFound`."""
        ...


@dataclass(frozen=True)
class Opener:
    """Opens one issue for each request, whatever dies in between."""

    requests: Requests
    leases: Leases
    places: Places
    label: str
    jitter: Callable[[], float]

    async def look(self) -> None:
        """Try every request that is due; raises what one of them met, once all have been tried."""
        due, ends = await self.requests.due(), list[BaseException | None]()
        for start in range(0, len(due), AT_ONCE):
            tries = (self.open(identity) for identity in due[start : start + AT_ONCE])
            ends += await asyncio.gather(*tries, return_exceptions=True)
        for error in filter(None, ends):
            raise error

    async def open(self, identity: UUID) -> None:
        """Open the issue of a request, unless somebody else is at it."""
        with bound(project=identity), suppress(LeaseLost):
            async with self.leases.hold(identity, "request") as lease:
                request = await self.requests.get(identity, SETTLING) if lease else None
                if lease and request:
                    await self._try(lease, request)

    async def _try(self, lease: Lease, request: Unopened) -> None:
        try:
            number = await self._issue(lease, request)
        except Transient as error:
            log.warning("an issue could not be opened yet", extra={"why": str(error)})
            await self.requests.postpone(lease, error.retry_after or backoff(request.tries, self.jitter()))
        except NotFound:
            await self.requests.refuse(lease, f"The app isn't installed in {request.repository}: install it there.")
        except ForgeError as error:
            await self.requests.refuse(lease, f"GitHub opens no issue in {request.repository}: {error}")
        else:
            if number is None:
                await self.requests.postpone(lease, 5.0)
            else:
                await self.requests.opened(lease, number)
                log.info("issue opened", extra={"issue": number})

    async def _issue(self, lease: Lease, request: Unopened) -> int | None:
        """Return the number of the request's issue; None when it can't be told yet whether there is one."""
        forge = self.places.of(await self.places.find(request.repository))
        marker = render.marker(MARKER, lease.subject)
        if request.intended_at is not None:
            if found := await forge.find_issue(marker, self.label, request.intended_at - CLOCKS):
                return found.number
            if not request.settled:
                return None
        await self.requests.intend(lease)
        issue = await forge.open_issue(request.title, f"{marker}\n{request.text}", [self.label])
        return issue.number


def requested(issue: Issue) -> UUID | None:
    """Return the request that the app opened an issue for; a marker in anybody else's issue is just text."""
    found = _MARKED.match(issue.body) if issue.by_this_app else None
    with suppress(ValueError):
        return UUID(found[1]) if found else None
    return None


async def open_requested(opener: Opener) -> None:
    """Open, for ever, the issues that are asked for."""
    outage = Outage("what opens issues")
    while True:
        try:
            await opener.look()
        except Exception as error:  # noqa: BLE001 - the next look may succeed; the outage tells of it
            outage.goes_on(error)
        else:
            outage.is_over()
        await asyncio.sleep(LOOK)
