"""Check runs of one repository: the app's own, and what other apps say of a commit."""

import asyncio
import logging
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from app.domain.ports import CheckRun, CheckSuite, ForeignCheck
from app.errors import ForgeError
from app.github import reading
from app.github.markdown import SUMMARY_LIMIT, fit
from app.github.rest import RepositoryRest, missing

log = logging.getLogger(__name__)

ANNOTATIONS_A_REQUEST = 50
MOST_READ = 20  # failing checks of a commit whose annotations are read


class CheckRuns(RepositoryRest):
    """Writes and reads check runs."""

    async def begin_check(self, name: str, head_sha: str, external_id: str, started_at: datetime) -> int:
        """Show a check run as being under way and return its id; `create_check` ends it."""
        content = {
            "name": name,
            "head_sha": head_sha,
            "external_id": external_id,
            "status": "in_progress",
            "started_at": _written(started_at),
        }
        made = await self._patiently(lambda: self._post("/check-runs", content), _commit_unknown)
        return int(made["id"])

    async def create_check(self, check: CheckRun, begun: int | None = None) -> int:
        """Write a check run with all its annotations and return its id; `begun` is one that is under way.

        One that needs several requests stays in progress until the last of them, so that a half-written one
        is never taken for a result.
        """
        notes = self._annotations(check)
        output, end = _output(check), _end(check)
        run = await self._unfinished(check, begun, len(notes))
        if run is None:
            whole = len(notes) <= ANNOTATIONS_A_REQUEST
            content: dict[str, Any] = {
                "name": check.name,
                "head_sha": check.head_sha,
                "external_id": check.external_id,
                "started_at": _written(check.started_at),
                "output": {**output, "annotations": notes[:ANNOTATIONS_A_REQUEST]},
                **(end if whole else {"status": "in_progress"}),
            }
            made = await self._patiently(lambda: self._post("/check-runs", content), _commit_unknown)
            number, written = int(made["id"]), ANNOTATIONS_A_REQUEST
            if whole:
                return number
        else:  # GitHub adds annotations to those that are there
            number, written = int(run["id"]), int(run["output"]["annotations_count"])
            if run["status"] == "completed":
                return number
        for start in list(range(written, len(notes), ANNOTATIONS_A_REQUEST)) or [len(notes)]:
            until = start + ANNOTATIONS_A_REQUEST
            more = {"output": {**output, "annotations": notes[start:until]}, **(end if until >= len(notes) else {})}
            await self._patiently(partial(self._patch, "/check-runs/{id}", more, id=number))
        return number

    async def _unfinished(self, check: CheckRun, begun: int | None, notes: int) -> dict[str, Any] | None:
        """Return the run that is to be ended: one that was begun, or that a worker left half-written."""
        if begun is not None:
            run: dict[str, Any] = await self._announced("/check-runs/{id}", id=begun)
            return run
        if notes <= ANNOTATIONS_A_REQUEST:
            return None
        return await self._run_of(check.head_sha, check.name, check.external_id, {"in_progress"})

    async def find_check(self, head_sha: str, name: str, external_id: str, *, ended: bool = True) -> int | None:
        """Return the id of a check run of this app, None when there is none, even after a moment.

        One that hasn't `ended` counts only where that is said.
        """
        states = {"completed"} if ended else {"completed", "in_progress"}
        run = await self._sooner_or_later(lambda: self._run_of(head_sha, name, external_id, states))
        return int(run["id"]) if run else None

    async def _run_of(self, head_sha: str, name: str, external_id: str, states: set[str]) -> dict[str, Any] | None:
        app = await self._shared.identity()
        query = "/commits/{sha}/check-runs?filter=all&per_page=100{&check_name}"
        try:
            runs = await self._list(query, key="check_runs", sha=head_sha, check_name=name)
        except ForgeError as error:
            if not _commit_unknown(error):
                raise
            return None
        own = (run for run in runs if (run.get("app") or {}).get("id") == app.id)
        return next((one for one in own if one.get("external_id") == external_id and one.get("status") in states), None)

    async def foreign_checks(self, head_sha: str, *, annotated: bool = True) -> list[ForeignCheck]:
        """Return the latest check run of each name by other apps, and the latest status of each context.

        Check runs that failed come with their annotations.
        """
        app = await self._shared.identity()
        query = "/commits/{sha}/check-runs?filter=latest&per_page=100"
        runs, statuses = await asyncio.gather(
            self._patiently(lambda: self._list(query, key="check_runs", sha=head_sha)),
            self._statuses(head_sha),
        )
        others = [reading.foreign_check(run) for run in runs if (run.get("app") or {}).get("id") != app.id]
        failed = [check for check in others if check.failed][:MOST_READ] if annotated else []
        read = {check.id: check for check in await asyncio.gather(*map(self._annotated, failed))}
        return [read.get(check.id, check) for check in others] + [reading.commit_status(one) for one in statuses]

    async def _statuses(self, head_sha: str) -> list[dict[str, Any]]:
        """Return the latest status of each context; none where the installation has yet to allow reading them."""
        try:
            query = "/commits/{sha}/status?per_page=100"
            found: list[dict[str, Any]] = await self._patiently(lambda: self._list(query, key="statuses", sha=head_sha))
        except ForgeError as error:
            if error.status != 403:
                raise
            log.warning("commit statuses can't be read: accept the app's new permission", extra={"why": str(error)})
            return []
        return found

    async def check_suites(self, head_sha: str) -> list[CheckSuite]:
        """Return the suites of a commit, this app's among them."""
        app = await self._shared.identity()
        query = "/commits/{sha}/check-suites?per_page=100"
        suites = await self._patiently(lambda: self._list(query, key="check_suites", sha=head_sha))
        return [reading.check_suite(suite, app) for suite in suites]

    async def _annotated(self, check: ForeignCheck) -> ForeignCheck:
        """Return the check with its first annotations; another app may have made any number of them."""
        notes = await self._get("/check-runs/{id}/annotations?per_page=50", id=check.id)
        return reading.annotated(check, notes)

    def _annotations(self, check: CheckRun) -> list[dict[str, Any]]:
        level = "failure" if check.conclusion == "failure" else "warning"
        return [reading.annotation(finding, level) for finding in check.annotations if finding.path]


def _output(check: CheckRun) -> dict[str, Any]:
    output = {"title": check.title[:255], "summary": fit(check.summary, SUMMARY_LIMIT)}
    return output | ({"text": fit(check.text, SUMMARY_LIMIT)} if check.text else {})


def _end(check: CheckRun) -> dict[str, Any]:
    """Return what is said with the last request."""
    return {
        "status": "completed",
        "conclusion": check.conclusion,
        "completed_at": _written(check.completed_at),
        **({"details_url": check.details_url} if check.details_url else {}),
        **({"actions": [asdict(action) for action in check.actions]} if check.actions else {}),
    }


def _commit_unknown(error: ForgeError) -> bool:
    """Tell whether a commit that was pushed just now isn't known everywhere yet."""
    return missing(error) or (error.status == 422 and "No commit found" in str(error))


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
