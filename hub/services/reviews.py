"""Reviews of pull requests and comments on their lines."""

from __future__ import annotations

from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.diffs import Change, position_in
from hub.errors import ApiError, custom, invalid, malformed, not_found
from hub.events import emit
from hub.services import accounts, issue_rows, pull_rows, texts
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import pulls as views
from hub.views.accounts import Json

STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED", None: "PENDING"}


def listed(hub: Hub, repo: Row, pull: Row) -> list[Row]:
    rows = hub.store.all("SELECT * FROM reviews WHERE issue_id = ? ORDER BY id", pull["issue_id"])
    return [_fill(hub, repo, pull, row) for row in rows]


def find(hub: Hub, repo: Row, pull: Row, review_id: int) -> Row:
    row = hub.store.one("SELECT * FROM reviews WHERE issue_id = ? AND id = ?", pull["issue_id"], review_id)
    if row is None:
        raise not_found()
    return _fill(hub, repo, pull, row)


def _fill(hub: Hub, repo: Row, pull: Row, row: Row) -> Row:
    author = accounts.need(hub.store, row["user_id"])
    return {
        **row,
        "user": author,
        "association": accounts.association(hub.store, repo, author),
        "full_name": repo["full_name"],
        "number": pull["number"],
    }


async def create(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Review a pull request: a verdict, a text, and comments on lines."""
    pull = await pull_rows.load(hub, repo, number)
    event = data.get("event")
    if event not in STATES:
        raise invalid("PullRequestReview", "event")
    person = person_of(actor)
    if event in {"APPROVE", "REQUEST_CHANGES"} and person["id"] == pull["issue"]["user_id"]:
        what = "approve" if event == "APPROVE" else "request changes on"
        raise ApiError(422, "Unprocessable Entity", [f"Can not {what} your own pull request"])
    body = texts.checked_body(data.get("body"), "PullRequestReview") or ""
    comments = data.get("comments") or []
    if event in {"REQUEST_CHANGES", "COMMENT"} and not body and not comments:
        raise ApiError(422, "Unprocessable Entity", ["Body can't be blank"])
    sha = data.get("commit_id") or pull["head_sha"]
    places = [await _place(hub, repo, pull, sha, one) for one in comments]
    with hub.store.transaction():
        review_id = _insert_review(hub, pull, person, STATES[event], body, sha)
        made = [_insert_comment(hub, pull, person, review_id, place) for place in places]
        hub.store.update("issues", pull["issue"]["id"], updated_at=hub.store.now())
        review = find(hub, repo, pull, review_id)
        if event is not None:
            hub.store.execute(
                "DELETE FROM review_requests WHERE issue_id = ? AND account_id = ?", pull["issue_id"], person["id"]
            )
            _tell(hub, actor, repo, pull, review, [load_comment(hub, repo, one) for one in made])
    return review


def _insert_review(hub: Hub, pull: Row, person: Row, state: str, body: str, sha: str) -> int:
    return hub.store.insert(
        "reviews",
        issue_id=pull["issue_id"],
        user_id=person["id"],
        state=state,
        body=body,
        commit_sha=sha,
        submitted_at=None if state == "PENDING" else hub.store.now(),
    )


async def _place(hub: Hub, repo: Row, pull: Row, sha: str, data: Json) -> Row:
    """Find the place in the diff that a comment is about."""
    body = texts.checked_body(data.get("body"), "PullRequestReviewComment", needed=True)
    git = hub.git(repo)
    base = pull_rows.tip_of_base(git, pull)
    if await git.kind(sha) != "commit":
        raise invalid("PullRequestReviewComment", "commit_id")
    start = await git.merge_base(base, sha) or base
    change = next((one for one in await git.changes(start, sha) if one.path == data.get("path")), None)
    if change is None:
        raise invalid("PullRequestReviewComment", "path")
    place = {"path": change.path, "commit_sha": sha, "body": body, "start_side": None, "start_line": None}
    if data.get("subject_type") == "file":
        return {**place, "subject_type": "file", "side": "RIGHT", "line": None, "position": 1, "diff_hunk": ""}
    return {**place, "subject_type": "line", **_line(change, data)}


def _line(change: Change, data: Json) -> Row:
    side = data.get("side") or "RIGHT"
    patch = change.patch or ""
    if data.get("line") is not None:
        found = position_in(patch, int(data["line"]), side)
        if found is None:
            raise custom("PullRequestReviewComment", "pull_request_review_thread.line must be part of the diff")
        position, hunk = found
        line = int(data["line"])
    elif data.get("position") is not None:
        position, line = int(data["position"]), 1
        hunk = "\n".join(patch.split("\n")[: position + 1])
    else:
        raise malformed('"line" wasn\'t supplied.')
    place: dict[str, Any] = {"side": side, "line": line, "position": position, "diff_hunk": hunk}
    if data.get("start_line") is not None:
        place |= {"start_line": int(data["start_line"]), "start_side": data.get("start_side") or side}
    return place


def _insert_comment(hub: Hub, pull: Row, person: Row, review_id: int, place: Row) -> int:
    now = hub.store.now()
    return hub.store.insert(
        "review_comments",
        issue_id=pull["issue_id"],
        repository_id=pull["repository_id"],
        review_id=review_id,
        user_id=person["id"],
        created_at=now,
        updated_at=now,
        **place,
    )


def _tell(hub: Hub, actor: Actor, repo: Row, pull: Row, review: Row, comments: list[Row]) -> None:
    sender, shown = person_of(actor), _pull_in_webhook(hub, pull)
    submitted = {**views.review(hub.urls, review), "state": review["state"].lower()}
    payload = {"action": "submitted", "review": submitted, "pull_request": shown}
    emit(hub, repo, sender, "pull_request_review", payload)
    for row in comments:
        payload = {"action": "created", "comment": views.review_comment(hub.urls, row), "pull_request": shown}
        emit(hub, repo, sender, "pull_request_review_comment", payload)


def _pull_in_webhook(hub: Hub, pull: Row) -> Json:
    return views.pull_simple(hub.urls, pull)


# Comments on lines ---------------------------------------------------------------------------------


def comments(hub: Hub, repo: Row, pull: Row, review_id: int | None = None) -> list[Row]:
    """List the line comments of a pull request, or of one review of it."""
    rows = hub.store.all(
        "SELECT * FROM review_comments WHERE issue_id = ? AND review_id = coalesce(?, review_id) ORDER BY id",
        pull["issue_id"],
        review_id,
    )
    return [_fill_comment(hub, repo, row) for row in rows]


def load_comment(hub: Hub, repo: Row, comment_id: int) -> Row:
    row = hub.store.one("SELECT * FROM review_comments WHERE repository_id = ? AND id = ?", repo["id"], comment_id)
    if row is None:
        raise not_found()
    return _fill_comment(hub, repo, row)


def _fill_comment(hub: Hub, repo: Row, row: Row) -> Row:
    author = accounts.need(hub.store, row["user_id"])
    return {
        **row,
        "user": author,
        "association": accounts.association(hub.store, repo, author),
        "full_name": repo["full_name"],
        "number": hub.store.value("SELECT number FROM issues WHERE id = ?", row["issue_id"]),
        "reactions": issue_rows.reaction_counts(hub, "review_comment", row["id"]),
    }


async def comment(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Comment on one line or file of a pull request, or answer such a comment."""
    if data.get("in_reply_to"):
        return await reply(hub, actor, repo, number, int(data["in_reply_to"]), data)
    pull = await pull_rows.load(hub, repo, number)
    for field in ("body", "commit_id", "path"):
        if not data.get(field):
            raise malformed(f'"{field}" wasn\'t supplied.')
    place = await _place(hub, repo, pull, data["commit_id"], data)
    return _add_single(hub, actor, repo, pull, place)


async def reply(hub: Hub, actor: Actor, repo: Row, number: int, comment_id: int, data: Json) -> Row:
    """Answer a comment on a line."""
    pull = await pull_rows.load(hub, repo, number)
    first = load_comment(hub, repo, comment_id)
    if first["issue_id"] != pull["issue_id"]:
        raise not_found()
    body = texts.checked_body(data.get("body"), "PullRequestReviewComment", needed=True)
    kept = ("path", "commit_sha", "start_side", "start_line", "subject_type", "side", "line", "position", "diff_hunk")
    place = {name: first[name] for name in kept}
    place |= {"body": body, "in_reply_to_id": first["in_reply_to_id"] or first["id"]}
    return _add_single(hub, actor, repo, pull, place)


def _add_single(hub: Hub, actor: Actor, repo: Row, pull: Row, place: Row) -> Row:
    """Write a comment that stands in a review of its own, as GitHub does."""
    person = person_of(actor)
    with hub.store.transaction():
        review_id = _insert_review(hub, pull, person, "COMMENTED", "", place["commit_sha"])
        row = load_comment(hub, repo, _insert_comment(hub, pull, person, review_id, place))
        _tell(hub, actor, repo, pull, find(hub, repo, pull, review_id), [row])
    return row


async def edit_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int, data: Json) -> Row:
    """Change what a comment on a line says."""
    before = load_comment(hub, repo, comment_id)
    if not texts.may_edit(hub, actor, repo, before["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    body = texts.checked_body(data.get("body"), "PullRequestReviewComment", needed=True)
    pull = await pull_rows.load(hub, repo, before["number"])
    with hub.store.transaction():
        hub.store.update("review_comments", comment_id, body=body, updated_at=hub.store.now())
        row = load_comment(hub, repo, comment_id)
        payload = {
            "action": "edited",
            "comment": views.review_comment(hub.urls, row),
            "pull_request": _pull_in_webhook(hub, pull),
            "changes": {"body": {"from": before["body"]}},
        }
        emit(hub, repo, person_of(actor), "pull_request_review_comment", payload)
    return row
