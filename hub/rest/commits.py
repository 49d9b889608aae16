"""REST for commits and comparisons."""

from __future__ import annotations

from hub.errors import ApiError, not_found
from hub.repository import EMPTY_TREE
from hub.rest.call import Call, Reply, Routes
from hub.services import accounts
from hub.views import commits as views
from hub.views.accounts import Json

routes = Routes()
REPO = "/repos/{owner}/{repo}"
MOST_COMMITS = 250
MOST_FILES = 300


async def shown_commit(call: Call, sha: str) -> Json:
    """Show a commit with the accounts behind its two signatures."""
    commit = await call.hub.git(call.repo).commit(sha)
    author = accounts.by_email(call.hub.store, commit.author.email)
    committer = accounts.by_email(call.hub.store, commit.committer.email)
    return views.commit(call.urls, call.full_name, commit, author, committer)


async def resolved(call: Call, name: str) -> str:
    """Find the commit that a name stands for."""
    sha = await call.hub.git(call.repo).resolve(name)
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {name}")
    return sha


@routes.add(f"GET {REPO}/commits")
async def list_commits(call: Call) -> Reply:
    git = call.hub.git(call.repo)
    name = call.query("sha") or call.repo["default_branch"]
    sha = await git.resolve(name)
    if sha is None and not git.refs("refs/heads/"):
        raise ApiError(409, "Git Repository is empty.")
    if sha is None:
        raise not_found()
    commits, links = call.page(await git.log(sha, 10_000, path=call.query("path")))
    return Reply([await shown_commit(call, one.sha) for one in commits], headers=links)


@routes.add(f"GET {REPO}/commits/{{ref}}", f"{REPO}/commits/{{ref:.+}}")
async def get_commit(call: Call) -> Reply:
    git, sha = call.hub.git(call.repo), await resolved(call, call.text("ref"))
    commit = await git.commit(sha)
    changes = await git.changes(commit.parents[0] if commit.parents else EMPTY_TREE, sha)
    files, links = call.page(changes)
    shown = await shown_commit(call, sha)
    shown["stats"] = views.stats(changes)
    shown["files"] = [views.diff_entry(call.urls, call.full_name, sha, one) for one in files]
    return Reply(shown, headers=links)


@routes.add(f"GET {REPO}/compare/{{basehead}}", f"{REPO}/compare/{{basehead:.+}}")
async def compare(call: Call) -> Reply:
    base, head = await _two_ends(call)
    git = call.hub.git(call.repo)
    start = await git.merge_base(base, head)
    if start is None:
        raise ApiError(404, "No common ancestor between the two commits.")
    behind, ahead = await git.counts(base, head)
    changes = await git.changes(start, head)
    commits = (await git.log(f"{base}..{head}", MOST_COMMITS))[::-1] if ahead else []
    text = call.text("basehead")
    page = call.urls.page(call.full_name, "compare", text)
    shown = {
        "url": call.urls.repo(call.full_name, "compare", text),
        "html_url": page,
        "permalink_url": call.urls.page(call.full_name, "compare", f"{base[:7]}...{head[:7]}"),
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": await shown_commit(call, base),
        "merge_base_commit": await shown_commit(call, start),
        "status": _status(ahead, behind),
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [await shown_commit(call, one.sha) for one in commits],
        "files": [views.diff_entry(call.urls, call.full_name, head, one) for one in changes[:MOST_FILES]],
    }
    return Reply(shown)


async def _two_ends(call: Call) -> tuple[str, str]:
    base, dots, head = call.text("basehead").partition("...")
    git = call.hub.git(call.repo)
    ends = [await git.resolve(name.rpartition(":")[2]) for name in (base, head)]
    if not dots or ends[0] is None or ends[1] is None:
        raise not_found()
    return ends[0], ends[1]


def _status(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"
