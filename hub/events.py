"""Who hears of what: which apps get a webhook, and what it says around the thing itself."""

from __future__ import annotations

import json
from typing import Any

from hub.context import Hub
from hub.services import accounts
from hub.store import Row
from hub.views.accounts import organization, user
from hub.views.repos import repository
from hub.views.urls import node_id

# The permission, any of which an app needs, to hear of an event. None: every app hears of it.
READABLE: dict[str, tuple[str, ...] | None] = {
    "issues": ("issues",),
    "issue_comment": ("issues", "pull_requests"),
    "pull_request": ("pull_requests",),
    "pull_request_review": ("pull_requests",),
    "pull_request_review_comment": ("pull_requests",),
    "check_run": ("checks",),
    "check_suite": ("checks",),
    "push": ("contents",),
    "create": ("contents",),
    "delete": ("contents",),
    "status": ("statuses",),
    "label": ("issues", "pull_requests"),
    "repository": ("metadata",),
    "installation": None,
    "installation_repositories": None,
    "ping": None,
}

# Apps that may write checks hear of them without a subscription.
# https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
BY_THEMSELVES = frozenset({"check_run", "check_suite"})

Payload = dict[str, Any]


def listeners(hub: Hub, repo: Row, event: str, only_app: int | None = None) -> list[Row]:
    """List the installations on a repository's owner whose app hears of an event."""
    rows = hub.store.all(
        "SELECT * FROM installations WHERE account_id = ? AND id NOT IN (SELECT installation_id FROM suspensions)"
        " AND id NOT IN (SELECT installation_id FROM withheld WHERE repository_id = ?)",
        repo["owner_id"],
        repo["id"],
    )
    found = []
    for row in rows:
        app = hub.store.get("SELECT * FROM apps WHERE id = ?", row["app_id"])
        if (only_app is None or app["id"] == only_app) and hears(app, event):
            found.append({**row, "app": app})
    return found


def hears(app: Row, event: str) -> bool:
    """Tell whether an app subscribes to an event and may read what it is about."""
    needed = READABLE[event]
    if needed is None:
        return True
    permissions = {"metadata": "read", **json.loads(app["permissions"])}
    if event in BY_THEMSELVES and permissions.get("checks") == "write":
        return True
    return event in json.loads(app["events"]) and any(name in permissions for name in needed)


def emit(hub: Hub, repo: Row, sender: Row, event: str, payload: Payload, only_app: int | None = None) -> None:
    """Store an event for every app that hears of it; call it inside the transaction that it tells of."""
    hearing = listeners(hub, repo, event, only_app)
    if not hearing:
        return
    repo = accounts.refresh(hub, repo)
    whole = {**payload, "repository": repository(hub.urls, repo), "sender": user(hub.urls, sender)}
    if repo["owner"]["type"] == "Organization":
        whole["organization"] = organization(hub.urls, repo["owner"])
    for installation in hearing:
        number = installation["id"]
        stub = {"id": number, "node_id": node_id("Installation", number)}
        hub.outbox.add(installation["app"], event, {**whole, "installation": stub}, number, repo["id"])
