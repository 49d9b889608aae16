"""Checks: those of a commit, and one run with its report and annotations."""

from __future__ import annotations

import json

from aiohttp import web

from hub.context import Hub
from hub.pages.repository import address_in, frame
from hub.pages.visit import REPO, Pages, Visit, go
from hub.services import checks
from hub.store import Row

pages = Pages()
RUN = "/{owner}/{repo}/runs/{check_run_id:\\d+}"
RERUN_ALL = f"POST {REPO}/check-suites/{{check_suite_id}}/rerequest"
ACT = f"POST {REPO}/check-runs/{{check_run_id}}/requested_action"
RERUN = f"POST {REPO}/check-runs/{{check_run_id}}/rerequest"
GOOD = frozenset({"success", "neutral", "skipped"})


def rows_of(hub: Hub, repo: Row, sha: str) -> list[Row]:
    """List the newest run of each check of a commit, and its statuses, in one form."""
    runs = checks.latest(checks.runs_of(hub, repo, sha=sha))
    _, reported = checks.statuses_of(hub, repo, sha)
    return [_run(hub, row) for row in runs] + [_status(row) for row in reported]


def _run(hub: Hub, row: Row) -> Row:
    count = hub.store.value("SELECT count(*) FROM annotations WHERE run_id = ?", row["id"])
    app = hub.store.value("SELECT name FROM apps WHERE id = ?", row["app_id"])
    return {**row, "state": row["conclusion"] or row["status"], "annotations_count": count, "by": app}


def _status(row: Row) -> Row:
    shown = {"state": row["state"], "name": row["context"], "title": row["description"] or ""}
    return {**shown, "id": None, "started_at": None, "completed_at": None, "annotations_count": 0, "by": ""}


def verdict(rows: list[Row]) -> str:
    """Sum checks up in one word: none, pending, failure or success."""
    states = {row["state"] for row in rows}
    if not states:
        return "none"
    if states & {"queued", "in_progress", "pending", "waiting", "requested"}:
        return "pending"
    return "success" if states <= GOOD else "failure"


@pages.get(RUN)
async def run(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/check-runs/{{check_run_id}}")
    row = await checks.load_run(visit.hub, repo, visit.number("check_run_id"))
    return visit.page(
        "check.html",
        **frame(visit, repo, "pulls" if row["pulls"] else "code"),
        run={**row, "state": row["conclusion"] or row["status"]},
        annotations=checks.annotations_of(visit.hub, row["id"]),
        others=rows_of(visit.hub, repo, row["head_sha"]),
        may_rerun=visit.may(RERUN),
        actions=json.loads(row["actions"]),
    )


@pages.post(RUN + "/rerequest")
async def rerequest(visit: Visit) -> web.StreamResponse:
    await visit.rest(RERUN, {})
    return go(f"{address_in(visit)}/runs/{visit.number('check_run_id')}")


@pages.post(RUN + "/rerequest-all")
async def rerequest_all(visit: Visit) -> web.StreamResponse:
    """Ask the run's app for everything that it checks on this commit."""
    repo = visit.allowed(RERUN_ALL)
    row = await checks.load_run(visit.hub, repo, visit.number("check_run_id"))
    await checks.rerequest_suite(visit.hub, visit.actor, repo, row["suite_id"])
    return go(f"{address_in(visit)}/runs/{row['id']}")


@pages.post(RUN + "/actions")
async def act(visit: Visit) -> web.StreamResponse:
    """Press one of the buttons that the run's app offers."""
    await visit.rest(ACT, {"identifier": visit.field("identifier")})
    return go(f"{address_in(visit)}/runs/{visit.number('check_run_id')}")
