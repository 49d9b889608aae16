"""Issues and their comments as rows: fetched with all that is shown of them, and written."""

from __future__ import annotations

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.services import accounts
from hub.services.accounts import person_of
from hub.store import Row, Store


def load(hub: Hub, repo: Row, number: int) -> Row:
    """Fetch an issue (or the issue side of a pull request) with all that is shown of it."""
    row = hub.store.one("SELECT * FROM issues WHERE repository_id = ? AND number = ?", repo["id"], number)
    if row is None:
        raise _gone(hub, repo, number)
    return fill(hub, repo, row)


def _gone(hub: Hub, repo: Row, number: int) -> ApiError:
    sql = "SELECT 1 FROM deleted_issues WHERE repository_id = ? AND number = ?"
    return ApiError(410, "This issue was deleted") if hub.store.one(sql, repo["id"], number) else not_found()


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
        "labels": labels_of(store, row["id"]),
        "assignees": store.all(
            "SELECT a.* FROM accounts a JOIN assignees s ON s.account_id = a.id WHERE s.issue_id = ?", row["id"]
        ),
        "comments": store.value("SELECT count(*) FROM comments WHERE issue_id = ?", row["id"]),
        "reactions": reaction_counts(hub, "issue", row["id"]),
        "pull": store.one("SELECT * FROM pulls WHERE issue_id = ?", row["id"]),
    }


def labels_of(store: Store, issue_id: int) -> list[Row]:
    return store.all(
        "SELECT l.* FROM labels l JOIN issue_labels i ON i.label_id = l.id WHERE i.issue_id = ? ORDER BY l.name",
        issue_id,
    )


def reaction_counts(hub: Hub, subject: str, subject_id: int) -> dict[str, int]:
    rows = hub.store.all(
        "SELECT content, count(*) AS n FROM reactions WHERE subject = ? AND subject_id = ? GROUP BY content",
        subject,
        subject_id,
    )
    return {row["content"]: row["n"] for row in rows}


def next_number(hub: Hub, repo: Row) -> int:
    """Give the next number; issues and pull requests share them."""
    sql = (
        "SELECT coalesce(max(number), 0) + 1 FROM (SELECT number FROM issues WHERE repository_id = ?"
        " UNION ALL SELECT number FROM deleted_issues WHERE repository_id = ?)"
    )
    return int(hub.store.value(sql, repo["id"], repo["id"]))


def erase(hub: Hub, issue: Row) -> None:
    """Remove an issue and all that belongs to it; its number stays taken."""
    store, number = hub.store, issue["id"]
    store.execute(
        "DELETE FROM reactions WHERE (subject = 'issue' AND subject_id = ?) OR (subject = 'comment' AND subject_id IN"
        " (SELECT id FROM comments WHERE issue_id = ?))",
        number,
        number,
    )
    for table in ("comments", "issue_labels", "issue_events", "assignees"):
        store.execute(f"DELETE FROM {table} WHERE issue_id = ?", number)  # noqa: S608 - names are literals
    store.execute("DELETE FROM issues WHERE id = ?", number)
    store.execute("INSERT INTO deleted_issues VALUES (?, ?)", issue["repository_id"], issue["number"])


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
    hub.store.insert(
        "issue_events",
        issue_id=issue_id,
        user_id=person["id"],
        event="closed" if closing else "reopened",
        state_reason=reason if closing else None,
        created_at=now,
    )


def note_labels(hub: Hub, actor: Actor, issue_id: int, event: str, changed: list[Row]) -> None:
    """Write down who set these labels or took them off."""
    for label in changed:
        hub.store.insert(
            "issue_events",
            issue_id=issue_id,
            user_id=person_of(actor)["id"],
            app_id=actor.app["id"] if actor.app else None,
            event=event,
            label_name=label["name"],
            label_color=label["color"],
            created_at=hub.store.now(),
        )


def events(hub: Hub, repo: Row, issue_id: int) -> list[Row]:
    """Fetch what happened to an issue, oldest first, with all that is shown of it."""
    rows = hub.store.all("SELECT * FROM issue_events WHERE issue_id = ? ORDER BY id", issue_id)
    return [
        {
            **row,
            "repository": repo,
            "actor": accounts.need(hub.store, row["user_id"]),
            "app": accounts.app_of(hub.store, row["app_id"]),
        }
        for row in rows
    ]


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
