"""What GitHub could not tell: missed deliveries are asked for again, and what is there is compared with the tables."""

import asyncio
import json
import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from app import metrics
from app.domain.project import Repository
from app.errors import ForgeError, LeaseLost, RateLimited, Transient
from app.github import recovery as github
from app.storage.lookout import Lookout
from app.storage.pool import STORE_FAILURES
from app.storage.projects import Live, ProjectReader
from app.storage.repositories import Repositories
from app.web.events import covers
from workers.renames import Renames
from workers.tempo import Tempo
from workers.wiring import Worker, utc_now

log = logging.getLogger(__name__)

RECOVERY = UUID("6a4f3a52-1f0b-4b33-9f3c-5a8c1f2f7b60")  # the lease that lets one worker look at a time
REMEMBERED = timedelta(days=3)  # that GitHub keeps deliveries for
OVERLAP = timedelta(minutes=10)  # an attempt may be listed later than its time says
COMPARED = timedelta(hours=1)  # between comparisons, beside the one at the start
MOST_ASKED = 200  # in one look
PROBES = 3  # asked for while deliveries don't get through


async def recover(worker: Worker, tempo: Tempo) -> None:
    """Look at GitHub at the start and every few minutes, one worker at a time, whatever fails."""
    started = utc_now()
    while True:
        try:
            async with worker.jobs.leases.hold(RECOVERY, "recovery") as lease:
                if lease is not None:
                    await Recovery(worker, timedelta(seconds=tempo.recover), started).look()
        except (Transient, ForgeError, LeaseLost) as error:
            log.warning("GitHub could not be looked at", extra={"why": str(error)})
        except STORE_FAILURES as error:
            log.warning("GitHub could not be looked at", extra={"why": type(error).__name__})
        except Exception:
            log.exception("GitHub could not be looked at")
        await asyncio.sleep(tempo.recover / 10)


class Recovery:
    """One look at GitHub; how far it came is in the tables."""

    def __init__(self, worker: Worker, every: timedelta, started: datetime) -> None:
        """Look no oftener than `every`, but once after this worker has `started`."""
        self._worker, self._every, self._started = worker, every, started
        self._lookout, self._runs = Lookout(worker.pool), ProjectReader(worker.pool)
        self._renames = Renames(Repositories(worker.pool), worker.forges)

    async def look(self) -> None:
        """Do what is due."""
        now = utc_now()
        if await self._due("looked", self._every, now):
            await self._ask_for_missed(now)
            await self._lookout.set_mark("looked", now)
        # What is labelled while nothing new may begin is found when it may again.
        mark = "compared while paused" if self._worker.settings.paused else "compared"
        if await self._due(mark, COMPARED, now):
            await self._compare(now)
            await self._lookout.set_mark(mark, now)

    async def _due(self, mark: str, every: timedelta, now: datetime) -> bool:
        last = await self._lookout.mark(mark)
        return last is None or now - last >= every or (last < self._started and now - last >= self._every)

    # Missed deliveries --------------------------------------------------------------------------------

    async def _ask_for_missed(self, now: datetime) -> None:
        """Ask for what failed; while nothing gets through, only for a few."""
        app, lookout = self._worker.app, self._lookout
        reached = await lookout.mark("deliveries")
        since = max(now - REMEMBERED, reached - OVERLAP) if reached else now - REMEMBERED
        found = await github.attempts(app, since)
        await lookout.missed([(m.guid, m.id, m.event, m.delivered_at, m.refused) for m in found.missed])
        await lookout.arrived(found.arrived, REMEMBERED.total_seconds())
        if found.newest:
            await lookout.set_mark("deliveries", found.newest)
        opened = await lookout.mark("opened")
        through = found.newest_arrived or (opened is not None and found.newest is not None and opened > found.newest)
        for one in await lookout.due(MOST_ASKED if through else PROBES):
            await lookout.asked(one.guid)  # first: where GitHub fails at one, the next look goes on with the others
            try:
                await github.ask_again(app, one.attempt)
            except ForgeError as error:  # GitHub has forgotten it
                log.warning("a delivery can't be requested", extra={"delivery": one.guid, "why": str(error)})
            else:
                metrics.DELIVERIES_REQUESTED_AGAIN.inc()
                log.info("requested a delivery again", extra={"delivery": one.guid, "kind": one.event})

    # Comparison ---------------------------------------------------------------------------------------

    async def _compare(self, now: datetime) -> None:
        """Compare each repository's labelled issues and own pull requests with the tables.

        Raises `Transient` in the end where GitHub failed at one: that doesn't keep the others from being compared.
        """
        failed: Transient | None = None
        for number, listed in (await self._worker.forges.all()).items():
            repository = await self._renames.followed(listed, {"repository": {"id": number}})
            if not covers(self._worker.settings.repositories, repository.full_name):
                continue
            try:
                await self._compare_repository(repository, now)
            except RateLimited:
                raise
            except (ForgeError, Transient) as error:
                failed = error if isinstance(error, Transient) else failed
                log.warning(
                    "a repository can't be compared", extra={"repository": repository.full_name, "why": str(error)}
                )
        if failed is not None:
            raise failed

    async def _compare_repository(self, repository: Repository, now: datetime) -> None:
        """What differs is stored as a delivery, so that it is judged, tried again and done once like any other."""
        client = self._worker.forges.client(repository)
        label = self._worker.settings.trigger_label
        labelled = await github.labelled_issues(client, repository.full_name, label)
        live = await self._runs.live(repository.full_name)
        under_way, wanted = {run.issue_number for run in live}, {issue.number for issue in labelled}
        if not self._worker.settings.paused:
            for issue in labelled:
                if issue.number not in under_way:
                    await self._store(
                        repository, "issues", f"{issue.number}@{issue.updated_at}", _labelled(issue, label)
                    )
        for run in live:
            if run.issue_number not in wanted and not run.reverting:
                gone = _issue(run.issue_number, "unlabeled", label, now.isoformat())
                await self._store(repository, "issues", f"{run.id}@{now}", gone)
        if any(run.pull_request for run in live):
            pulls = await github.open_pulls(client, repository.full_name)
            for run in live:
                await self._compare_pull(repository, run, pulls, now)

    async def _compare_pull(self, repository: Repository, run: Live, pulls: dict[int, str], now: datetime) -> None:
        """Have a run look at its pull request where that has ended, or changed since it was last compared."""
        if run.pull_request is None:
            return
        changed = pulls.get(run.pull_request)
        action = "closed" if changed is None else "synchronize"
        payload = {"action": action, "pull_request": {"number": run.pull_request}, "sender": {"login": "ghost"}}
        await self._store(repository, "pull_request", f"{run.id}#{changed or now}", payload)

    async def _store(self, repository: Repository, event: str, state: str, payload: dict[str, Any]) -> None:
        """Store a difference as a delivery; the same state of the same thing is the same delivery."""
        whole = {
            **payload,
            "repository": {"full_name": repository.full_name},
            "installation": {"id": repository.installation_id},
        }
        guid = f"compared-{uuid5(RECOVERY, f'{repository.full_name} {event} {state}')}"
        if await self._worker.inbox.store(guid, event, payload["action"], json.dumps(whole).encode()):
            log.info("found by comparison", extra={"delivery": guid, "repository": repository.full_name, "kind": event})


def _labelled(issue: github.LabelledIssue, label: str) -> dict[str, Any]:
    """Return the payload of a labelling that is known only by its result, and so as old as the issue may be."""
    sender = {"login": issue.author, "type": issue.author_type}
    return {**_issue(issue.number, "labeled", label, issue.created_at), "sender": sender}


def _issue(number: int, action: str, label: str, updated_at: str) -> dict[str, Any]:
    return {
        "action": action,
        "issue": {"number": number, "labels": [{"name": label}], "updated_at": updated_at},
        "label": {"name": label},
        "sender": {"login": "ghost"},
    }
