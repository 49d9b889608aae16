"""Accounts, repositories and the roles between them."""

from __future__ import annotations

import re

from hub.auth import Actor
from hub.context import Hub
from hub.errors import not_found
from hub.store import Row, Store

NOREPLY = re.compile(r"(?:\d+\+)?(?P<login>[^@]+)@users\.noreply\.")


def by_id(store: Store, account_id: int | None) -> Row | None:
    return None if account_id is None else store.one("SELECT * FROM accounts WHERE id = ?", account_id)


def need(store: Store, account_id: int) -> Row:
    """Fetch an account that something refers to."""
    return store.get("SELECT * FROM accounts WHERE id = ?", account_id)


def by_login(store: Store, login: str) -> Row | None:
    return store.one("SELECT * FROM accounts WHERE login = ?", login)


def by_email(store: Store, email: str) -> Row | None:
    """Find who is behind an address in a commit."""
    hidden = NOREPLY.match(email)
    if hidden:
        return by_login(store, hidden["login"])
    return store.one("SELECT * FROM accounts WHERE email = ?", email)


def ensure(store: Store, login: str, kind: str) -> Row:
    """Fetch an account, making it when it isn't there."""
    known = by_login(store, login)
    if known is not None:
        return known
    email = None if kind == "Organization" else f"{login}@users.noreply.github.com"
    store.insert("accounts", login=login, type=kind, name=login, email=email, created_at=store.now())
    return store.get("SELECT * FROM accounts WHERE login = ?", login)


def find_repository(hub: Hub, owner: str, name: str) -> Row | None:
    """Find a repository by its two names, with its owner and what git knows of it."""
    row = hub.store.one(
        "SELECT r.* FROM repositories r JOIN accounts a ON a.id = r.owner_id WHERE a.login = ? AND r.name = ?",
        owner,
        name,
    )
    return None if row is None else _filled(hub, row)


def repository_by_id(hub: Hub, repository_id: int) -> Row:
    return _filled(hub, hub.store.get("SELECT * FROM repositories WHERE id = ?", repository_id))


def refresh(hub: Hub, repo: Row) -> Row:
    """Read a repository's row again, inside a transaction that changed it."""
    return repository_by_id(hub, repo["id"])


def _filled(hub: Hub, row: Row) -> Row:
    owner = need(hub.store, row["owner_id"])
    full_name = f"{owner['login']}/{row['name']}"
    count = hub.store.value("SELECT count(*) FROM issues WHERE repository_id = ? AND state = 'open'", row["id"])
    filled: Row = {**row, "owner": owner, "full_name": full_name, "open_issues": count}
    filled["default_branch"] = hub.git(filled).default_branch()
    return filled


def repositories_of(hub: Hub, owner_id: int) -> list[Row]:
    rows = hub.store.all("SELECT * FROM repositories WHERE owner_id = ? ORDER BY id", owner_id)
    return [_filled(hub, row) for row in rows]


def role(store: Store, repo: Row, account: Row | None) -> str | None:
    """Tell what an account may do with a repository; None is nothing at all."""
    if account is not None and account["id"] == repo["owner_id"]:
        return "admin"
    given: str | None = None
    if account is not None:
        given = store.value(
            "SELECT role FROM collaborators WHERE repository_id = ? AND account_id = ?", repo["id"], account["id"]
        )
    return given or (None if repo["private"] else "read")


def admin_of(store: Store, repo: Row) -> Row:
    """Fetch a person who may do everything with a repository, or else its owner."""
    sql = "SELECT account_id FROM collaborators WHERE repository_id = ? AND role = 'admin' ORDER BY account_id"
    return need(store, store.value(sql, repo["id"]) or repo["owner_id"])


def association(store: Store, repo: Row, account: Row) -> str:
    """Tell how an account relates to a repository, in GitHub's words."""
    if account["id"] == repo["owner_id"]:
        return "OWNER"
    given = store.value(
        "SELECT role FROM collaborators WHERE repository_id = ? AND account_id = ?", repo["id"], account["id"]
    )
    if given is None:
        return "NONE"
    return "MEMBER" if repo["owner"]["type"] == "Organization" else "COLLABORATOR"


def person_of(actor: Actor) -> Row:
    """Name the account that an actor's changes are written down to."""
    if actor.account is None:
        raise not_found()
    return actor.account


def app_of(store: Store, app_id: int | None) -> Row | None:
    """Fetch an app with its owner."""
    if app_id is None:
        return None
    row = store.get("SELECT * FROM apps WHERE id = ?", app_id)
    return {**row, "owner": need(store, row["owner_id"])}


def need_app(store: Store, app_id: int) -> Row:
    app = app_of(store, app_id)
    if app is None:
        raise LookupError(app_id)
    return app
