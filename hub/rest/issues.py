"""REST for issues, their comments and reactions."""

from __future__ import annotations

from hub.errors import ApiError
from hub.rest.call import Call, Reply, Routes
from hub.services import issue_rows, issues
from hub.store import Row
from hub.views import issues as views

routes = Routes()
ISSUES = "/repos/{owner}/{repo}/issues"


def found(call: Call) -> Row:
    """Fetch the issue that a path names, for a caller that may see it or change it."""
    row = issue_rows.load(call.hub, call.repo, call.number("issue_number"))
    call.need_issue_access(is_pull=bool(row["pull"]))
    return row


@routes.add(f"GET {ISSUES}")
async def list_issues(call: Call) -> Reply:
    """List issues and pull requests, as GitHub does."""
    rows, links = call.page(_selected(call))
    shown = [views.issue(call.urls, issue_rows.fill(call.hub, call.repo, row)) for row in rows]
    return Reply(shown, headers=links)


def _selected(call: Call) -> list[Row]:
    state = call.query("state") or "open"
    if state not in {"open", "closed", "all"}:
        raise ApiError(422, "Validation Failed", [{"resource": "Issue", "field": "state", "code": "invalid"}])
    sql, parameters = "SELECT * FROM issues WHERE repository_id = ?", [call.repo["id"]]
    if state != "all":
        sql, parameters = f"{sql} AND state = ?", [*parameters, state]
    if call.query("since"):
        sql, parameters = f"{sql} AND updated_at >= ?", [*parameters, call.query("since")]
    for name, column in (("creator", "user_id"), ("assignee", "id")):
        login = call.query(name)
        if login and login != "*":
            inner = "SELECT id FROM accounts WHERE login = ?"
            if name == "assignee":
                inner = "SELECT issue_id FROM assignees WHERE account_id IN (SELECT id FROM accounts WHERE login = ?)"
            sql, parameters = f"{sql} AND {column} IN ({inner})", [*parameters, login]
    for label in filter(None, (call.query("labels") or "").split(",")):
        sql += " AND id IN (SELECT i.issue_id FROM issue_labels i JOIN labels l ON l.id = i.label_id WHERE l.name = ?)"
        parameters.append(label.strip())
    columns = {"updated": "updated_at", "comments": "(SELECT count(*) FROM comments c WHERE c.issue_id = issues.id)"}
    order = columns.get(call.query("sort") or "", "created_at")
    direction = "ASC" if call.query("direction") == "asc" else "DESC"
    return call.hub.store.all(f"{sql} ORDER BY {order} {direction}, number {direction}", *parameters)


@routes.add(f"POST {ISSUES}")
async def create_issue(call: Call) -> Reply:
    row = await issues.create(call.hub, call.actor, call.repo, call.data)
    return Reply(views.issue_in_full(call.urls, row), 201, _location(call, row))


def _location(call: Call, row: Row) -> dict[str, str]:
    return {"Location": call.urls.repo(call.full_name, "issues", row["number"])}


@routes.add(f"GET {ISSUES}/comments/{{comment_id}}")
async def get_comment(call: Call) -> Reply:
    row = issue_rows.load_comment(call.hub, call.repo, call.number("comment_id"))
    return Reply(views.comment(call.urls, row))


@routes.add(f"PATCH {ISSUES}/comments/{{comment_id}}")
async def edit_comment(call: Call) -> Reply:
    row = await issues.edit_comment(call.hub, call.actor, call.repo, call.number("comment_id"), call.data)
    return Reply(views.comment(call.urls, row))


@routes.add(f"DELETE {ISSUES}/comments/{{comment_id}}")
async def delete_comment(call: Call) -> Reply:
    await issues.delete_comment(call.hub, call.actor, call.repo, call.number("comment_id"))
    return Reply(status=204)


@routes.add(f"GET {ISSUES}/{{issue_number}}")
async def get_issue(call: Call) -> Reply:
    return Reply(views.issue_in_full(call.urls, found(call)))


@routes.add(f"PATCH {ISSUES}/{{issue_number}}")
async def update_issue(call: Call) -> Reply:
    row = found(call)
    row = await issues.update(call.hub, call.actor, call.repo, row["number"], call.data)
    return Reply(views.issue_in_full(call.urls, row))


@routes.add(f"DELETE {ISSUES}/{{issue_number}}")
async def delete_issue(call: Call) -> Reply:
    """Remove an issue; GitHub has this on its pages only."""
    issues.delete(call.hub, call.actor, call.repo, call.number("issue_number"))
    return Reply(status=204)


@routes.add(f"GET {ISSUES}/{{issue_number}}/comments")
async def list_comments(call: Call) -> Reply:
    rows = call.hub.store.all(
        "SELECT * FROM comments WHERE issue_id = ? AND updated_at >= ? ORDER BY id",
        found(call)["id"],
        call.query("since") or "",
    )
    page, links = call.page(rows)
    shown = [views.comment(call.urls, issue_rows.fill_comment(call.hub, call.repo, row)) for row in page]
    return Reply(shown, headers=links)


@routes.add(f"POST {ISSUES}/{{issue_number}}/comments")
async def create_comment(call: Call) -> Reply:
    row = await issues.comment(call.hub, call.actor, call.repo, found(call)["number"], call.data)
    shown = views.comment(call.urls, row)
    return Reply(shown, 201, {"Location": shown["url"]})


@routes.add(f"GET {ISSUES}/{{issue_number}}/events")
async def list_events(call: Call) -> Reply:
    page, links = call.page(issue_rows.events(call.hub, call.repo, found(call)["id"]))
    return Reply([views.event(call.urls, row) for row in page], headers=links)


@routes.add(f"POST {ISSUES}/{{issue_number}}/assignees")
async def add_assignees(call: Call) -> Reply:
    row = await issues.add_assignees(call.hub, call.actor, call.repo, found(call)["number"], call.data)
    return Reply(views.issue(call.urls, row), 201)


# Reactions -----------------------------------------------------------------------------------------


@routes.add(f"GET {ISSUES}/{{issue_number}}/reactions")
async def list_issue_reactions(call: Call) -> Reply:
    return _reactions(call, "issue", found(call)["id"])


@routes.add(f"POST {ISSUES}/{{issue_number}}/reactions")
async def react_to_issue(call: Call) -> Reply:
    return _react(call, "issue", found(call)["id"])


@routes.add(f"GET {ISSUES}/comments/{{comment_id}}/reactions")
async def list_comment_reactions(call: Call) -> Reply:
    return _reactions(call, "comment", issue_rows.load_comment(call.hub, call.repo, call.number("comment_id"))["id"])


@routes.add(f"POST {ISSUES}/comments/{{comment_id}}/reactions")
async def react_to_comment(call: Call) -> Reply:
    return _react(call, "comment", issue_rows.load_comment(call.hub, call.repo, call.number("comment_id"))["id"])


def _reactions(call: Call, subject: str, subject_id: int) -> Reply:
    rows, links = call.page(issues.reactions(call.hub, subject, subject_id, call.query("content")))
    return Reply([views.reaction(call.urls, row) for row in rows], headers=links)


def _react(call: Call, subject: str, subject_id: int) -> Reply:
    row, new = issues.react(call.hub, call.actor, subject, subject_id, call.data.get("content"))
    return Reply(views.reaction(call.urls, row), 201 if new else 200)
