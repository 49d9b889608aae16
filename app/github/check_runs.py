"""Check runs of one repository: the app's own, and what other apps say of a commit."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from app.domain.ports import CheckRun, ForeignCheck
from app.errors import ForgeError
from app.github import reading
from app.github.markdown import SUMMARY_LIMIT, fit
from app.github.rest import RepositoryRest, missing

ANNOTATIONS_A_REQUEST = 50


class CheckRuns(RepositoryRest):
    """Writes and reads check runs."""

    async def create_check(self, check: CheckRun) -> int:
        """Write a check run with all its annotations and return its id.

        One that needs several requests stays in progress until the last of them, so that a half-written one
        is never taken for a result.
        """
        notes = self._annotations(check)
        whole = len(notes) <= ANNOTATIONS_A_REQUEST
        output = {"title": check.title[:255], "summary": fit(check.summary, SUMMARY_LIMIT)}
        if check.text:
            output["text"] = fit(check.text, SUMMARY_LIMIT)
        end = {"status": "completed", "conclusion": check.conclusion, "completed_at": _written(check.completed_at)}
        begun = None if whole else await self._run_of(check.head_sha, check.name, check.external_id, "in_progress")
        if begun is not None:  # by a worker that died: GitHub adds annotations to those that are there
            number, written = int(begun["id"]), int(begun["output"]["annotations_count"])
        else:
            content: dict[str, Any] = {
                "name": check.name,
                "head_sha": check.head_sha,
                "external_id": check.external_id,
                **({"details_url": check.details_url} if check.details_url else {}),
                "started_at": _written(check.started_at),
                "output": {**output, "annotations": notes[:ANNOTATIONS_A_REQUEST]},
                **({"actions": [asdict(action) for action in check.actions]} if check.actions else {}),
                **(end if whole else {"status": "in_progress"}),
            }
            made = await self._patiently(lambda: self._post("/check-runs", content), _commit_unknown)
            number, written = int(made["id"]), ANNOTATIONS_A_REQUEST
        for start in [] if whole else list(range(written, len(notes), ANNOTATIONS_A_REQUEST)) or [len(notes)]:
            until = start + ANNOTATIONS_A_REQUEST
            more = {"output": {**output, "annotations": notes[start:until]}, **(end if until >= len(notes) else {})}
            await self._patiently(partial(self._patch, "/check-runs/{id}", more, id=number))
        return number

    async def find_check(self, head_sha: str, name: str, external_id: str) -> int | None:
        """Return the id of a completed check run of this app, None when there is none, even after a moment."""
        run = await self._sooner_or_later(lambda: self._run_of(head_sha, name, external_id, "completed"))
        return int(run["id"]) if run else None

    async def _run_of(self, head_sha: str, name: str, external_id: str, status: str) -> dict[str, Any] | None:
        app = await self._shared.identity()
        query = "/commits/{sha}/check-runs?filter=all&per_page=100{&check_name}"
        try:
            runs = await self._list(query, key="check_runs", sha=head_sha, check_name=name)
        except ForgeError as error:
            if not _commit_unknown(error):
                raise
            return None
        own = (run for run in runs if (run.get("app") or {}).get("id") == app.id)
        return next((run for run in own if (run.get("external_id"), run.get("status")) == (external_id, status)), None)

    async def foreign_checks(self, head_sha: str) -> list[ForeignCheck]:
        """Return the latest check run of each name by other apps, with the annotations of those that failed."""
        app = await self._shared.identity()
        query = "/commits/{sha}/check-runs?filter=latest&per_page=100"
        runs = await self._patiently(lambda: self._list(query, key="check_runs", sha=head_sha))
        others = [reading.foreign_check(run) for run in runs if (run.get("app") or {}).get("id") != app.id]
        return list(await asyncio.gather(*map(self._with_annotations, others)))

    async def _with_annotations(self, check: ForeignCheck) -> ForeignCheck:
        if not check.failed:
            return check
        notes = await self._list("/check-runs/{id}/annotations?per_page=50", id=check.id)
        return reading.annotated(check, notes)

    def _annotations(self, check: CheckRun) -> list[dict[str, Any]]:
        level = "failure" if check.conclusion == "failure" else "warning"
        return [reading.annotation(finding, level) for finding in check.annotations if finding.path]


def _commit_unknown(error: ForgeError) -> bool:
    """Tell whether a commit that was pushed just now isn't known everywhere yet."""
    return missing(error) or (error.status == 422 and "No commit found" in str(error))


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
