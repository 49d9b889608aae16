"""Commits: the list, one with its diff and checks, and two compared."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from hub.errors import not_found
from hub.pages import patch
from hub.pages.checks import rows_of, verdict
from hub.pages.paging import PER_PAGE
from hub.pages.repository import frame
from hub.pages.tree import named
from hub.pages.visit import HEADERS, REPO, Pages, Visit
from hub.repository import EMPTY_TREE, Commit, GitRepository
from hub.services import accounts
from hub.store import Row

pages = Pages()
PLAIN = re.compile(r"\.(diff|patch)$")


def with_people(visit: Visit, repo: Row, commits: list[Commit]) -> list[dict[str, Any]]:
    """Add to commits the accounts behind their authors and how their checks ended."""
    return [
        {
            "commit": one,
            "account": accounts.by_email(visit.hub.store, one.author.email),
            "verdict": verdict(rows_of(visit.hub, repo, one.sha)),
        }
        for one in commits
    ]


@pages.get("/{owner}/{repo}/commits", "/{owner}/{repo}/commits/{rest:.+}")
async def listed(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/commits")
    git = visit.hub.git(repo)
    ref, sha, path = await named(git, visit.request.match_info.get("rest") or repo["default_branch"])
    asked = visit.request.query.get("page", "1")
    number = max(int(asked), 1) if asked.isdecimal() and len(asked) < 6 else 1
    found = await git.log(sha, PER_PAGE + 1, skip=(number - 1) * PER_PAGE, path=path or None)
    return visit.page(
        "commits.html",
        **frame(visit, repo, "code"),
        ref=ref,
        path_in=path,
        commits=with_people(visit, repo, found[:PER_PAGE]),
        older=f"?page={number + 1}" if len(found) > PER_PAGE else None,
        newer=f"?page={number - 1}" if number > 1 else None,
    )


@pages.get("/{owner}/{repo}/commit/{sha:[0-9a-f]{4,40}}")
async def one(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/commits/{{ref}}")
    git = visit.hub.git(repo)
    sha = await git.resolve(visit.part("sha"))
    if sha is None:
        raise not_found()
    commit = await git.commit(sha)
    changes = await git.changes(commit.parents[0] if commit.parents else EMPTY_TREE, sha)
    checks = rows_of(visit.hub, repo, sha)
    return visit.page(
        "commit.html",
        **frame(visit, repo, "code"),
        commit=commit,
        account=accounts.by_email(visit.hub.store, commit.author.email),
        files=patch.files(changes),
        checks=checks,
        verdict=verdict(checks),
    )


@pages.get("/{owner}/{repo}/compare/{basehead:.+}")
async def compare(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/compare/{{basehead}}")
    git = visit.hub.git(repo)
    base, dots, head = visit.part("basehead").partition("...")
    form = PLAIN.search(head)
    if form and await git.resolve(head) is None:
        head = head.removesuffix(form[0])
    old, new = await git.resolve(base), await git.resolve(head)
    if not dots or old is None or new is None:
        raise not_found()
    start = await git.merge_base(old, new) or old
    if form:
        return await plain(git, start, new, form[1])
    commits = await git.log(f"{start}..{new}", PER_PAGE)
    return visit.page(
        "compare.html",
        **frame(visit, repo, "code"),
        names=(base, head),
        commits=with_people(visit, repo, commits),
        files=patch.files(await git.changes(start, new)),
    )


async def plain(git: GitRepository, start: str, head: str, form: str) -> web.Response:
    """Serve changes as git writes them: one `diff`, or a `patch` for each commit."""
    if form == "diff":
        content = await git.git_bytes("diff", "-M", start, head)
    else:
        content = await git.git_bytes("format-patch", "--stdout", f"{start}..{head}")
    return web.Response(body=content, content_type="text/plain", charset="utf-8", headers=HEADERS)
