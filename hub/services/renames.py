"""Repositories under a new name: the old one leads to them until another repository takes it.

https://docs.github.com/en/repositories/creating-and-managing-repositories/renaming-a-repository
"""

from __future__ import annotations

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError
from hub.events import emit
from hub.services import accounts
from hub.store import Row


def rename(hub: Hub, person: Row, repo: Row, name: str) -> Row:
    """Give a repository another name that is free, and tell the apps of its owner."""
    owner, old = repo["owner"]["login"], repo["name"]
    _move(hub, repo["full_name"], f"{owner}/{name}")
    with hub.store.transaction():
        hub.store.execute("DELETE FROM renames WHERE owner_id = ? AND name = ?", repo["owner_id"], name)
        hub.store.execute("INSERT INTO renames VALUES (?, ?, ?)", repo["owner_id"], old, repo["id"])
        hub.store.update("repositories", repo["id"], name=name, updated_at=hub.store.now())
        changes = {"repository": {"name": {"from": old}}}
        emit(hub, repo, person, "repository", {"action": "renamed", "changes": changes})
    return accounts.refresh(hub, repo)


def _move(hub: Hub, old: str, new: str) -> None:
    """Move the directory; a link stays for what is under way in it."""
    git, source, target = hub.git({"full_name": old}), hub.places.repository(old), hub.places.repository(new)
    if target.is_symlink():
        target.unlink()
    source.rename(target)
    source.symlink_to(target)
    hub.share(new, git)


def now_at(hub: Hub, owner: str, name: str) -> Row | None:
    """Find the repository that an owner's old name leads to."""
    number = hub.store.value(
        "SELECT n.repository_id FROM renames n JOIN accounts a ON a.id = n.owner_id WHERE a.login = ? AND n.name = ?",
        owner,
        name,
    )
    return None if number is None else accounts.repository_by_id(hub, number)


def visible(hub: Hub, repo: Row, actor: Actor) -> bool:
    """Tell whether a caller may learn where a repository is now."""
    if actor.installation is not None:
        return bool(repo["owner_id"] == actor.installation["account_id"])
    return accounts.role(hub.store, repo, actor.account) is not None


def moved(location: str, *, reading: bool) -> ApiError:
    """Send a caller on: 301 to read, 307 to write with the same method and body."""
    return ApiError(301 if reading else 307, "Moved Permanently", headers={"Location": location})
