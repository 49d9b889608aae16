"""Pull requests: opening, editing and what git says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.auth import Actor
from hub.context import Hub
from hub.diffs import Change
from hub.errors import ApiError, custom, invalid, malformed, not_found
from hub.events import emit
from hub.repository import ZERO, Commit, GitRepository
from hub.services import accounts, issues
from hub.services.accounts import person_of
from hub.store import Row
from hub.views import pulls as views
from hub.views.accounts import Json, user
from hub.views.repos import SETTINGS

MOST_COMMITS = 250  # as many as GitHub lists
FAILED = ("failure", "timed_out", "cancelled", "action_required")


@dataclass(frozen=True, slots=True)
class Facts:
    """What git says about a pull request."""

    commits: int
    additions: int
    deletions: int
    changed_files: int
    mergeable: bool | None
    mergeable_state: str


def find(hub: Hub, repo: Row, number: int) -> Row:
    """Fetch a pull request without its facts."""
    row = hub.store.one(
        "SELECT p.* FROM pulls p JOIN issues i ON i.id = p.issue_id WHERE i.repository_id = ? AND i.number = ?",
        repo["id"],
        number,
    )
    if row is None:
        raise not_found()
    return fill(hub, repo, row, number)


def fill(hub: Hub, repo: Row, row: Row, number: int) -> Row:
    """Add to a pull request's row what belongs to it; the head of an open one is where its branch is."""
    store = hub.store
    issue = issues.load(hub, repo, number)
    head = hub.git(repo).branch(row["head_ref"]) if issue["state"] == "open" else None
    return {
        **row,
        "head_sha": head or row["head_sha"],
        "issue": issue,
        "number": number,
        "repository": repo,
        "merged_by": accounts.by_id(store, row["merged_by_id"]),
        "requested_reviewers": store.all(
            "SELECT a.* FROM accounts a JOIN review_requests r ON r.account_id = a.id WHERE r.issue_id = ?",
            issue["id"],
        ),
        "review_comments": store.value("SELECT count(*) FROM review_comments WHERE issue_id = ?", issue["id"]),
    }


async def load(hub: Hub, repo: Row, number: int) -> Row:
    """Fetch a pull request with all that is shown of it."""
    row = find(hub, repo, number)
    return {**row, "facts": await _facts(hub, repo, row)}


async def _facts(hub: Hub, repo: Row, row: Row) -> Facts:
    git = hub.git(repo)
    base = tip_of_base(git, row)
    start = await git.merge_base(base, row["head_sha"]) or base
    changes = await git.changes(start, row["head_sha"])
    _, ahead = await git.counts(start, row["head_sha"])
    mergeable, state = await _mergeable(hub, git, row, base)
    added, deleted = sum(c.additions for c in changes), sum(c.deletions for c in changes)
    return Facts(ahead, added, deleted, len(changes), mergeable, state)


async def changes(hub: Hub, repo: Row, row: Row) -> tuple[Change, ...]:
    """List what a pull request changes, since its branch left the base."""
    git = hub.git(repo)
    base = tip_of_base(git, row)
    return await git.changes(await git.merge_base(base, row["head_sha"]) or base, row["head_sha"])


async def commits(hub: Hub, repo: Row, row: Row) -> list[Commit]:
    """List a pull request's commits, oldest first."""
    git = hub.git(repo)
    return (await git.log(f"{tip_of_base(git, row)}..{row['head_sha']}", MOST_COMMITS))[::-1]


def tip_of_base(git: GitRepository, row: Row) -> str:
    """Name the commit to compare with: where the base is now, or was when the pull request ended."""
    tip = git.branch(row["base_ref"]) if row["issue"]["state"] == "open" else None
    return tip or str(row["base_sha"])


async def _mergeable(hub: Hub, git: GitRepository, row: Row, base: str) -> tuple[bool | None, str]:
    if row["issue"]["state"] != "open":
        return None, "unknown"
    if await git.merged_tree(base, row["head_sha"]) is None:
        return False, "dirty"
    if row["draft"]:
        return True, "draft"
    marks = ", ".join("?" * len(FAILED))
    red = hub.store.one(
        "SELECT 1 FROM check_runs WHERE repository_id = ? AND head_sha = ? AND id IN (SELECT max(id) FROM check_runs"
        f" GROUP BY suite_id, name) AND conclusion IN ({marks})",
        row["repository_id"],
        row["head_sha"],
        *FAILED,
    )
    return True, "unstable" if red else "clean"


def listed(hub: Hub, repo: Row, state: str, head: str | None, base: str | None) -> list[Row]:
    """List pull requests, newest first; `head` is `owner:branch`."""
    rows = hub.store.all(
        "SELECT p.*, i.number AS number FROM pulls p JOIN issues i ON i.id = p.issue_id"
        " WHERE p.repository_id = ? AND (? = 'all' OR i.state = ?) AND p.base_ref = coalesce(?, p.base_ref)"
        " ORDER BY i.number DESC",
        repo["id"],
        state,
        state,
        base,
    )
    if head is not None:
        owner, _, branch = head.rpartition(":")
        same_owner = owner.lower() in {"", repo["owner"]["login"].lower()}
        rows = [row for row in rows if same_owner and row["head_ref"] == branch]
    return [fill(hub, repo, row, row["number"]) for row in rows]


def open_with_head(hub: Hub, repo: Row, branch: str) -> list[Row]:
    return listed(hub, repo, "open", branch, None)


async def create(hub: Hub, actor: Actor, repo: Row, data: Json) -> Row:
    """Open a pull request for a branch of the same repository."""
    head_ref, base_ref = _branch_names(repo, data)
    git = hub.git(repo)
    head, base = git.branch(head_ref), git.branch(base_ref)
    if head is None:
        raise invalid("PullRequest", "head")
    if base is None:
        raise invalid("PullRequest", "base")
    _refuse_duplicate(hub, repo, head_ref, base_ref)
    if await git.merge_base(base, head) is None:
        message = f"The {head_ref} branch has no history in common with {base_ref}"
        raise custom("PullRequest", message)
    if (await git.counts(base, head))[1] == 0:
        raise custom("PullRequest", f"No commits between {base_ref} and {head_ref}")
    title = issues.checked_title(data.get("title"), "PullRequest")
    body = issues.checked_body(data.get("body"), "PullRequest")
    with hub.store.transaction():
        _refuse_duplicate(hub, repo, head_ref, base_ref)
        number = issues.insert(hub, actor, repo, title, body)
        hub.store.insert(
            "pulls",
            issue_id=issues.load(hub, repo, number)["id"],
            repository_id=repo["id"],
            head_ref=head_ref,
            base_ref=base_ref,
            head_sha=head,
            base_sha=base,
            draft=int(bool(data.get("draft"))),
            maintainer_can_modify=0,
        )
    await git.update_ref(f"refs/pull/{number}/head", head, ZERO)
    row = await load(hub, repo, number)
    with hub.store.transaction():
        tell(hub, actor, repo, "opened", row)
    return row


def _branch_names(repo: Row, data: Json) -> tuple[str, str]:
    for field in ("head", "base"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise malformed(f'"{field}" wasn\'t supplied.')
    owner, _, head = data["head"].rpartition(":")
    if owner and owner.lower() != repo["owner"]["login"].lower():
        raise invalid("PullRequest", "head")
    return head, data["base"]


def _refuse_duplicate(hub: Hub, repo: Row, head: str, base: str) -> None:
    if listed(hub, repo, "open", head, base):
        raise custom("PullRequest", f"A pull request already exists for {repo['owner']['login']}:{head}.")


async def update(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Change a pull request's title, body, base or state."""
    before = await load(hub, repo, number)
    if not issues.may_edit(hub, actor, repo, before["issue"]["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    changes = issues.edited_text(before["issue"], data, "PullRequest")
    was: Json = {name: {"from": before["issue"][name] or ""} for name in changes}
    base = data.get("base")
    if base is not None and base != before["base_ref"]:
        was["base"] = {"ref": {"from": before["base_ref"]}, "sha": {"from": before["base_sha"]}}
    if changes or "base" in was:
        with hub.store.transaction():
            hub.store.update("issues", before["issue"]["id"], **changes, updated_at=hub.store.now())
            if "base" in was:
                _change_base(hub, repo, before, str(base))
        row = await load(hub, repo, number)
        with hub.store.transaction():
            tell(hub, actor, repo, "edited", row, changes=was)
    await _change_state(hub, actor, repo, before, data.get("state"))
    return await load(hub, repo, number)


def _change_base(hub: Hub, repo: Row, before: Row, base: str) -> None:
    tip = hub.git(repo).branch(base)
    if tip is None:
        raise invalid("PullRequest", "base")
    hub.store.update("pulls", before["id"], base_ref=base, base_sha=tip)


async def _change_state(hub: Hub, actor: Actor, repo: Row, before: Row, state: str | None) -> None:
    if state not in {None, "open", "closed"}:
        raise invalid("PullRequest", "state")
    if state is None or state == before["issue"]["state"]:
        return
    if state == "open" and before["merged_at"]:
        raise custom("PullRequest", "state cannot be changed. The pull request cannot be reopened.")
    if state == "open" and hub.git(repo).branch(before["head_ref"]) is None:
        raise custom("PullRequest", f"state cannot be changed. The {before['head_ref']} branch has been deleted.")
    if state == "closed":
        await close(hub, actor, repo, before)
        return
    with hub.store.transaction():
        issues.write_state(hub, person_of(actor), before["issue"]["id"], "open", None)
    row = await load(hub, repo, before["number"])
    with hub.store.transaction():
        tell(hub, actor, repo, "reopened", row)


async def close(hub: Hub, actor: Actor, repo: Row, before: Row) -> None:
    """Close a pull request without merging it."""
    base = hub.git(repo).branch(before["base_ref"]) or before["base_sha"]
    with hub.store.transaction():
        hub.store.update("pulls", before["id"], head_sha=before["head_sha"], base_sha=base)
        issues.write_state(hub, person_of(actor), before["issue"]["id"], "closed", None)
    row = await load(hub, repo, before["number"])
    with hub.store.transaction():
        tell(hub, actor, repo, "closed", row)


def tell(hub: Hub, actor: Actor, repo: Row, action: str, row: Row, **more: Any) -> None:
    """Store a pull_request event; call it inside a transaction."""
    shown = {**views.pull(hub.urls, row), **in_webhooks(repo)}
    payload = {"action": action, "number": row["number"], "pull_request": shown, **more}
    emit(hub, repo, person_of(actor), "pull_request", payload)


def in_webhooks(repo: Row) -> Json:
    """Give the repository's settings that webhooks add to a pull request."""
    settings: Json = {name: bool(repo[name]) for name in SETTINGS}
    return {"delete_branch_on_merge": settings["delete_branch_on_merge"], "allow_auto_merge": False}


async def request_reviewers(hub: Hub, actor: Actor, repo: Row, number: int, logins: list[str]) -> Row:
    """Ask people to review a pull request."""
    row = await load(hub, repo, number)
    people = [accounts.by_login(hub.store, login) for login in logins]
    if any(one is None or accounts.role(hub.store, repo, one) is None for one in people):
        raise ApiError(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams you"
            " specified is not a collaborator of the repository.",
        )
    if any(one and one["id"] == row["issue"]["user_id"] for one in people):
        raise ApiError(422, "Review cannot be requested from pull request author.")
    with hub.store.transaction():
        for one in filter(None, people):
            hub.store.execute("INSERT OR IGNORE INTO review_requests VALUES (?, ?)", row["issue"]["id"], one["id"])
        fresh = {**find(hub, repo, number), "facts": row["facts"]}
        for one in filter(None, people):
            tell(hub, actor, repo, "review_requested", fresh, requested_reviewer=user(hub.urls, one))
    return fresh
