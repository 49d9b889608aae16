"""Labels of a repository and of its issues and pull requests."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, invalid, malformed, not_found
from hub.services import issue_rows, pull_rows, telling
from hub.store import Row
from hub.views.accounts import Json
from hub.views.issues import label as view


def show(hub: Hub, repo: Row, label: Row) -> Json:
    return view(hub.urls, repo["full_name"], label)


def names_in(given: Any) -> list[str]:
    """Read the label names of a request: a list, or a list inside `labels`, of names or objects."""
    if isinstance(given, dict):
        given = given.get("labels", [])
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list):
        raise malformed("labels must be an array.")
    found = [one.get("name") if isinstance(one, dict) else one for one in given]
    names = [name.strip() for name in found if isinstance(name, str) and name.strip()]
    if len(names) < len(found):
        raise invalid("Label", "name", "missing_field")
    return list(dict.fromkeys(names))


def find(hub: Hub, repo: Row, name: str) -> Row:
    row = hub.store.one("SELECT * FROM labels WHERE repository_id = ? AND name = ?", repo["id"], name)
    if row is None:
        raise not_found()
    return row


def create(hub: Hub, repo: Row, data: Json) -> Row:
    """Make a label; one with this name may not exist."""
    name = data.get("name")
    if not isinstance(name, str) or not name.strip():
        raise invalid("Label", "name", "missing_field")
    color = str(data.get("color") or _color(name)).removeprefix("#")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", color):
        raise invalid("Label", "color")
    if hub.store.one("SELECT 1 FROM labels WHERE repository_id = ? AND name = ?", repo["id"], name.strip()):
        raise invalid("Label", "name", "already_exists")
    hub.store.insert(
        "labels", repository_id=repo["id"], name=name.strip(), color=color, description=data.get("description")
    )
    return find(hub, repo, name.strip())


def _color(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:6]


def _ensure(hub: Hub, repo: Row, name: str) -> Row:
    try:
        return find(hub, repo, name)
    except ApiError:
        return create(hub, repo, {"name": name, "color": "ededed"})


def attach(hub: Hub, repo: Row, issue_id: int, names: list[str]) -> list[Row]:
    """Put labels on an issue, making those that don't exist; return those that are new on it."""
    added = []
    for name in names:
        label = _ensure(hub, repo, name)
        if hub.store.execute("INSERT OR IGNORE INTO issue_labels VALUES (?, ?)", issue_id, label["id"]):
            added.append(label)
    return added


async def add(hub: Hub, actor: Actor, repo: Row, issue: Row, names: list[str]) -> list[Row]:
    """Put labels on an issue and tell of the new ones."""
    pull = await pull_rows.load(hub, repo, issue["number"]) if issue["pull"] else None
    with hub.store.transaction():
        added = attach(hub, repo, issue["id"], names)
        _tell(hub, actor, repo, "labeled", issue, pull, added)
    return issue_rows.labels_of(hub.store, issue["id"])


async def remove(hub: Hub, actor: Actor, repo: Row, issue: Row, names: list[str]) -> list[Row]:
    """Take labels off an issue and tell of each; a label that isn't on it is not found."""
    present = {label["name"].lower(): label for label in issue_rows.labels_of(hub.store, issue["id"])}
    if any(name.lower() not in present for name in names):
        raise ApiError(404, "Label does not exist")
    gone = [present[name.lower()] for name in names]
    pull = await pull_rows.load(hub, repo, issue["number"]) if issue["pull"] else None
    with hub.store.transaction():
        for label in gone:
            hub.store.execute("DELETE FROM issue_labels WHERE issue_id = ? AND label_id = ?", issue["id"], label["id"])
        _tell(hub, actor, repo, "unlabeled", issue, pull, gone)
    return issue_rows.labels_of(hub.store, issue["id"])


async def replace(hub: Hub, actor: Actor, repo: Row, issue: Row, names: list[str]) -> list[Row]:
    """Make an issue bear exactly these labels."""
    present = {label["name"].lower(): label["name"] for label in issue_rows.labels_of(hub.store, issue["id"])}
    wanted = {name.lower() for name in names}
    await remove(hub, actor, repo, issue, [name for low, name in present.items() if low not in wanted])
    return await add(hub, actor, repo, issue, names)


def _tell(hub: Hub, actor: Actor, repo: Row, action: str, issue: Row, pull: Row | None, changed: list[Row]) -> None:
    if not changed:
        return
    hub.store.update("issues", issue["id"], updated_at=hub.store.now())
    issue_rows.note_labels(hub, actor, issue["id"], action, changed)
    fresh = issue_rows.load(hub, repo, issue["number"])
    for label in changed:
        if pull is None:
            telling.of_issue(hub, actor, repo, action, fresh, label=show(hub, repo, label))
        else:
            telling.of_pull(hub, actor, repo, action, {**pull, "issue": fresh}, label=show(hub, repo, label))
