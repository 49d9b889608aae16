"""Issues and their comments: opening, editing, closing, and telling about it."""

from __future__ import annotations

from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, integration_refused, invalid, malformed, not_found
from hub.events import emit
from hub.permissions import at_least
from hub.services import accounts, labels, pulls
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import issues as views
from hub.views.accounts import Json, user

LONGEST_BODY = 65_536


def load(hub: Hub, repo: Row, number: int) -> Row:
    """Fetch an issue (or the issue side of a pull request) with all that is shown of it."""
    row = hub.store.one("SELECT * FROM issues WHERE repository_id = ? AND number = ?", repo["id"], number)
    if row is None:
        raise not_found()
    return fill(hub, repo, row)


def fill(hub: Hub, repo: Row, row: Row) -> Row:
    """Add to an issue's row what belongs to it."""
    store = hub.store
    author = accounts.need(store, row["user_id"])
    return {
        **row,
        "repository": repo,
        "user": author,
        "association": accounts.association(store, repo, author),
        "app": accounts.app_of(store, row["app_id"]),
        "closed_by": accounts.by_id(store, row["closed_by_id"]),
        "labels": labels.of_issue(store, row["id"]),
        "assignees": store.all(
            "SELECT a.* FROM accounts a JOIN assignees s ON s.account_id = a.id WHERE s.issue_id = ?", row["id"]
        ),
        "comments": store.value("SELECT count(*) FROM comments WHERE issue_id = ?", row["id"]),
        "reactions": reaction_counts(hub, "issue", row["id"]),
        "pull": store.one("SELECT * FROM pulls WHERE issue_id = ?", row["id"]),
    }


def reaction_counts(hub: Hub, subject: str, subject_id: int) -> dict[str, int]:
    rows = hub.store.all(
        "SELECT content, count(*) AS n FROM reactions WHERE subject = ? AND subject_id = ? GROUP BY content",
        subject,
        subject_id,
    )
    return {row["content"]: row["n"] for row in rows}


def next_number(hub: Hub, repo: Row) -> int:
    """Give the next number; issues and pull requests share them."""
    return int(hub.store.value("SELECT coalesce(max(number), 0) + 1 FROM issues WHERE repository_id = ?", repo["id"]))


def insert(hub: Hub, actor: Actor, repo: Row, title: str, body: str | None) -> int:
    """Write an issue's row; return its number."""
    now, number = hub.store.now(), next_number(hub, repo)
    hub.store.insert(
        "issues",
        repository_id=repo["id"],
        number=number,
        title=title,
        body=body,
        user_id=person_of(actor)["id"],
        app_id=actor.app["id"] if actor.app else None,
        created_at=now,
        updated_at=now,
    )
    return number


async def create(hub: Hub, actor: Actor, repo: Row, data: Json) -> Row:
    """Open an issue; labels and assignees are dropped silently when the person may not set them."""
    title = checked_title(data.get("title"), "Issue")
    body = checked_body(data.get("body"), "Issue")
    names = labels.names_in(data.get("labels") or [])
    may_triage = actor.is_installation or at_least(accounts.role(hub.store, repo, actor.account), "triage")
    with hub.store.transaction():
        number = insert(hub, actor, repo, title, body)
        if may_triage:
            added = labels.attach(hub, repo, load(hub, repo, number)["id"], names)
            _assign(hub, repo, load(hub, repo, number)["id"], _wanted_assignees(data) or [])
        else:
            added = []
        issue = load(hub, repo, number)
        _tell(hub, actor, repo, "opened", issue)
        for label in added:
            _tell(hub, actor, repo, "labeled", issue, label=labels.show(hub, repo, label))
        for account in issue["assignees"]:
            _tell(hub, actor, repo, "assigned", issue, assignee=user(hub.urls, account))
    return issue


def checked_title(title: Any, resource: str) -> str:
    if title is None:
        raise malformed('"title" wasn\'t supplied.')
    text = str(title).strip()
    if not text:
        raise invalid(resource, "title", "missing_field")
    if len(text) > 256:
        raise invalid(resource, "title", "custom", "title is too long (maximum is 256 characters)")
    return text


def checked_body(body: Any, resource: str, *, needed: bool = False) -> str | None:
    """Refuse a body that GitHub couldn't hold."""
    if body is not None and not isinstance(body, str):
        raise malformed(f"For 'properties/body', {body!r} is not a string.")
    if needed and body is None:
        raise malformed('"body" wasn\'t supplied.')
    if needed and not (body or "").strip():
        raise invalid(resource, "body", "missing_field")
    if body is not None and len(body) > LONGEST_BODY:
        message = f"body is too long (maximum is {LONGEST_BODY} characters)"
        raise invalid(resource, "body", "custom", message)
    return body


def may_edit(hub: Hub, actor: Actor, repo: Row, author_id: int) -> bool:
    """Tell whether a person may edit what somebody wrote."""
    if actor.is_installation:
        return True
    account = actor.account
    mine = account is not None and account["id"] == author_id
    return mine or at_least(accounts.role(hub.store, repo, account), "write")


async def update(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Change an issue or the issue side of a pull request."""
    before = load(hub, repo, number)
    if not may_edit(hub, actor, repo, before["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    if before["pull"]:
        await pulls.update(hub, actor, repo, number, {k: data[k] for k in ("title", "body", "state") if k in data})
    else:
        with hub.store.transaction():
            _edit(hub, actor, repo, before, data)
    if data.get("labels") is not None:
        await labels.replace(hub, actor, repo, load(hub, repo, number), labels.names_in(data["labels"]))
    wanted = _wanted_assignees(data)
    if wanted is not None:
        with hub.store.transaction():
            hub.store.execute("DELETE FROM assignees WHERE issue_id = ?", before["id"])
            _assign(hub, repo, before["id"], wanted)
    return load(hub, repo, number)


def _edit(hub: Hub, actor: Actor, repo: Row, before: Row, data: Json) -> None:
    changes = edited_text(before, data, "Issue")
    if changes:
        hub.store.update("issues", before["id"], **changes, updated_at=hub.store.now())
        was = {name: {"from": before[name] or ""} for name in changes}
        _tell(hub, actor, repo, "edited", load(hub, repo, before["number"]), changes=was)
    state = data.get("state")
    if state not in {None, "open", "closed"}:
        raise invalid("Issue", "state")
    if state is not None and state != before["state"]:
        set_state(hub, actor, repo, before, state, data.get("state_reason"))


def edited_text(before: Row, data: Json, resource: str) -> dict[str, Any]:
    """Name what really changes of a title and a body."""
    wanted: dict[str, Any] = {}
    if data.get("title") is not None:
        wanted["title"] = checked_title(data["title"], resource)
    if "body" in data:
        wanted["body"] = checked_body(data["body"], resource)
    return {name: value for name, value in wanted.items() if value != before[name]}


def set_state(hub: Hub, actor: Actor, repo: Row, before: Row, state: str, reason: str | None = None) -> None:
    """Close or reopen an issue and tell about it; call it inside a transaction."""
    write_state(hub, person_of(actor), before["id"], state, reason or "completed")
    action = "closed" if state == "closed" else "reopened"
    _tell(hub, actor, repo, action, load(hub, repo, before["number"]))


def write_state(hub: Hub, person: Row, issue_id: int, state: str, reason: str | None) -> None:
    """Write a state down without telling anybody."""
    now, closing = hub.store.now(), state == "closed"
    hub.store.update(
        "issues",
        issue_id,
        state=state,
        state_reason=reason if closing else ("reopened" if reason else None),
        closed_at=now if closing else None,
        closed_by_id=person["id"] if closing else None,
        updated_at=now,
    )


def _tell(hub: Hub, actor: Actor, repo: Row, action: str, issue: Row, **more: Any) -> None:
    payload = {"action": action, "issue": views.issue(hub.urls, issue), **more}
    emit(hub, repo, person_of(actor), "issues", payload)


def tell_labels(hub: Hub, actor: Actor, repo: Row, action: str, issue: Row, label: Json) -> None:
    """Tell of a label on an issue."""
    _tell(hub, actor, repo, action, issue, label=label)


# Assignees -----------------------------------------------------------------------------------------


def _wanted_assignees(data: Json) -> list[str] | None:
    if data.get("assignees") is not None:
        return [one["login"] if isinstance(one, dict) else str(one) for one in data["assignees"]]
    return [data["assignee"]] if data.get("assignee") else None


def _assign(hub: Hub, repo: Row, issue_id: int, logins: list[str]) -> list[Row]:
    """Assign those who may be; GitHub ignores the others."""
    added = []
    for login in logins:
        account = accounts.by_login(hub.store, login)
        if account is None or not at_least(accounts.role(hub.store, repo, account), "write"):
            continue
        if hub.store.execute("INSERT OR IGNORE INTO assignees VALUES (?, ?)", issue_id, account["id"]):
            added.append(account)
    return added


async def add_assignees(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Assign people to an issue."""
    issue = load(hub, repo, number)
    with hub.store.transaction():
        added = _assign(hub, repo, issue["id"], _wanted_assignees(data) or [])
        fresh = load(hub, repo, number)
        for account in added:
            if not fresh["pull"]:
                _tell(hub, actor, repo, "assigned", fresh, assignee=user(hub.urls, account))
    return fresh


# Comments ------------------------------------------------------------------------------------------


def load_comment(hub: Hub, repo: Row, comment_id: int) -> Row:
    """Fetch a comment with all that is shown of it."""
    row = hub.store.one("SELECT * FROM comments WHERE repository_id = ? AND id = ?", repo["id"], comment_id)
    if row is None:
        raise not_found()
    return fill_comment(hub, repo, row)


def fill_comment(hub: Hub, repo: Row, row: Row) -> Row:
    """Add to a comment's row what belongs to it."""
    author = accounts.need(hub.store, row["user_id"])
    issue = hub.store.get("SELECT * FROM issues WHERE id = ?", row["issue_id"])
    return {
        **row,
        "repository": repo,
        "number": issue["number"],
        "is_pull": bool(hub.store.one("SELECT 1 FROM pulls WHERE issue_id = ?", issue["id"])),
        "user": author,
        "association": accounts.association(hub.store, repo, author),
        "app": accounts.app_of(hub.store, row["app_id"]),
        "reactions": reaction_counts(hub, "comment", row["id"]),
    }


async def comment(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Comment on an issue or a pull request."""
    issue = load(hub, repo, number)
    body = checked_body(data.get("body"), "IssueComment", needed=True)
    now = hub.store.now()
    with hub.store.transaction():
        comment_id = hub.store.insert(
            "comments",
            issue_id=issue["id"],
            repository_id=repo["id"],
            user_id=person_of(actor)["id"],
            app_id=actor.app["id"] if actor.app else None,
            body=body,
            created_at=now,
            updated_at=now,
        )
        hub.store.update("issues", issue["id"], updated_at=now)
        row = load_comment(hub, repo, comment_id)
        _tell_comment(hub, actor, repo, "created", row)
    return row


async def edit_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int, data: Json) -> Row:
    """Change what a comment says."""
    before = _own_comment(hub, actor, repo, comment_id)
    body = checked_body(data.get("body"), "IssueComment", needed=True)
    with hub.store.transaction():
        hub.store.update("comments", comment_id, body=body, updated_at=hub.store.now())
        row = load_comment(hub, repo, comment_id)
        if body != before["body"]:
            _tell_comment(hub, actor, repo, "edited", row, changes={"body": {"from": before["body"]}})
    return row


async def delete_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int) -> None:
    """Remove a comment."""
    row = _own_comment(hub, actor, repo, comment_id)
    with hub.store.transaction():
        hub.store.execute("DELETE FROM comments WHERE id = ?", comment_id)
        hub.store.execute("DELETE FROM reactions WHERE subject = 'comment' AND subject_id = ?", comment_id)
        _tell_comment(hub, actor, repo, "deleted", row)


def _own_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int) -> Row:
    row = load_comment(hub, repo, comment_id)
    if actor.is_installation and not row["is_pull"] and not actor.allows("issues", "write"):
        raise integration_refused()
    if not may_edit(hub, actor, repo, row["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    return row


def _tell_comment(hub: Hub, actor: Actor, repo: Row, action: str, row: Row, **more: Any) -> None:
    payload = {
        "action": action,
        "issue": views.issue(hub.urls, load(hub, repo, row["number"])),
        "comment": views.comment(hub.urls, row),
        **more,
    }
    emit(hub, repo, person_of(actor), "issue_comment", payload)


# Reactions -----------------------------------------------------------------------------------------


def react(hub: Hub, actor: Actor, subject: str, subject_id: int, content: Any) -> tuple[Row, bool]:
    """Add a reaction; tell whether it is new. Reactions send no webhook."""
    if content not in views.REACTIONS:
        raise invalid("Reaction", "content")
    person = person_of(actor)
    new = hub.store.execute(
        "INSERT OR IGNORE INTO reactions (subject, subject_id, user_id, content, created_at) VALUES (?, ?, ?, ?, ?)",
        subject,
        subject_id,
        person["id"],
        content,
        hub.store.now(),
    )
    row = hub.store.get(
        "SELECT * FROM reactions WHERE subject = ? AND subject_id = ? AND user_id = ? AND content = ?",
        subject,
        subject_id,
        person["id"],
        content,
    )
    return {**row, "user": person}, bool(new)


def reactions(hub: Hub, subject: str, subject_id: int, content: str | None) -> list[Row]:
    """List reactions to something."""
    rows = hub.store.all(
        "SELECT * FROM reactions WHERE subject = ? AND subject_id = ? AND content = coalesce(?, content) ORDER BY id",
        subject,
        subject_id,
        content,
    )
    return [{**row, "user": accounts.need(hub.store, row["user_id"])} for row in rows]
