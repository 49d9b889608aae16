"""Issues, comments, labels and reactions as JSON."""

from __future__ import annotations

from typing import Any

from hub.store import Row
from hub.views.accounts import Json, maybe_user, user
from hub.views.apps import maybe_app
from hub.views.urls import Urls, node_id

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def label(urls: Urls, full_name: str, row: Row) -> Json:
    return {
        "id": row["id"],
        "node_id": node_id("Label", row["id"]),
        "url": urls.repo(full_name, "labels", row["name"]),
        "name": row["name"],
        "color": row["color"],
        "default": bool(row["is_default"]),
        "archived_at": None,
        "archived_by": None,
        "description": row["description"],
    }


def reaction(urls: Urls, row: Row) -> Json:
    return {
        "id": row["id"],
        "node_id": node_id("Reaction", row["id"]),
        "user": user(urls, row["user"]),
        "content": row["content"],
        "created_at": row["created_at"],
    }


def rollup(url: str, counts: dict[str, int]) -> Json:
    """Count the reactions to something."""
    shown: dict[str, Any] = {name: counts.get(name, 0) for name in REACTIONS}
    return {"url": url, "total_count": sum(counts.values()), **shown}


def issue(urls: Urls, row: Row) -> Json:
    """Show an issue, or a pull request as the issue that it also is."""
    full_name = row["repository"]["full_name"]
    here = urls.repo(full_name, "issues", row["number"])
    kind = "pull" if row["pull"] else "issues"
    assignees = [user(urls, account) for account in row["assignees"]]
    shown: Json = {
        "id": row["id"],
        "node_id": node_id("Issue", row["id"]),
        "url": here,
        "repository_url": urls.repo(full_name),
        "labels_url": f"{here}/labels{{/name}}",
        "comments_url": f"{here}/comments",
        "events_url": f"{here}/events",
        "timeline_url": f"{here}/timeline",
        "html_url": urls.page(full_name, kind, row["number"]),
        "number": row["number"],
        "state": row["state"],
        "state_reason": row["state_reason"],
        "title": row["title"],
        "body": row["body"],
        "user": user(urls, row["user"]),
        "labels": [label(urls, full_name, one) for one in row["labels"]],
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "locked": False,
        "active_lock_reason": None,
        "comments": row["comments"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "closed_at": row["closed_at"],
        "author_association": row["association"],
        "reactions": rollup(f"{here}/reactions", row["reactions"]),
        "performed_via_github_app": maybe_app(urls, row["app"]),
        "sub_issues_summary": {"total": 0, "completed": 0, "percent_completed": 0},
    }
    if row["pull"]:
        shown |= _pull_part(urls, full_name, row)
    return shown


def issue_in_full(urls: Urls, row: Row) -> Json:
    """Show an issue by itself; lists and webhooks leave out who closed it."""
    return {**issue(urls, row), "closed_by": maybe_user(urls, row["closed_by"])}


def _pull_part(urls: Urls, full_name: str, row: Row) -> Json:
    page = urls.page(full_name, "pull", row["number"])
    return {
        "draft": bool(row["pull"]["draft"]),
        "pull_request": {
            "url": urls.repo(full_name, "pulls", row["number"]),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": row["pull"]["merged_at"],
        },
    }


def event(urls: Urls, row: Row) -> Json:
    """Show one event of an issue's history."""
    shown = {
        "id": row["id"],
        "node_id": node_id("IssueEvent", row["id"]),
        "url": urls.repo(row["repository"]["full_name"], "issues", "events", row["id"]),
        "actor": user(urls, row["actor"]),
        "event": row["event"],
        "commit_id": None,
        "commit_url": None,
        "created_at": row["created_at"],
        "performed_via_github_app": maybe_app(urls, row["app"]),
    }
    if row["label_name"] is not None:
        shown["label"] = {"name": row["label_name"], "color": row["label_color"]}
    if row["event"] == "closed":
        shown["state_reason"] = row["state_reason"]
    return shown


def comment(urls: Urls, row: Row) -> Json:
    """Show a comment on an issue or a pull request."""
    full_name = row["repository"]["full_name"]
    here = urls.repo(full_name, "issues", "comments", row["id"])
    page = urls.page(full_name, "pull" if row["is_pull"] else "issues", row["number"])
    return {
        "id": row["id"],
        "node_id": node_id("IssueComment", row["id"]),
        "url": here,
        "html_url": f"{page}#issuecomment-{row['id']}",
        "issue_url": urls.repo(full_name, "issues", row["number"]),
        "body": row["body"],
        "user": user(urls, row["user"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "author_association": row["association"],
        "performed_via_github_app": maybe_app(urls, row["app"]),
        "reactions": rollup(f"{here}/reactions", row["reactions"]),
    }
