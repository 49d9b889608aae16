"""Issues: the list, a new one, and one with its conversation."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.errors import ApiError
from hub.pages import boxes
from hub.pages.paging import paging
from hub.pages.repository import address_in, frame
from hub.pages.visit import REPO, Pages, Visit, go
from hub.services import issue_rows, labels, texts
from hub.store import Row

pages = Pages()
ISSUES = "/{owner}/{repo}/issues"
ONE = ISSUES + "/{issue_number:\\d+}"


@pages.get(ISSUES)
async def listed(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/issues")
    return list_of(visit, repo, "issues")


def list_of(visit: Visit, repo: Row, kind: str) -> web.Response:
    """Show the issues or the pull requests of a repository, open or closed, with a label or any."""
    state = "closed" if visit.request.query.get("state") == "closed" else "open"
    label = visit.request.query.get("label") or None
    where = (
        "FROM issues WHERE repository_id = ? AND (id IN (SELECT issue_id FROM pulls)) = ? AND (? IS NULL OR id IN"
        " (SELECT i.issue_id FROM issue_labels i JOIN labels l ON l.id = i.label_id WHERE l.name = ?))"
    )
    wanted = (repo["id"], int(kind == "pulls"), label, label)
    store = visit.hub.store
    counted = store.all(f"SELECT state, count(*) AS n {where} GROUP BY state", *wanted)
    counts = {"open": 0, "closed": 0, **{row["state"]: row["n"] for row in counted}}
    cut = paging(visit.request, counts[state])
    sql = f"SELECT * {where} AND state = ? ORDER BY number DESC LIMIT ? OFFSET ?"
    rows = [issue_rows.fill(visit.hub, repo, row) for row in store.all(sql, *wanted, state, cut.size, cut.start)]
    chosen: dict[str, Any] = {"state": state, "label": label, "kind": kind}
    return visit.page("issues.html", **frame(visit, repo, kind), **chosen, rows=rows, counts=counts, paging=cut)


@pages.get(ISSUES + "/new")
async def new(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"POST {REPO}/issues")
    return _new_form(visit, repo)


def _new_form(visit: Visit, repo: Row) -> web.Response:
    known = visit.hub.store.all("SELECT * FROM labels WHERE repository_id = ? ORDER BY name", repo["id"])
    may_label = visit.may(f"POST {REPO}/issues/{{issue_number}}/labels")
    return visit.page("issue_new.html", **frame(visit, repo, "issues"), labels=known if may_label else [])


@pages.post(ISSUES)
async def create(visit: Visit) -> web.StreamResponse:
    names = [name for name in visit.form.getall("labels", []) if name.strip()]
    data = {"title": visit.field("title"), "body": visit.field("body"), "labels": names}
    reply = await visit.rest(f"POST {REPO}/issues", data)
    return go(f"{address_in(visit)}/issues/{reply.data['number']}")


@pages.get(ONE)
async def one(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/issues/{{issue_number}}")
    issue = issue_rows.load(visit.hub, repo, visit.number("issue_number"))
    if issue["pull"]:
        return go(f"{address_in(visit)}/pull/{issue['number']}")
    values = {"issue": issue, "comments": comments_of(visit, repo, issue), **powers(visit, repo, issue)}
    return visit.page("issue.html", **frame(visit, repo, "issues"), **values, may_delete=visit.may(DELETE))


DELETE = f"DELETE {REPO}/issues/{{issue_number}}"


@pages.post(ONE + "/delete")
async def delete(visit: Visit) -> web.StreamResponse:
    await visit.rest(DELETE, {})
    return go(f"{address_in(visit)}/issues")


def comments_of(visit: Visit, repo: Row, issue: Row) -> list[Row]:
    rows = visit.hub.store.all("SELECT * FROM comments WHERE issue_id = ? ORDER BY id", issue["id"])
    filled = (issue_rows.fill_comment(visit.hub, repo, row) for row in rows)
    return [{**row, "may_edit": may_edit(visit, repo, row)} for row in filled]


def may_edit(visit: Visit, repo: Row, row: Row) -> bool:
    """Tell whether a person may change what somebody wrote."""
    return visit.account is not None and texts.may_edit(visit.hub, visit.actor, repo, row["user_id"])


def powers(visit: Visit, repo: Row, issue: Row) -> dict[str, Any]:
    """Tell what a person may do with an issue or pull request, and the labels that could be added."""
    on = {label["name"] for label in issue["labels"]}
    known = visit.hub.store.all("SELECT * FROM labels WHERE repository_id = ? ORDER BY name", repo["id"])
    return {
        "may_comment": visit.may(f"POST {REPO}/issues/{{issue_number}}/comments"),
        "may_label": visit.may(f"POST {REPO}/issues/{{issue_number}}/labels"),
        "may_close": may_edit(visit, repo, issue),
        "other_labels": [label for label in known if label["name"] not in on],
    }


# What a person does with an issue, or with the issue side of a pull request --------------------------


@pages.post(ONE + "/comments")
async def comment(visit: Visit) -> web.StreamResponse:
    """Write a comment, change the state, or both; an empty comment with a new state is no comment."""
    state, _, reason = visit.field("state").partition(":")
    body = visit.field("body")
    anchor = ""
    if body.strip() or not state:
        reply = await visit.rest(f"POST {REPO}/issues/{{issue_number}}/comments", {"body": body})
        anchor = f"#issuecomment-{reply.data['id']}"
    if state:
        data = {"state": state, **({"state_reason": reason} if reason else {})}
        await visit.rest(f"PATCH {REPO}/issues/{{issue_number}}", data)
    return _back(visit, anchor)


@pages.post(ONE + "/labels")
async def add_label(visit: Visit) -> web.StreamResponse:
    name = visit.field("new").strip() or visit.field("label")
    if not name:
        raise ApiError(422, "Choose a label, or write the name of a new one.")
    await visit.rest(f"POST {REPO}/issues/{{issue_number}}/labels", {"labels": [name]})
    return _back(visit, "#labels")


@pages.post(ONE + "/labels/remove")
async def remove_label(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"DELETE {REPO}/issues/{{issue_number}}/labels/{{name}}")
    issue = issue_rows.load(visit.hub, repo, visit.number("issue_number"))
    await labels.remove(visit.hub, visit.actor, repo, issue, [visit.field("label")])
    return _back(visit, "#labels")


@pages.post(ONE + "/edit")
async def edit(visit: Visit) -> web.StreamResponse:
    """Change the title or the text, whichever the form has."""
    data = {name: visit.field(name) for name in ("title", "body") if name in visit.form}
    await visit.rest(f"PATCH {REPO}/issues/{{issue_number}}", data)
    return _back(visit, "")


@pages.post(ONE + "/tick")
async def tick(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"PATCH {REPO}/issues/{{issue_number}}")
    body = issue_rows.load(visit.hub, repo, visit.number("issue_number"))["body"] or ""
    await visit.rest(f"PATCH {REPO}/issues/{{issue_number}}", {"body": _toggled(visit, body)})
    return _back(visit, "")


def _toggled(visit: Visit, body: str) -> str:
    return boxes.toggled(body, visit.field("line"), visit.field("seen"))


COMMENT = ISSUES + "/comments/{comment_id:\\d+}"


@pages.post(COMMENT + "/edit")
async def edit_comment(visit: Visit) -> web.StreamResponse:
    return await _changed(visit, visit.field("body"))


@pages.post(COMMENT + "/tick")
async def tick_comment(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"PATCH {REPO}/issues/comments/{{comment_id}}")
    before = issue_rows.load_comment(visit.hub, repo, visit.number("comment_id"))
    return await _changed(visit, _toggled(visit, before["body"]))


async def _changed(visit: Visit, body: str) -> web.Response:
    reply = await visit.rest(f"PATCH {REPO}/issues/comments/{{comment_id}}", {"body": body})
    return go(_of_conversation(visit, reply.data["issue_url"]) + f"#issuecomment-{reply.data['id']}")


@pages.post(COMMENT + "/delete")
async def delete_comment(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"DELETE {REPO}/issues/comments/{{comment_id}}")
    before = issue_rows.load_comment(visit.hub, repo, visit.number("comment_id"))
    await visit.rest(f"DELETE {REPO}/issues/comments/{{comment_id}}", {})
    return go(_of_conversation(visit, str(before["number"])))


def _of_conversation(visit: Visit, issue: str) -> str:
    """Give the page of the issue whose number ends an address; that of a pull request is found from there."""
    return f"{address_in(visit)}/issues/{issue.rpartition('/')[2]}"


def _back(visit: Visit, anchor: str) -> web.Response:
    return go(f"{address_in(visit)}/issues/{visit.number('issue_number')}{anchor}")
