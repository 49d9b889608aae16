"""Tell the apps what happened to issues, comments and pull requests; call these inside a transaction."""

from __future__ import annotations

from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.events import emit
from hub.services import issue_rows
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import issues as issue_views
from hub.views import pulls as pull_views
from hub.views.accounts import Json
from hub.views.repos import SETTINGS


def of_issue(hub: Hub, actor: Actor, repo: Row, action: str, issue: Row, **more: Any) -> None:
    """Tell of an issue."""
    payload = {"action": action, "issue": issue_views.issue(hub.urls, issue), **more}
    emit(hub, repo, person_of(actor), "issues", payload)


def of_comment(hub: Hub, actor: Actor, repo: Row, action: str, row: Row, **more: Any) -> None:
    """Tell of a comment."""
    payload = {
        "action": action,
        "issue": issue_views.issue(hub.urls, issue_rows.load(hub, repo, row["number"])),
        "comment": issue_views.comment(hub.urls, row),
        **more,
    }
    emit(hub, repo, person_of(actor), "issue_comment", payload)


def of_pull(hub: Hub, actor: Actor, repo: Row, action: str, row: Row, **more: Any) -> None:
    """Store a pull_request event; call it inside a transaction."""
    shown = {**pull_views.pull(hub.urls, row), **_settings(repo)}
    payload = {"action": action, "number": row["number"], "pull_request": shown, **more}
    emit(hub, repo, person_of(actor), "pull_request", payload)


def _settings(repo: Row) -> Json:
    """Give the repository's settings that webhooks add to a pull request."""
    settings: Json = {name: bool(repo[name]) for name in SETTINGS}
    return {"delete_branch_on_merge": settings["delete_branch_on_merge"], "allow_auto_merge": False}
