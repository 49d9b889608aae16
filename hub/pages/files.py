"""The files of a pull request, line by line, and comments on lines."""

from __future__ import annotations

from aiohttp import web

from hub.pages import patch, reviewing
from hub.pages.history import plain
from hub.pages.pulls import PULL, load
from hub.pages.repository import address_in
from hub.pages.visit import REPO, Pages, Visit, go
from hub.services import pull_rows
from hub.store import Row

pages = Pages()
COMMENT = f"POST {REPO}/pulls/{{pull_number}}/comments"


@pages.get(PULL + "/files")
async def changed(visit: Visit) -> web.StreamResponse:
    """Show the diff; with `path`, `side` and `line` in the address there is a form under that line."""
    repo, pull, shared = await load(visit, "files")
    query = visit.request.query
    asked = (query.get("path", ""), query.get("side", ""), query.get("line", ""))
    return visit.page(
        "pull_files.html",
        **shared,
        files=patch.files(await pull_rows.changes(visit.hub, repo, pull)),
        threads=_by_line(reviewing.threads(visit, repo, pull)),
        asked=asked if visit.may(COMMENT) else None,
        may_comment=visit.may(COMMENT),
        may_reply=visit.may(reviewing.REPLY),
    )


def _by_line(found: list[Row]) -> dict[tuple[str, str, int], list[Row]]:
    """Sort threads by the line that they are about; those on a whole file stand at line 0, outdated ones nowhere."""
    sorted_: dict[tuple[str, str, int], list[Row]] = {}
    for thread in found:
        if thread["place"]:
            sorted_.setdefault(thread["place"], []).append(thread)
    return sorted_


@pages.get(PULL + ".{form:diff|patch}")
async def as_git_writes(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/pulls/{{pull_number}}")
    pull, git = pull_rows.find(visit.hub, repo, visit.number("pull_number")), visit.hub.git(repo)
    base = pull_rows.tip_of_base(git, pull)
    start = await git.merge_base(base, pull["head_sha"]) or base
    return await plain(git, start, pull["head_sha"], visit.part("form"))


@pages.post(PULL + "/files")
async def comment(visit: Visit) -> web.StreamResponse:
    data = {name: visit.field(name) for name in ("body", "path", "side", "commit_id")}
    lines = {"line": _number(visit.field("line"))}
    if visit.field("start_line").strip() not in {"", visit.field("line")}:
        lines["start_line"] = _number(visit.field("start_line").strip())
    reply = await visit.rest(COMMENT, {**data, **lines})
    return go(f"{address_in(visit)}/pull/{visit.number('pull_number')}/files#discussion_r{reply.data['id']}")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0
