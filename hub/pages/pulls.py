"""Pull requests: the list, and one with its conversation, commits, checks, review and merge."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.errors import ApiError
from hub.pages import reviewing
from hub.pages.checks import rows_of, verdict
from hub.pages.issues import comments_of, list_of, powers
from hub.pages.repository import address_in, frame
from hub.pages.visit import REPO, Pages, Visit, go
from hub.services import issue_rows, protection, pull_rows, repos, reviews
from hub.services.merging import METHODS
from hub.store import Row

pages = Pages()
PULL = "/{owner}/{repo}/pull/{pull_number:\\d+}"
MERGE = f"PUT {REPO}/pulls/{{pull_number}}/merge"
UPDATE = f"PUT {REPO}/pulls/{{pull_number}}/update-branch"
DELETE_REF = f"DELETE {REPO}/git/refs/{{ref}}"
REVIEW = f"POST {REPO}/pulls/{{pull_number}}/reviews"
METHOD_WORDS = {
    "merge": "Create a merge commit",
    "squash": "Squash into one commit",
    "rebase": "Rebase onto the base",
}


@pages.get("/{owner}/{repo}/pulls")
async def listed(visit: Visit) -> web.StreamResponse:
    return list_of(visit, visit.allowed(f"GET {REPO}/pulls"), "pulls")


async def load(visit: Visit, section: str) -> tuple[Row, Row, dict[str, Any]]:
    """Fetch the pull request of a visit, and what all its pages show of it."""
    repo = visit.allowed(f"GET {REPO}/pulls/{{pull_number}}")
    pull = await pull_rows.load(visit.hub, repo, visit.number("pull_number"))
    checks = rows_of(visit.hub, repo, pull["head_sha"])
    shared = {**frame(visit, repo, "pulls"), "pull": pull, "issue": pull["issue"], "section": section}
    return repo, pull, {**shared, "checks": checks, "verdict": verdict(checks)}


@pages.get(PULL)
async def conversation(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(f"GET {REPO}/pulls/{{pull_number}}")
    number = visit.number("pull_number")
    if not issue_rows.load(visit.hub, repo, number)["pull"]:
        return go(f"{address_in(visit)}/issues/{number}")
    repo, pull, shared = await load(visit, "conversation")
    issue = pull["issue"]
    mine = visit.account is not None and visit.account["id"] == issue["user_id"]
    methods = {name: METHOD_WORDS[name] for name, (setting, _) in METHODS.items() if repo[setting]}
    return visit.page(
        "pull.html",
        **shared,
        **powers(visit, repo, issue),
        events=_events(visit, repo, pull),
        commits=await pull_rows.commits(visit.hub, repo, pull),
        methods=methods,
        mine=mine,
        may_merge=visit.may(MERGE),
        may_review=visit.may(REVIEW),
        may_push=visit.may(DELETE_REF),
        **reviewing.powers(visit),
        branches=_branches(visit, repo),
        lacking=protection.missing(visit.hub, pull) if pull["issue"]["state"] == "open" else None,
        behind=await _is_behind(visit, repo, pull),
        may_update=visit.may(UPDATE),
    )


def _events(visit: Visit, repo: Row, pull: Row) -> list[Row]:
    """Put comments and reviews in the order in which they came; mere answers stand in their threads."""
    spoken = [
        {"kind": "comment", "at": row["created_at"], "row": row} for row in comments_of(visit, repo, pull["issue"])
    ]
    found: dict[int, list[Row]] = {}
    for thread in reviewing.threads(visit, repo, pull):
        found.setdefault(thread["review_id"], []).append(thread)
    for row in reviews.listed(visit.hub, repo, pull):
        begun = found.get(row["id"], [])
        if row["state"] != "PENDING" and (begun or row["body"].strip() or row["state"] != "COMMENTED"):
            spoken.append({"kind": "review", "at": row["submitted_at"], "row": row, "threads": begun})
    return sorted(spoken, key=lambda one: str(one["at"]))


@pages.get(PULL + "/commits")
async def commits(visit: Visit) -> web.StreamResponse:
    repo, pull, shared = await load(visit, "commits")
    found = await pull_rows.commits(visit.hub, repo, pull)
    return visit.page("pull_commits.html", **shared, commits=found)


@pages.get(PULL + "/checks")
async def checks_of(visit: Visit) -> web.StreamResponse:
    _, _, shared = await load(visit, "checks")
    return visit.page("pull_checks.html", **shared)


@pages.post(PULL + "/reviews")
async def review(visit: Visit) -> web.StreamResponse:
    data = {"event": visit.field("event"), "body": visit.field("body"), "commit_id": visit.field("commit_id")}
    reply = await visit.rest(REVIEW, data)
    return _back(visit, f"#pullrequestreview-{reply.data['id']}")


@pages.post(PULL + "/merge")
async def merge(visit: Visit) -> web.StreamResponse:
    if not visit.field("sha"):
        raise ApiError(422, "The form doesn't say which commit is to be merged. Reload the page and try again.")
    await visit.rest(MERGE, {"merge_method": visit.field("method"), "sha": visit.field("sha")})
    return _back(visit, "#merge")


def _branches(visit: Visit, repo: Row) -> list[str]:
    return [ref.removeprefix("refs/heads/") for ref in visit.hub.git(repo).refs("refs/heads/")]


async def _is_behind(visit: Visit, repo: Row, pull: Row) -> bool:
    """Tell whether the base has commits that an open pull request lacks."""
    git = visit.hub.git(repo)
    base = git.branch(pull["base_ref"]) if pull["issue"]["state"] == "open" else None
    return base is not None and not await git.is_ancestor(base, pull["head_sha"])


@pages.post(PULL + "/base")
async def change_base(visit: Visit) -> web.StreamResponse:
    await visit.rest(f"PATCH {REPO}/pulls/{{pull_number}}", {"base": visit.field("base")})
    return _back(visit, "")


@pages.post(PULL + "/update")
async def update_branch(visit: Visit) -> web.StreamResponse:
    """Merge the base into the head."""
    await visit.rest(UPDATE, {"expected_head_sha": visit.field("sha")})
    return _back(visit, "#merge")


@pages.post(PULL + "/delete-branch")
async def delete_branch(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(DELETE_REF)
    pull = pull_rows.find(visit.hub, repo, visit.number("pull_number"))
    await repos.delete_ref(visit.hub, visit.actor, repo, f"refs/heads/{pull['head_ref']}")
    return _back(visit, "#merge")


def _back(visit: Visit, anchor: str) -> web.Response:
    return go(f"{address_in(visit)}/pull/{visit.number('pull_number')}{anchor}")
