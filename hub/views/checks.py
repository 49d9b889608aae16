"""Check runs, check suites and commit statuses as JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hub.store import Row
from hub.views.accounts import Json, user
from hub.views.apps import app
from hub.views.commits import simple_commit
from hub.views.pulls import pull_minimal
from hub.views.repos import repository
from hub.views.urls import Urls, node_id


def check_run(urls: Urls, row: Row) -> Json:
    """Show a check run; webhooks carry the whole suite in place of its id."""
    full_name = row["repository"]["full_name"]
    here = urls.repo(full_name, "check-runs", row["id"])
    page = urls.page(full_name, "runs", row["id"])
    return {
        "id": row["id"],
        "name": row["name"],
        "node_id": node_id("CheckRun", row["id"]),
        "head_sha": row["head_sha"],
        "external_id": row["external_id"],
        "url": here,
        "html_url": page,
        "details_url": row["details_url"] or row["app"]["external_url"],
        "status": row["status"],
        "conclusion": row["conclusion"],
        "started_at": row["started_at"],
        "completed_at": row["completed_at"],
        "output": {
            "title": row["title"],
            "summary": row["summary"],
            "text": row["text"],
            "annotations_count": row["annotations_count"],
            "annotations_url": f"{here}/annotations",
        },
        "check_suite": {"id": row["suite_id"]},
        "app": app(urls, row["app"]),
        "pull_requests": [pull_minimal(urls, pull) for pull in row["pulls"]],
    }


def annotation(urls: Urls, full_name: str, sha: str, row: Row) -> Json:
    return {
        "path": row["path"],
        "blob_href": urls.page(full_name, "blob", sha, row["path"]),
        "start_line": row["start_line"],
        "end_line": row["end_line"],
        "start_column": row["start_column"],
        "end_column": row["end_column"],
        "annotation_level": row["annotation_level"],
        "title": row["title"],
        "message": row["message"],
        "raw_details": row["raw_details"],
    }


def simple_suite(urls: Urls, row: Row) -> Json:
    """Show a check suite as part of a check run's webhook."""
    full_name = row["repository"]["full_name"]
    return {
        "id": row["id"],
        "node_id": node_id("CheckSuite", row["id"]),
        "head_branch": row["head_branch"],
        "head_sha": row["head_sha"],
        "status": row["status"],
        "conclusion": row["conclusion"],
        "url": urls.repo(full_name, "check-suites", row["id"]),
        "before": row["before"],
        "after": row["head_sha"],
        "pull_requests": [pull_minimal(urls, pull) for pull in row["pulls"]],
        "app": app(urls, row["app"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def check_suite(urls: Urls, row: Row) -> Json:
    """Show a check suite."""
    return {**suite_in_webhook(urls, row), "repository": repository(urls, row["repository"])}


def suite_in_webhook(urls: Urls, row: Row) -> Json:
    """Show a check suite as its own webhook does: the repository stands beside it."""
    shown = simple_suite(urls, row)
    return {
        **shown,
        "head_commit": simple_commit(row["head_commit"]),
        "latest_check_runs_count": row["runs"],
        "check_runs_url": f"{shown['url']}/check-runs",
        "rerequestable": True,
        "runs_rerequestable": True,
    }


def status(urls: Urls, full_name: str, row: Row) -> Json:
    """Show one commit status."""
    return {**status_in_list(urls, full_name, row), "creator": user(urls, row["creator"])}


def status_in_list(urls: Urls, full_name: str, row: Row) -> Json:
    return {
        "url": urls.repo(full_name, "statuses", row["sha"]),
        "avatar_url": f"{urls.web}/avatars/{row['creator_id']}",
        "id": row["id"],
        "node_id": node_id("StatusContext", row["id"]),
        "state": row["state"],
        "description": row["description"],
        "target_url": row["target_url"],
        "context": row["context"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def combined_status(urls: Urls, repo: Row, sha: str, state: str, rows: list[Row]) -> Json:
    """Show the latest status of every context of a commit."""
    here = urls.repo(repo["full_name"], "commits", quote(sha))
    shown: dict[str, Any] = {
        "state": state,
        "statuses": [status_in_list(urls, repo["full_name"], row) for row in rows],
        "sha": sha,
        "total_count": len(rows),
        "repository": repository(urls, repo),
        "commit_url": here,
        "url": f"{here}/status",
    }
    return shown
