"""Reviews of pull requests and comments on their lines."""

from __future__ import annotations

from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, invalid, malformed, not_found
from hub.events import emit
from hub.services import accounts, issue_rows, places, pull_rows, texts
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import pulls as views
from hub.views.accounts import Json

VERDICTS = ("APPROVED", "CHANGES_REQUESTED")
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
    found = [await _found(hub, repo, pull, sha, one) for one in comments]
    with hub.store.transaction():
        review_id = _insert_review(hub, pull, person, STATES[event], body, sha)
        made = [_insert_comment(hub, pull, person, review_id, *place) for place in found]
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


async def _found(hub: Hub, repo: Row, pull: Row, sha: str, data: Json) -> tuple[Row, Row | None]:
    """Find the place that a comment is written for, and where it is by now if that is another one."""
    place = await places.find(hub, repo, pull, sha, data)
    return place, await places.by_now(hub, repo, pull, place)


def _insert_comment(hub: Hub, pull: Row, person: Row, review_id: int, place: Row, by_now: Row | None) -> int:
    now = hub.store.now()
    comment_id = hub.store.insert(
        "review_comments",
        issue_id=pull["issue_id"],
        repository_id=pull["repository_id"],
        review_id=review_id,
        user_id=person["id"],
        created_at=now,
        updated_at=now,
        **place,
    )
    if by_now is not None:
        places.keep(hub, [{**by_now, "comment_id": comment_id}])
    return comment_id


async def edit(hub: Hub, actor: Actor, repo: Row, number: int, review_id: int, data: Json) -> Row:
    """Change the text of a review."""
    pull = await pull_rows.load(hub, repo, number)
    before = find(hub, repo, pull, review_id)
    if not texts.may_edit(hub, actor, repo, before["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    body = texts.checked_body(data.get("body"), "PullRequestReview", needed=True)
    with hub.store.transaction():
        hub.store.update("reviews", review_id, body=body)
        after = find(hub, repo, pull, review_id)
        changes = {"body": {"from": before["body"]}} if body != before["body"] else {}
        _tell_review(hub, actor, repo, pull, "edited", after, changes=changes)
    return after


async def dismiss(hub: Hub, actor: Actor, repo: Row, number: int, review_id: int, data: Json) -> Row:
    """Take the weight from a verdict; the reason is shown with it."""
    pull = await pull_rows.load(hub, repo, number)
    before = find(hub, repo, pull, review_id)
    message = data.get("message")
    if not isinstance(message, str) or not message.strip():
        raise malformed('"message" wasn\'t supplied.')
    if before["state"] not in VERDICTS:
        raise ApiError(422, "Unprocessable Entity", [f"Can not dismiss a {before['state'].lower()} review"])
    with hub.store.transaction():
        hub.store.update("reviews", review_id, state="DISMISSED")
        after = find(hub, repo, pull, review_id)
        _tell_review(hub, actor, repo, pull, "dismissed", after)
    return after


def verdicts(rows: list[Row]) -> dict[int, Row]:
    """Give everybody's present verdict on a pull request: the last that wasn't a mere comment."""
    return {row["user_id"]: row for row in rows if row["state"] in {*VERDICTS, "DISMISSED"}}


def _tell(hub: Hub, actor: Actor, repo: Row, pull: Row, review: Row, comments: list[Row]) -> None:
    _tell_review(hub, actor, repo, pull, "submitted", review)
    for row in comments:
        _tell_comment(hub, actor, repo, pull, "created", row)


def _tell_review(hub: Hub, actor: Actor, repo: Row, pull: Row, action: str, review: Row, **more: Any) -> None:
    shown = {**views.review(hub.urls, review), "state": review["state"].lower()}
    payload = {"action": action, "review": shown, "pull_request": _pull_in_webhook(hub, pull), **more}
    emit(hub, repo, person_of(actor), "pull_request_review", payload)


def _tell_comment(hub: Hub, actor: Actor, repo: Row, pull: Row, action: str, row: Row, **more: Any) -> None:
    shown = views.review_comment(hub.urls, row)
    payload = {"action": action, "comment": shown, "pull_request": _pull_in_webhook(hub, pull), **more}
    emit(hub, repo, person_of(actor), "pull_request_review_comment", payload)


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
        "now": places.present(hub, row),
    }


async def comment(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Comment on one line or file of a pull request, or answer such a comment."""
    if data.get("in_reply_to"):
        return await reply(hub, actor, repo, number, int(data["in_reply_to"]), data)
    pull = await pull_rows.load(hub, repo, number)
    for field in ("body", "commit_id", "path"):
        if not data.get(field):
            raise malformed(f'"{field}" wasn\'t supplied.')
    return _add_single(hub, actor, repo, pull, *await _found(hub, repo, pull, data["commit_id"], data))


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
    return _add_single(hub, actor, repo, pull, place, first["now"])


def _add_single(hub: Hub, actor: Actor, repo: Row, pull: Row, place: Row, by_now: Row | None) -> Row:
    """Write a comment that stands in a review of its own, as GitHub does."""
    person = person_of(actor)
    with hub.store.transaction():
        review_id = _insert_review(hub, pull, person, "COMMENTED", "", place["commit_sha"])
        row = load_comment(hub, repo, _insert_comment(hub, pull, person, review_id, place, by_now))
        _tell(hub, actor, repo, pull, find(hub, repo, pull, review_id), [row])
    return row


async def edit_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int, data: Json) -> Row:
    """Change what a comment on a line says."""
    before, pull = await _own_comment(hub, actor, repo, comment_id)
    body = texts.checked_body(data.get("body"), "PullRequestReviewComment", needed=True)
    with hub.store.transaction():
        hub.store.update("review_comments", comment_id, body=body, updated_at=hub.store.now())
        row = load_comment(hub, repo, comment_id)
        _tell_comment(hub, actor, repo, pull, "edited", row, changes={"body": {"from": before["body"]}})
    return row


async def delete_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int) -> None:
    """Remove a comment on a line; the answers to it stay."""
    row, pull = await _own_comment(hub, actor, repo, comment_id)
    with hub.store.transaction():
        hub.store.execute("DELETE FROM review_comments WHERE id = ?", comment_id)
        hub.store.execute("DELETE FROM reactions WHERE subject = 'review_comment' AND subject_id = ?", comment_id)
        _tell_comment(hub, actor, repo, pull, "deleted", row)


async def _own_comment(hub: Hub, actor: Actor, repo: Row, comment_id: int) -> tuple[Row, Row]:
    row = load_comment(hub, repo, comment_id)
    if not texts.may_edit(hub, actor, repo, row["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    return row, await pull_rows.load(hub, repo, row["number"])
