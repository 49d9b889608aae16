"""Take an app off an account, suspend it, and choose which repositories it sees, as people do in GitHub's settings."""

from __future__ import annotations

from typing import Any

from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.permissions import at_least
from hub.services import accounts, apps
from hub.store import Row
from hub.views.accounts import user
from hub.views.apps import installation as show_installation
from hub.views.repos import repository_stub


def may_manage(hub: Hub, person: Row | None, account_id: int) -> bool:
    """Tell whether a person decides for an account: its owner, or an administrator of one of its repositories."""
    if person is None:
        return False
    repos = accounts.repositories_of(hub, account_id)
    return person["id"] == account_id or any(at_least(accounts.role(hub.store, one, person), "admin") for one in repos)


def managed(hub: Hub, person: Row | None, number: int) -> Row:
    """Fetch an installation for a person who decides for its account."""
    row = apps.get_installation(hub, number)
    if not may_manage(hub, person, row["account_id"]):
        raise not_found()
    return row


def install(hub: Hub, person: Row, app: Row, account: Row) -> Row:
    """Install an app on an account, also where it was taken off before."""
    if not may_manage(hub, person, account["id"]):
        raise not_found()
    with hub.store.transaction():
        hub.store.execute("DELETE FROM uninstalls WHERE app_id = ? AND account_id = ?", app["id"], account["id"])
        if hub.store.one("SELECT 1 FROM installations WHERE app_id = ? AND account_id = ?", app["id"], account["id"]):
            raise ApiError(422, "Validation Failed", ["The app is installed already."])
        apps.install(hub, app, account, person)
    return apps.installation_on(hub, app["id"], account["id"])


def uninstall(hub: Hub, person: Row, installation: Row) -> None:
    """Take an app off an account; its tokens are worth nothing from now on."""
    number = installation["id"]
    with hub.store.transaction():
        hub.store.execute("DELETE FROM tokens WHERE installation_id = ?", number)
        hub.store.execute("DELETE FROM installations WHERE id = ?", number)
        hub.store.execute(
            "INSERT OR IGNORE INTO uninstalls VALUES (?, ?)", installation["app_id"], installation["account_id"]
        )
        _tell(hub, person, installation, "deleted")


def suspend(hub: Hub, person: Row, installation: Row) -> None:
    """Keep an app from everything until it is let in again."""
    with hub.store.transaction():
        new = hub.store.execute(
            "INSERT OR IGNORE INTO suspensions VALUES (?, ?, ?)", installation["id"], person["id"], hub.store.now()
        )
        if new:
            _tell(hub, person, apps.get_installation(hub, installation["id"]), "suspend")


def unsuspend(hub: Hub, person: Row, installation: Row) -> None:
    """Let a suspended app in again."""
    with hub.store.transaction():
        if hub.store.execute("DELETE FROM suspensions WHERE installation_id = ?", installation["id"]):
            _tell(hub, person, apps.get_installation(hub, installation["id"]), "unsuspend")


def _tell(hub: Hub, person: Row, installation: Row, action: str) -> None:
    payload = {
        "action": action,
        "installation": show_installation(hub.urls, installation),
        "repositories": [repository_stub(repo) for repo in apps.repositories(hub, installation)],
        "requester": None,
        "sender": user(hub.urls, person),
    }
    hub.outbox.add(installation["app"], "installation", payload, installation["id"])


def withhold(hub: Hub, person: Row, installation: Row, repository_id: int) -> None:
    """Take a repository out of an app's sight."""
    repo = _of(hub, installation, repository_id)
    with hub.store.transaction():
        new = hub.store.execute("INSERT OR IGNORE INTO withheld VALUES (?, ?)", installation["id"], repo["id"])
        if new:
            _tell_repositories(hub, person, installation["id"], "removed", repo)


def give(hub: Hub, person: Row, installation: Row, repository_id: int) -> None:
    """Let an app see a repository again."""
    repo = _of(hub, installation, repository_id)
    with hub.store.transaction():
        if hub.store.execute(
            "DELETE FROM withheld WHERE installation_id = ? AND repository_id = ?", installation["id"], repo["id"]
        ):
            _tell_repositories(hub, person, installation["id"], "added", repo)


def _of(hub: Hub, installation: Row, repository_id: int) -> Row:
    repos = accounts.repositories_of(hub, installation["account_id"])
    found = next((one for one in repos if one["id"] == repository_id), None)
    if found is None:
        raise not_found()
    return found


def _tell_repositories(hub: Hub, person: Row, number: int, action: str, repo: Row) -> None:
    installation = apps.get_installation(hub, number)
    shown = show_installation(hub.urls, installation)
    changed: dict[str, Any] = {"repositories_added": [], "repositories_removed": []}
    changed[f"repositories_{action}"] = [repository_stub(repo)]
    payload = {
        "action": action,
        "installation": shown,
        "repository_selection": shown["repository_selection"],
        **changed,
        "requester": None,
        "sender": user(hub.urls, person),
    }
    hub.outbox.add(installation["app"], "installation_repositories", payload, number)
