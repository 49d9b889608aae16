"""Check runs, check suites and commit statuses."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, integration_refused, invalid, malformed, not_found
from hub.events import emit
from hub.services import accounts, pull_rows
from hub.services.accounts import person_of
from hub.store import Row, timestamp
from hub.views import checks as views
from hub.views.accounts import Json
from hub.views.commits import commit as show_commit

MOST_ANNOTATIONS = 50
LONGEST_TEXT = 65_535
STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out")
LEVELS = ("notice", "warning", "failure")
# From the worst to the best: a suite concludes with the worst of its runs.
WORST_FIRST = ("failure", "timed_out", "action_required", "cancelled", "stale", "success", "neutral", "skipped")
ANNOTATION = ("path", "start_line", "end_line", "start_column", "end_column", "annotation_level", "title", "message",
              "raw_details")  # fmt: skip


# Suites --------------------------------------------------------------------------------------------


async def load_suite(hub: Hub, repo: Row, suite_id: int) -> Row:
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
        "head_commit": await hub.git(repo).commit(row["head_sha"]),
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
    rows = hub.store.all(
        "SELECT a.id, a.permissions FROM apps a JOIN installations i ON i.app_id = a.id WHERE i.account_id = ?",
        repo["owner_id"],
    )
    for row in rows:
        if json.loads(row["permissions"]).get("checks") == "write":
            suite_id = _ensure_suite(hub, repo, row["id"], sha, branch, before)
            suite = await load_suite(hub, repo, suite_id)
            with hub.store.transaction():
                _tell_suite(hub, person_of(actor), repo, "requested", suite)


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
    changes = _changes(hub, data, None)
    annotations = _annotations(data)
    heads = [name for name, sha in git.refs("refs/heads/").items() if sha == data["head_sha"]]
    branch = heads[0].removeprefix("refs/heads/") if heads else None
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
    run = await load_run(hub, repo, run_id)
    await _tell_run(hub, actor, repo, "created", run)
    if run["status"] == "completed":
        await _tell_completed(hub, actor, repo, run)
    return run


async def update_run(hub: Hub, actor: Actor, repo: Row, run_id: int, data: Json) -> Row:
    """Bring a check run up to date; annotations are added to those that it has."""
    before = await load_run(hub, repo, run_id)
    if actor.app is None or actor.app["id"] != before["app_id"]:
        raise ApiError(403, "Invalid app_id `{}` - check run can only be modified by the GitHub App that created it."
                       .format(actor.app["id"] if actor.app else None))  # fmt: skip
    changes = _changes(hub, data, before)
    annotations = _annotations(data)
    with hub.store.transaction():
        if changes:
            hub.store.update("check_runs", run_id, **changes)
        _add_annotations(hub, run_id, annotations)
    run = await load_run(hub, repo, run_id)
    if run["status"] == "completed" and before["status"] != "completed":
        await _tell_completed(hub, actor, repo, run)
    return run


def _changes(hub: Hub, data: Json, before: Row | None) -> dict[str, Any]:
    """Check the fields of a request and name the columns that they change."""
    changes: dict[str, Any] = {
        name: str(data[name]) for name in ("name", "external_id", "details_url") if data.get(name) is not None
    }
    if before is None:
        changes.pop("name", None)
    status, conclusion = data.get("status"), data.get("conclusion")
    if status is not None and status not in STATUSES:
        raise invalid("CheckRun", "status")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion")
    if status == "completed" and conclusion is None:
        raise malformed('"conclusion" wasn\'t supplied.')
    if conclusion is not None or data.get("completed_at"):
        changes |= {"status": "completed", "conclusion": conclusion or (before or {}).get("conclusion") or "neutral"}
        changes["completed_at"] = _moment(data, "completed_at") or hub.store.now()
    elif status is not None:
        changes |= {"status": status, "conclusion": None, "completed_at": None}
    if data.get("started_at"):
        changes["started_at"] = _moment(data, "started_at")
    return changes | _output(data) | _actions(data)


def _moment(data: Json, field: str) -> str | None:
    if not data.get(field):
        return None
    try:
        return timestamp(datetime.fromisoformat(str(data[field])))
    except ValueError as error:
        raise malformed(f"For 'properties/{field}', {data[field]!r} is not a valid date-time.") from error


def _output(data: Json) -> dict[str, Any]:
    output = data.get("output")
    if output is None:
        return {}
    for field in ("title", "summary"):
        if output.get(field) is None and not (field == "title" and "summary" in output):
            raise malformed(f'"{field}" wasn\'t supplied.')
    for field in ("summary", "text"):
        if len(str(output.get(field) or "").encode()) > LONGEST_TEXT:
            raise malformed(f"Only {LONGEST_TEXT} characters are allowed; {len(output[field])} were supplied.")
    return {name: output[name] for name in ("title", "summary", "text") if name in output}


def _actions(data: Json) -> dict[str, Any]:
    actions = data.get("actions")
    if actions is None:
        return {}
    if len(actions) > 3:
        raise malformed(f"No more than 3 items are allowed; {len(actions)} were supplied.")
    return {"actions": json.dumps(actions)}


def _annotations(data: Json) -> list[Row]:
    given = (data.get("output") or {}).get("annotations") or []
    if len(given) > MOST_ANNOTATIONS:
        raise malformed(f"No more than {MOST_ANNOTATIONS} items are allowed; {len(given)} were supplied.")
    for one in given:
        for field in ("path", "start_line", "end_line", "annotation_level", "message"):
            if one.get(field) is None:
                raise malformed(f'"{field}" wasn\'t supplied.')
        if one["annotation_level"] not in LEVELS:
            raise malformed(f"{one['annotation_level']} is not a member of {list(LEVELS)}.")
    return [{name: one.get(name) for name in ANNOTATION} for one in given]


def _add_annotations(hub: Hub, run_id: int, annotations: list[Row]) -> None:
    for one in annotations:
        hub.store.insert("annotations", run_id=run_id, **one)


def annotations_of(hub: Hub, run_id: int) -> list[Row]:
    return hub.store.all("SELECT * FROM annotations WHERE run_id = ? ORDER BY id", run_id)


async def rerequest_run(hub: Hub, actor: Actor, repo: Row, run_id: int) -> None:
    """Ask the run's app to do it again; only that app hears of it."""
    run = await load_run(hub, repo, run_id)
    await _tell_run(hub, actor, repo, "rerequested", run)


async def request_action(hub: Hub, actor: Actor, repo: Row, run_id: int, identifier: str) -> None:
    """Press one of the buttons that a run offers; only its app hears of it."""
    run = await load_run(hub, repo, run_id)
    if identifier not in {action["identifier"] for action in json.loads(run["actions"])}:
        raise not_found()
    await _tell_run(hub, actor, repo, "requested_action", run, requested_action={"identifier": identifier})


async def _tell_run(hub: Hub, actor: Actor, repo: Row, action: str, run: Row, **more: Any) -> None:
    suite = await load_suite(hub, repo, run["suite_id"])
    shown = {**views.check_run(hub.urls, run), "check_suite": views.simple_suite(hub.urls, suite)}
    only = run["app_id"] if action in {"rerequested", "requested_action"} else None
    with hub.store.transaction():
        emit(hub, repo, person_of(actor), "check_run", {"action": action, "check_run": shown, **more}, only)


async def _tell_completed(hub: Hub, actor: Actor, repo: Row, run: Row) -> None:
    await _tell_run(hub, actor, repo, "completed", run)
    suite = await load_suite(hub, repo, run["suite_id"])
    if suite["status"] == "completed":
        with hub.store.transaction():
            hub.store.update("check_suites", suite["id"], updated_at=hub.store.now())
            _tell_suite(hub, person_of(actor), repo, "completed", suite)


# Statuses ------------------------------------------------------------------------------------------


async def set_status(hub: Hub, actor: Actor, repo: Row, sha: str, data: Json) -> Row:
    """Give a commit a status in one context."""
    if data.get("state") not in {"error", "failure", "pending", "success"}:
        raise invalid("Status", "state")
    git = hub.git(repo)
    if not re.fullmatch(r"[0-9a-f]{40}", sha) or await git.kind(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    commit = await git.commit(sha)
    now, creator = hub.store.now(), person_of(actor)
    with hub.store.transaction():
        number = hub.store.insert(
            "statuses",
            repository_id=repo["id"],
            sha=sha,
            state=data["state"],
            context=data.get("context") or "default",
            description=data.get("description"),
            target_url=data.get("target_url"),
            creator_id=creator["id"],
            created_at=now,
            updated_at=now,
        )
        row = {**hub.store.get("SELECT * FROM statuses WHERE id = ?", number), "creator": creator}
        payload = _status_payload(hub, repo, row)
        author = accounts.by_email(hub.store, commit.author.email)
        payload["commit"] = show_commit(hub.urls, repo["full_name"], commit, author, None)
        emit(hub, repo, creator, "status", payload)
    return row


def _status_payload(hub: Hub, repo: Row, row: Row) -> Json:
    kept = ("id", "sha", "state", "context", "description", "target_url", "created_at", "updated_at")
    heads = hub.git(repo).refs("refs/heads/")
    url = hub.urls.repo(repo["full_name"], "commits", row["sha"])
    branches = [
        {"name": name.removeprefix("refs/heads/"), "commit": {"sha": sha, "url": url}, "protected": False}
        for name, sha in heads.items()
        if sha == row["sha"]
    ]
    return {**{name: row[name] for name in kept}, "name": repo["full_name"], "avatar_url": None, "branches": branches}


def statuses_of(hub: Hub, repo: Row, sha: str) -> tuple[str, list[Row]]:
    """Give the latest status of every context, and what they come to together."""
    rows = hub.store.all("SELECT * FROM statuses WHERE repository_id = ? AND sha = ? ORDER BY id", repo["id"], sha)
    newest = list({row["context"]: row for row in rows}.values())
    states = {row["state"] for row in newest}
    if states & {"failure", "error"}:
        return "failure", newest
    return ("success" if states == {"success"} else "pending"), newest
