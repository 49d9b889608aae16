"""Issues and their comments: opening, editing, closing, and telling about it."""

from __future__ import annotations

from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, integration_refused, invalid
from hub.permissions import at_least
from hub.services import accounts, issue_rows, labels, pulls, telling, texts
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import issues as views
from hub.views.accounts import Json, user


async def create(hub: Hub, actor: Actor, repo: Row, data: Json) -> Row:
    """Open an issue; labels and assignees are dropped silently when the person may not set them."""
    title = texts.checked_title(data.get("title"), "Issue")
    body = texts.checked_body(data.get("body"), "Issue")
    names = labels.names_in(data.get("labels") or [])
    may_triage = actor.is_installation or at_least(accounts.role(hub.store, repo, actor.account), "triage")
    with hub.store.transaction():
        number = issue_rows.insert(hub, actor, repo, title, body)
        if may_triage:
            added = labels.attach(hub, repo, issue_rows.load(hub, repo, number)["id"], names)
            issue_rows.note_labels(hub, actor, issue_rows.load(hub, repo, number)["id"], "labeled", added)
            _assign(hub, repo, issue_rows.load(hub, repo, number)["id"], _wanted_assignees(data) or [])
        else:
            added = []
        issue = issue_rows.load(hub, repo, number)
        telling.of_issue(hub, actor, repo, "opened", issue)
        for label in added:
            telling.of_issue(hub, actor, repo, "labeled", issue, label=labels.show(hub, repo, label))
        for account in issue["assignees"]:
            telling.of_issue(hub, actor, repo, "assigned", issue, assignee=user(hub.urls, account))
    return issue


async def update(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Change an issue or the issue side of a pull request."""
    before = issue_rows.load(hub, repo, number)
    if not texts.may_edit(hub, actor, repo, before["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    if before["pull"]:
        await pulls.update(hub, actor, repo, number, {k: data[k] for k in ("title", "body", "state") if k in data})
    else:
        with hub.store.transaction():
            _edit(hub, actor, repo, before, data)
    if data.get("labels") is not None:
        await labels.replace(hub, actor, repo, issue_rows.load(hub, repo, number), labels.names_in(data["labels"]))
    wanted = _wanted_assignees(data)
    if wanted is not None:
        with hub.store.transaction():
            hub.store.execute("DELETE FROM assignees WHERE issue_id = ?", before["id"])
            _assign(hub, repo, before["id"], wanted)
    return issue_rows.load(hub, repo, number)


def _edit(hub: Hub, actor: Actor, repo: Row, before: Row, data: Json) -> None:
    changes = texts.edited_text(before, data, "Issue")
    if changes:
        hub.store.update("issues", before["id"], **changes, updated_at=hub.store.now())
        was = {name: {"from": before[name] or ""} for name in changes}
        telling.of_issue(hub, actor, repo, "edited", issue_rows.load(hub, repo, before["number"]), changes=was)
    state = data.get("state")
    if state not in {None, "open", "closed"}:
        raise invalid("Issue", "state")
    if state is not None and state != before["state"]:
        set_state(hub, actor, repo, before, state, data.get("state_reason"))


def set_state(hub: Hub, actor: Actor, repo: Row, before: Row, state: str, reason: str | None = None) -> None:
    """Close or reopen an issue and tell about it; call it inside a transaction."""
    issue_rows.write_state(hub, person_of(actor), before["id"], state, reason or "completed")
    action = "closed" if state == "closed" else "reopened"
    telling.of_issue(hub, actor, repo, action, issue_rows.load(hub, repo, before["number"]))


def delete(hub: Hub, actor: Actor, repo: Row, number: int) -> None:
    """Remove an issue for good; a pull request can only be closed."""
    issue = issue_rows.load(hub, repo, number)
    if issue["pull"]:
        raise ApiError(422, "Validation Failed", ["A pull request can't be deleted."])
    with hub.store.transaction():
        telling.of_issue(hub, actor, repo, "deleted", issue)
        issue_rows.erase(hub, issue)


# Assignees -----------------------------------------------------------------------------------------


def _wanted_assignees(data: Json) -> list[str] | None:
    if data.get("assignees") is not None:
        return [str(one.get("login") if isinstance(one, dict) else one) for one in data["assignees"]]
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
    issue = issue_rows.load(hub, repo, number)
    with hub.store.transaction():
        added = _assign(hub, repo, issue["id"], _wanted_assignees(data) or [])
        fresh = issue_rows.load(hub, repo, number)
        for account in added:
            if not fresh["pull"]:
                telling.of_issue(hub, actor, repo, "assigned", fresh, assignee=user(hub.urls, account))
    return fresh


# Comments ------------------------------------------------------------------------------------------


async def comment(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Comment on an issue or a pull request."""
    issue = issue_rows.load(hub, repo, number)
    body = texts.checked_body(data.get("body"), "IssueComment", needed=True)
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
        row = issue_rows.load_comment(hub, repo, comment_id)
        telling.of_comment(hub, actor, repo, "created", row)
    return row


async def edit_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int, data: Json) -> Row:
    """Change what a comment says."""
    before = _own_comment(hub, actor, repo, comment_id)
    body = texts.checked_body(data.get("body"), "IssueComment", needed=True)
    with hub.store.transaction():
        hub.store.update("comments", comment_id, body=body, updated_at=hub.store.now())
        row = issue_rows.load_comment(hub, repo, comment_id)
        if body != before["body"]:
            telling.of_comment(hub, actor, repo, "edited", row, changes={"body": {"from": before["body"]}})
    return row


async def delete_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int) -> None:
    """Remove a comment."""
    row = _own_comment(hub, actor, repo, comment_id)
    with hub.store.transaction():
        hub.store.execute("DELETE FROM comments WHERE id = ?", comment_id)
        hub.store.execute("DELETE FROM reactions WHERE subject = 'comment' AND subject_id = ?", comment_id)
        telling.of_comment(hub, actor, repo, "deleted", row)


def _own_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int) -> Row:
    row = issue_rows.load_comment(hub, repo, comment_id)
    if actor.is_installation and not row["is_pull"] and not actor.allows("issues", "write"):
        raise integration_refused()
    if not texts.may_edit(hub, actor, repo, row["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    return row


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
