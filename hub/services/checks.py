"""Check runs, check suites and commit statuses."""

from __future__ import annotations

import json
from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, integration_refused, malformed, not_found
from hub.events import emit
from hub.repository import Commit
from hub.services import accounts, check_input, pull_rows
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import checks as views
from hub.views.accounts import Json

# From the worst to the best: a suite concludes with the worst of its runs.
WORST_FIRST = ("failure", "timed_out", "action_required", "cancelled", "stale", "success", "neutral", "skipped")


# Suites --------------------------------------------------------------------------------------------


async def load_suite(hub: Hub, repo: Row, suite_id: int) -> Row:
    """Fetch a suite with all that is shown of it."""
    row = _suite(hub, repo, suite_id)
    return {**row, "head_commit": await hub.git(repo).commit(row["head_sha"])}


def _suite(hub: Hub, repo: Row, suite_id: int) -> Row:
    """Fetch a suite with its state, which is that of its latest runs."""
    row = hub.store.one("SELECT * FROM check_suites WHERE repository_id = ? AND id = ?", repo["id"], suite_id)
    if row is None:
        raise not_found()
    runs = latest(hub.store.all("SELECT * FROM check_runs WHERE suite_id = ?", suite_id))
    status, conclusion = summary(runs)
    return {
        **row,
        "repository": repo,
        "app": accounts.need_app(hub.store, row["app_id"]),
        "status": status,
        "conclusion": conclusion,
        "runs": len(runs),
        "pulls": _pulls_of(hub, repo, row["head_sha"]),
    }


def summary(runs: list[Row]) -> tuple[str, str | None]:
    """Sum runs up: the suite's status and conclusion."""
    if not runs:
        return "queued", None
    if any(run["status"] != "completed" for run in runs):
        return "in_progress" if any(run["status"] != "queued" for run in runs) else "queued", None
    found = {run["conclusion"] for run in runs}
    return "completed", next(one for one in WORST_FIRST if one in found)


def latest(runs: list[Row]) -> list[Row]:
    """Keep the newest run of each name and app."""
    return list({(run["app_id"], run["name"]): run for run in sorted(runs, key=lambda run: run["id"])}.values())


def _pulls_of(hub: Hub, repo: Row, sha: str) -> list[Row]:
    return pull_rows.open_at(hub, repo, sha)


async def request_suites(hub: Hub, actor: Actor, repo: Row, branch: str, before: str, sha: str) -> None:
    """Make the suite of a pushed commit for every app that may write checks, and ask for its runs."""
    commit = await hub.git(repo).commit(sha)
    rows = hub.store.all(
        "SELECT a.id, a.permissions FROM apps a JOIN installations i ON i.app_id = a.id WHERE i.account_id = ?",
        repo["owner_id"],
    )
    for row in rows:
        if json.loads(row["permissions"]).get("checks") == "write":
            with hub.store.transaction():
                suite = _suite(hub, repo, _ensure_suite(hub, repo, row["id"], sha, branch, before))
                _tell_suite(hub, person_of(actor), repo, "requested", {**suite, "head_commit": commit})


def _ensure_suite(hub: Hub, repo: Row, app_id: int, sha: str, branch: str | None, before: str | None = None) -> int:
    now = hub.store.now()
    hub.store.execute(
        "INSERT INTO check_suites (repository_id, app_id, head_sha, head_branch, before, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (repository_id, head_sha, app_id) DO UPDATE SET"
        " head_branch = coalesce(excluded.head_branch, head_branch)",
        *(repo["id"], app_id, sha, branch, before, now, now),
    )
    return int(
        hub.store.value(
            "SELECT id FROM check_suites WHERE repository_id = ? AND head_sha = ? AND app_id = ?",
            *(repo["id"], sha, app_id),
        )
    )


def suites_of(hub: Hub, repo: Row, sha: str) -> list[int]:
    rows = hub.store.all("SELECT id FROM check_suites WHERE repository_id = ? AND head_sha = ?", repo["id"], sha)
    return [row["id"] for row in rows]


async def rerequest_suite(hub: Hub, actor: Actor, repo: Row, suite_id: int) -> None:
    """Ask the suite's app to run it again."""
    suite = await load_suite(hub, repo, suite_id)
    with hub.store.transaction():
        _tell_suite(hub, person_of(actor), repo, "rerequested", suite)


def _tell_suite(hub: Hub, sender: Row, repo: Row, action: str, suite: Row) -> None:
    payload = {"action": action, "check_suite": views.suite_in_webhook(hub.urls, suite)}
    emit(hub, repo, sender, "check_suite", payload, suite["app_id"] if action != "completed" else None)


# Runs ----------------------------------------------------------------------------------------------


async def load_run(hub: Hub, repo: Row, run_id: int) -> Row:
    """Fetch a check run with all that is shown of it."""
    return _run(hub, repo, run_id)


def _run(hub: Hub, repo: Row, run_id: int) -> Row:
    """Fetch a check run with all that is shown of it."""
    row = hub.store.one("SELECT * FROM check_runs WHERE repository_id = ? AND id = ?", repo["id"], run_id)
    if row is None:
        raise not_found()
    return fill_run(hub, repo, row)


def fill_run(hub: Hub, repo: Row, row: Row) -> Row:
    """Add to a run's row what belongs to it."""
    return {
        **row,
        "repository": repo,
        "app": accounts.need_app(hub.store, row["app_id"]),
        "annotations_count": hub.store.value("SELECT count(*) FROM annotations WHERE run_id = ?", row["id"]),
        "pulls": _pulls_of(hub, repo, row["head_sha"]),
    }


def runs_of(hub: Hub, repo: Row, *, sha: str | None = None, suite_id: int | None = None) -> list[Row]:
    """List the runs of a commit or of a suite, oldest first."""
    return hub.store.all(
        "SELECT * FROM check_runs WHERE repository_id = ? AND head_sha = coalesce(?, head_sha)"
        " AND suite_id = coalesce(?, suite_id) ORDER BY id",
        repo["id"],
        sha,
        suite_id,
    )


async def create_run(hub: Hub, actor: Actor, repo: Row, data: Json) -> Row:
    """Report on a commit."""
    app = actor.app
    if app is None:
        raise integration_refused()
    for field in ("name", "head_sha"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise malformed(f'"{field}" wasn\'t supplied.')
    git = hub.git(repo)
    if await git.kind(data["head_sha"]) != "commit":
        raise ApiError(422, f"No commit found for SHA: {data['head_sha']}")
    changes = check_input.columns(data, None, hub.store.now())
    annotations = check_input.annotations_in(data)
    heads = [name for name, sha in git.refs("refs/heads/").items() if sha == data["head_sha"]]
    branch = heads[0].removeprefix("refs/heads/") if heads else None
    commit = await git.commit(data["head_sha"])
    with hub.store.transaction():
        run_id = hub.store.insert(
            "check_runs",
            suite_id=_ensure_suite(hub, repo, app["id"], data["head_sha"], branch),
            repository_id=repo["id"],
            app_id=app["id"],
            name=data["name"],
            head_sha=data["head_sha"],
            **{"status": "queued", "started_at": hub.store.now(), **changes},
        )
        _add_annotations(hub, run_id, annotations)
        run = _run(hub, repo, run_id)
        _tell_run(hub, actor, repo, "created", run)
        if run["status"] == "completed":
            _tell_completed(hub, actor, repo, run, commit)
    return run


async def update_run(hub: Hub, actor: Actor, repo: Row, run_id: int, data: Json) -> Row:
    """Bring a check run up to date; annotations are added to those that it has."""
    before = _run(hub, repo, run_id)
    if actor.app is None or actor.app["id"] != before["app_id"]:
        raise ApiError(403, "Invalid app_id `{}` - check run can only be modified by the GitHub App that created it."
                       .format(actor.app["id"] if actor.app else None))  # fmt: skip
    changes = check_input.columns(data, before, hub.store.now())
    annotations = check_input.annotations_in(data)
    commit = await hub.git(repo).commit(before["head_sha"])
    with hub.store.transaction():
        if changes:
            hub.store.update("check_runs", run_id, **changes)
        _add_annotations(hub, run_id, annotations)
        run = _run(hub, repo, run_id)
        if run["status"] == "completed" and before["status"] != "completed":
            _tell_completed(hub, actor, repo, run, commit)
    return run


def _add_annotations(hub: Hub, run_id: int, annotations: list[Row]) -> None:
    for one in annotations:
        hub.store.insert("annotations", run_id=run_id, **one)


def annotations_of(hub: Hub, run_id: int) -> list[Row]:
    return hub.store.all("SELECT * FROM annotations WHERE run_id = ? ORDER BY id", run_id)


async def rerequest_run(hub: Hub, actor: Actor, repo: Row, run_id: int) -> None:
    """Ask the run's app to do it again; only that app hears of it."""
    run = _run(hub, repo, run_id)
    with hub.store.transaction():
        _tell_run(hub, actor, repo, "rerequested", run)


async def request_action(hub: Hub, actor: Actor, repo: Row, run_id: int, identifier: str) -> None:
    """Press one of the buttons that a run offers; only its app hears of it."""
    run = _run(hub, repo, run_id)
    if identifier not in {action["identifier"] for action in json.loads(run["actions"])}:
        raise not_found()
    with hub.store.transaction():
        _tell_run(hub, actor, repo, "requested_action", run, requested_action={"identifier": identifier})


def _tell_run(hub: Hub, actor: Actor, repo: Row, action: str, run: Row, **more: Any) -> None:
    shown = {
        **views.check_run(hub.urls, run),
        "check_suite": views.simple_suite(hub.urls, _suite(hub, repo, run["suite_id"])),
    }
    only = run["app_id"] if action in {"rerequested", "requested_action"} else None
    emit(hub, repo, person_of(actor), "check_run", {"action": action, "check_run": shown, **more}, only)


def _tell_completed(hub: Hub, actor: Actor, repo: Row, run: Row, commit: Commit) -> None:
    _tell_run(hub, actor, repo, "completed", run)
    suite = _suite(hub, repo, run["suite_id"])
    if suite["status"] == "completed":
        hub.store.update("check_suites", suite["id"], updated_at=hub.store.now())
        _tell_suite(hub, person_of(actor), repo, "completed", {**suite, "head_commit": commit})


def statuses_of(hub: Hub, repo: Row, sha: str) -> tuple[str, list[Row]]:
    """Give the latest status of every context, and what they come to together."""
    rows = hub.store.all("SELECT * FROM statuses WHERE repository_id = ? AND sha = ? ORDER BY id", repo["id"], sha)
    newest = list({row["context"]: row for row in rows}.values())
    states = {row["state"] for row in newest}
    if states & {"failure", "error"}:
        return "failure", newest
    return ("success" if states == {"success"} else "pending"), newest
