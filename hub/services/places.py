"""Where in a diff comments stand: found when they are written, followed when a push moves or changes their lines."""

from __future__ import annotations

from typing import Any

from hub.context import Hub
from hub.diffs import Change, line_after, position_in
from hub.errors import custom, invalid, malformed
from hub.repository import GitRepository
from hub.services import pull_rows, texts
from hub.store import Row
from hub.views.accounts import Json

RESOURCE = "PullRequestReviewComment"
OUTDATED = {"line": None, "start_line": None, "position": None}


async def find(hub: Hub, repo: Row, pull: Row, sha: str, data: Json) -> Row:
    """Find the place in the diff that a comment is about: columns of a new comment."""
    body = texts.checked_body(data.get("body"), RESOURCE, needed=True)
    git = hub.git(repo)
    if await git.kind(sha) != "commit":
        raise invalid(RESOURCE, "commit_id")
    change = await _change(git, pull_rows.tip_of_base(git, pull), sha, str(data.get("path")))
    if change is None:
        raise invalid(RESOURCE, "path")
    place = {"path": change.path, "commit_sha": sha, "body": body, "start_side": None, "start_line": None}
    if data.get("subject_type") == "file":
        return {**place, "subject_type": "file", "side": "RIGHT", "line": None, "position": 1, "diff_hunk": ""}
    return {**place, "subject_type": "line", **_line(change, data)}


async def _change(git: GitRepository, base: str, sha: str, path: str) -> Change | None:
    """Find what a pull request does to a file."""
    start = await git.merge_base(base, sha) or base
    return next((one for one in await git.changes(start, sha) if one.path == path), None)


def _line(change: Change, data: Json) -> Row:
    side = data.get("side") or "RIGHT"
    if data.get("line") is not None:
        line = int(data["line"])
        position, hunk = _in_diff(change, line, side, "line")
    elif data.get("position") is not None:
        position, line = int(data["position"]), 1
        hunk = "\n".join((change.patch or "").split("\n")[: position + 1])
    else:
        raise malformed('"line" wasn\'t supplied.')
    place: dict[str, Any] = {"side": side, "line": line, "position": position, "diff_hunk": hunk}
    if data.get("start_line") is not None:
        first, first_side = int(data["start_line"]), data.get("start_side") or side
        before, _ = _in_diff(change, first, first_side, "start_line")
        if before >= position:
            raise custom(RESOURCE, "pull_request_review_thread.start_line must precede the end line.")
        place |= {"start_line": first, "start_side": first_side}
    return place


def _in_diff(change: Change, line: int, side: str, field: str) -> tuple[int, str]:
    found = position_in(change.patch or "", line, side)
    if found is None:
        raise custom(RESOURCE, f"pull_request_review_thread.{field} must be part of the diff")
    return found


async def followed(hub: Hub, repo: Row, pull: Row, head: str) -> list[Row]:
    """Find where the comments of a pull request are now that its head is this commit.

    A comment whose lines were changed or have left the diff is outdated, and stays so: it has no line any more.
    """
    rows = hub.store.all("SELECT * FROM review_comments WHERE issue_id = ?", pull["issue_id"])
    git, base = hub.git(repo), pull_rows.tip_of_base(hub.git(repo), pull)
    return [await _moved(git, base, head, {**row, **present(hub, row)}) for row in rows]


async def by_now(hub: Hub, repo: Row, pull: Row, place: Row) -> Row | None:
    """Find where a comment that is written on an older commit stands by now; None: it is on the head."""
    if place["commit_sha"] == pull["head_sha"]:
        return None
    git = hub.git(repo)
    return await _moved(git, pull_rows.tip_of_base(git, pull), pull["head_sha"], {"id": None, **place})


async def _moved(git: GitRepository, base: str, head: str, row: Row) -> Row:
    """Follow one comment from the commit where it was last seen."""
    kept = {"comment_id": row["id"], "commit_sha": row["commit_sha"]}
    change = await _change(git, base, head, row["path"])
    if change is None or row["position"] is None:
        return {**kept, **OUTDATED}
    if row["subject_type"] == "file":
        return {**kept, "commit_sha": head, "line": None, "start_line": None, "position": row["position"]}
    ends = await _between(git, base, row, head)
    lines = [_after(ends, row["path"], line) for line in range(row["start_line"] or row["line"], row["line"] + 1)]
    last = lines[-1] if None not in lines else None
    found = position_in(change.patch or "", last, row["side"]) if last is not None else None
    if found is None:
        return {**kept, **OUTDATED}
    start = lines[0] if row["start_line"] else None
    return {**kept, "commit_sha": head, "line": last, "start_line": start, "position": found[0]}


async def _between(git: GitRepository, base: str, row: Row, head: str) -> tuple[Change, ...]:
    """List what happened between the two versions of the file that a comment's side shows."""
    old, new = row["commit_sha"], head
    if row["side"] == "LEFT":
        old, new = await git.merge_base(base, old) or base, await git.merge_base(base, new) or base
    return await git.changes(old, new)


def _after(changes: tuple[Change, ...], path: str, line: int) -> int | None:
    change = next((one for one in changes if path in {one.path, one.previous_path}), None)
    if change is None:
        return line
    return line_after(change.patch, line) if change.patch and change.path == path else None


def keep(hub: Hub, places: list[Row]) -> None:
    """Write down where comments are now; call it inside a transaction."""
    for place in places:
        hub.store.execute(
            "INSERT OR REPLACE INTO review_comment_places (comment_id, commit_sha, line, start_line, position)"
            " VALUES (?, ?, ?, ?, ?)",
            *(place[name] for name in ("comment_id", "commit_sha", "line", "start_line", "position")),
        )


def present(hub: Hub, row: Row) -> Row:
    """Tell where a comment is now: where it was written, unless a push came since."""
    moved = hub.store.one(
        "SELECT commit_sha, line, start_line, position FROM review_comment_places WHERE comment_id = ?", row["id"]
    )
    return moved or {name: row[name] for name in ("commit_sha", "line", "start_line", "position")}
