"""Commit statuses."""

from __future__ import annotations

import re

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, invalid
from hub.events import emit
from hub.services import accounts
from hub.services.accounts import person_of
from hub.store import Row
from hub.views.accounts import Json
from hub.views.commits import commit as show_commit


async def create(hub: Hub, actor: Actor, repo: Row, sha: str, data: Json) -> Row:
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
