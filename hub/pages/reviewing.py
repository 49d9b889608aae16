"""Reviewing on a page: threads on lines and answers in them, verdicts taken back, people asked for a review."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.errors import ApiError
from hub.pages import boxes
from hub.pages.issues import may_edit
from hub.pages.repository import address_in
from hub.pages.visit import REPO, Pages, Visit, go
from hub.services import reviews
from hub.store import Row

pages = Pages()
PULL = "/{owner}/{repo}/pull/{pull_number:\\d+}"
COMMENT = PULL + "/comments/{comment_id:\\d+}"
REVIEWS = f"{REPO}/pulls/{{pull_number}}"
REPLY = f"POST {REVIEWS}/comments/{{comment_id}}/replies"
DISMISS = f"PUT {REVIEWS}/reviews/{{review_id}}/dismissals"
ASK = f"POST {REVIEWS}/requested_reviewers"


def threads(visit: Visit, repo: Row, pull: Row) -> list[Row]:
    """Join the comments on lines with the answers to them, in the order of the first ones."""
    found: dict[int, Row] = {}
    for row in reviews.comments(visit.hub, repo, pull):
        key = row["in_reply_to_id"] or row["id"]
        thread = found.setdefault(key, {**_head(row), "rows": []})
        thread["rows"].append({**row, "may_edit": may_edit(visit, repo, row), "lines": _commented(row)})
    return list(found.values())


def _head(row: Row) -> Row:
    """Say what a thread is about."""
    now, outdated = row["now"], row["now"]["position"] is None
    line = row["line"] if outdated else now["line"]
    start = row["start_line"] if outdated else now["start_line"]
    where = "" if not line else f"lines {start} to {line}" if start else f"line {line}"
    return {
        "id": row["id"],
        "review_id": row["review_id"],
        "path": row["path"],
        "where": where,
        "outdated": outdated,
        "hunk": row["diff_hunk"],
        "place": None if outdated else (row["path"], row["side"], now["line"] or 0),
    }


def _commented(row: Row) -> tuple[str, ...]:
    """Give the lines that a comment is about, as they were then; a suggestion replaces them."""
    if row["subject_type"] != "line" or row["side"] != "RIGHT" or not row["line"]:
        return ()
    shown = [text[1:] for text in row["diff_hunk"].split("\n")[1:] if text[:1] in {"+", " "}]
    count = row["line"] - (row["start_line"] or row["line"]) + 1
    return tuple(shown[-count:])


def powers(visit: Visit) -> dict[str, Any]:
    """Tell what a person may do with reviews."""
    return {"may_reply": visit.may(REPLY), "may_dismiss": visit.may(DISMISS), "may_ask": visit.may(ASK)}


@pages.post(COMMENT + "/replies")
async def reply(visit: Visit) -> web.StreamResponse:
    made = await visit.rest(REPLY, {"body": visit.field("body")})
    return _back(visit, f"#discussion_r{made.data['id']}")


@pages.post(COMMENT + "/edit")
async def edit(visit: Visit) -> web.StreamResponse:
    return await _changed(visit, visit.field("body"))


@pages.post(COMMENT + "/tick")
async def tick(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"PATCH {REPO}/pulls/comments/{{comment_id}}")
    before = reviews.load_comment(visit.hub, repo, visit.number("comment_id"))
    return await _changed(visit, boxes.toggled(before["body"], visit.field("line"), visit.field("seen")))


async def _changed(visit: Visit, body: str) -> web.Response:
    await visit.rest(f"PATCH {REPO}/pulls/comments/{{comment_id}}", {"body": body})
    return _back(visit, f"#discussion_r{visit.number('comment_id')}")


@pages.post(COMMENT + "/delete")
async def delete(visit: Visit) -> web.StreamResponse:
    await visit.rest(f"DELETE {REPO}/pulls/comments/{{comment_id}}", {})
    return _back(visit, "")


@pages.post(PULL + "/reviews/{review_id:\\d+}/dismissals")
async def dismiss(visit: Visit) -> web.StreamResponse:
    await visit.rest(DISMISS, {"message": visit.field("message")})
    return _back(visit, f"#pullrequestreview-{visit.number('review_id')}")


@pages.post(PULL + "/reviewers")
async def ask(visit: Visit) -> web.StreamResponse:
    """Ask somebody for a review, or take that back."""
    operation = ASK if visit.field("action") != "remove" else ASK.replace("POST", "DELETE")
    login = visit.field("login").strip().removeprefix("@")
    if not login:
        raise ApiError(422, "Write the name of the person to ask.")
    await visit.rest(operation, {"reviewers": [login]})
    return _back(visit, "#reviewers")


def _back(visit: Visit, anchor: str) -> web.Response:
    section = "/files" if visit.field("on") == "files" else ""
    return go(f"{address_in(visit)}/pull/{visit.number('pull_number')}{section}{anchor}")
