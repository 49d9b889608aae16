"""Pull requests as rows: fetched with what git says about them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.context import Hub
from hub.diffs import Change
from hub.errors import not_found
from hub.repository import Commit, GitRepository
from hub.services import accounts, issue_rows, protection
from hub.store import Row

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

    def ended(self) -> Facts:
        """Say the same of a pull request that is no longer open."""
        return replace(self, mergeable=None, mergeable_state="unknown")


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
    issue = issue_rows.load(hub, repo, number)
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
    return {**row, "facts": await facts(hub, repo, row)}


async def facts(hub: Hub, repo: Row, row: Row) -> Facts:
    """Ask git about a pull request that is there, or is about to be."""
    git = hub.git(repo)
    base = tip_of_base(git, row)
    start = await git.merge_base(base, row["head_sha"]) or base
    changes = await git.changes(start, row["head_sha"])
    _, ahead = await git.counts(start, row["head_sha"])
    mergeable, state = await _mergeable(hub, git, row, base)
    added, deleted = sum(c.additions for c in changes), sum(c.deletions for c in changes)
    return Facts(ahead, added, deleted, len(changes), mergeable, state)


async def _mergeable(hub: Hub, git: GitRepository, row: Row, base: str) -> tuple[bool | None, str]:
    if row["issue"]["state"] != "open":
        return None, "unknown"
    if await git.merged_tree(base, row["head_sha"]) is None:
        return False, "dirty"
    if row["draft"]:
        return True, "draft"
    if protection.missing(hub, row):
        return True, "blocked"
    if protection.is_strict(hub, row) and not await git.is_ancestor(base, row["head_sha"]):
        return True, "behind"
    latest = hub.store.all(
        "SELECT status, conclusion FROM check_runs WHERE id IN"
        " (SELECT max(id) FROM check_runs WHERE repository_id = ? AND head_sha = ? GROUP BY suite_id, name)",
        row["repository_id"],
        row["head_sha"],
    )
    red = any(run["status"] != "completed" or run["conclusion"] in FAILED for run in latest)
    return True, "unstable" if red else "clean"


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


def open_at(hub: Hub, repo: Row, sha: str) -> list[Row]:
    """List the open pull requests whose head is this commit."""
    rows = hub.store.all(
        "SELECT p.*, i.number AS number FROM pulls p JOIN issues i ON i.id = p.issue_id"
        " WHERE p.repository_id = ? AND i.state = 'open' AND p.head_sha = ?",
        repo["id"],
        sha,
    )
    return [fill(hub, repo, row, row["number"]) for row in rows]
