"""Merge pull requests: three methods, the reasons to refuse, and what follows."""

from __future__ import annotations

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, invalid
from hub.faults import merges
from hub.repository import ZERO, Author, Commit, Conflict, GitRepository, RefMoved
from hub.services import accounts, merged, protection, pull_rows, pushes
from hub.services.accounts import person_of
from hub.services.push_notes import Note, RefChange
from hub.store import Row
from hub.views.accounts import Json

WEB_FLOW = Author("GitHub", "noreply@github.com")
NOT_MERGEABLE = "Pull Request is not mergeable"
BASE_MODIFIED = "Base branch was modified. Review and try the merge again."
HEAD_MODIFIED = "Head branch was modified. Review and try the merge again."
METHODS = {
    "merge": ("allow_merge_commit", "Merge commits are not allowed on this repository."),
    "squash": ("allow_squash_merge", "Squash merges are not allowed on this repository."),
    "rebase": ("allow_rebase_merge", "Rebase merges are not allowed on this repository."),
}


def author_of(person: Row) -> Author:
    """Write a person's commits as GitHub does for one who keeps the address private."""
    email = f"{person['id']}+{person['login']}@users.noreply.github.com"
    return Author(person["name"] or person["login"], email)


async def merge(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> str:
    """Merge a pull request; return the new commit of its base.

    Raises 405 when it can't be merged now, 409 when its head isn't the expected one.
    """
    method = data.get("merge_method") or "merge"
    if method not in METHODS:
        raise invalid("PullRequest", "merge_method")
    git = hub.git(repo)
    async with git.lock:
        row = await pull_rows.load(hub, repo, number)
        _refuse(repo, row, method, data.get("sha"))
        if protection.binds(hub, row, accounts.role(hub.store, repo, actor.account)):
            _refuse_unready(hub, row)
        base = git.branch(row["base_ref"])
        if base is None:
            raise ApiError(405, NOT_MERGEABLE)
        try:
            commit = await _combine(git, actor, row, base, method, data)
        except Conflict as error:
            raise ApiError(405, NOT_MERGEABLE) from error
        if hub.faults.on:
            await merges.meddle(hub, repo, row)
        note = await _advance(hub, actor, repo, row, base, commit)
    await merged.finish(hub, actor, repo, row, commit, base)
    await pushes.follow(hub, actor, repo, note)
    await _delete_head(hub, actor, repo, row)
    return commit


def _refuse(repo: Row, row: Row, method: str, expected: str | None) -> None:
    setting, message = METHODS[method]
    if not repo[setting]:
        raise ApiError(405, message)
    if row["issue"]["state"] != "open":
        raise ApiError(405, NOT_MERGEABLE)
    if row["draft"]:
        raise ApiError(405, "Pull Request is still a draft")
    if expected is not None and expected != row["head_sha"]:
        raise ApiError(409, HEAD_MODIFIED)
    if row["facts"].mergeable is False:
        raise ApiError(405, NOT_MERGEABLE)


def _refuse_unready(hub: Hub, row: Row) -> None:
    """Refuse what the base's protection asks for and the pull request lacks."""
    lacking = protection.missing(hub, row)
    if lacking:
        raise ApiError(405, lacking)
    if row["facts"].mergeable_state == "behind":
        raise ApiError(405, protection.OUT_OF_DATE)


async def _combine(git: GitRepository, actor: Actor, row: Row, base: str, method: str, data: Json) -> str:
    if method == "rebase":
        return await _rebased(git, base, row["head_sha"])
    tree = await git.merged_tree(base, row["head_sha"])
    if tree is None:
        raise Conflict
    message = await _message(git, row, base, method, data)
    parents = [base] if method == "squash" else [base, row["head_sha"]]
    return await git.write_commit(tree, parents, message, author_of(person_of(actor)), WEB_FLOW)


async def _message(git: GitRepository, row: Row, base: str, method: str, data: Json) -> str:
    issue, owner = row["issue"], row["repository"]["owner"]["login"]
    if method == "merge":
        title = f"Merge pull request #{issue['number']} from {owner}/{row['head_ref']}"
        body = issue["title"]
    else:
        title = f"{issue['title']} (#{issue['number']})"
        commits = (await git.log(f"{base}..{row['head_sha']}", 100))[::-1]
        body = "" if len(commits) == 1 else "\n\n".join(f"* {one.message}" for one in commits)
    title = data.get("commit_title") or title
    body = body if data.get("commit_message") is None else data["commit_message"]
    return f"{title}\n\n{body}".strip() + "\n"


async def _rebased(git: GitRepository, base: str, head: str) -> str:
    """Put each commit of the head on top of the base, as git cherry-pick would."""
    tip = base
    for commit in (await git.log(f"{base}..{head}", 250))[::-1]:
        if len(commit.parents) > 1:  # what a merge brought in is in the base or among the other commits
            continue
        tip = await _picked(git, tip, commit)
    return tip


async def _picked(git: GitRepository, tip: str, commit: Commit) -> str:
    """Apply one commit's change to a tip: merge it with the tip as if both came from the commit's parent."""
    parent = await git.commit(commit.parents[0])
    onto = await git.commit(tip)
    fork = await git.write_commit(parent.tree, [], "fork", WEB_FLOW, WEB_FLOW)
    ours = await git.write_commit(onto.tree, [fork], "ours", WEB_FLOW, WEB_FLOW)
    theirs = await git.write_commit(commit.tree, [fork], "theirs", WEB_FLOW, WEB_FLOW)
    tree = await git.merged_tree(ours, theirs)
    if tree is None:
        raise Conflict
    author = Author(commit.author.name, commit.author.email, commit.author.date)
    return await git.write_commit(tree, [tip], commit.message + "\n", author, WEB_FLOW)


async def _advance(hub: Hub, actor: Actor, repo: Row, row: Row, base: str, commit: str) -> Note:
    """Move the base; what is about to happen is written down first, for a process that is killed here."""
    hub.store.update("pulls", row["id"], merging_sha=commit, merging_by_id=person_of(actor)["id"])
    if hub.git(repo).branch(row["head_ref"]) != row["head_sha"]:
        raise ApiError(409, HEAD_MODIFIED)
    try:
        return await pushes.move(hub, actor, repo, RefChange(f"refs/heads/{row['base_ref']}", base, commit))
    except RefMoved as error:
        raise ApiError(405, BASE_MODIFIED) from error


async def _delete_head(hub: Hub, actor: Actor, repo: Row, row: Row) -> None:
    if not repo["delete_branch_on_merge"]:
        return
    change = RefChange(f"refs/heads/{row['head_ref']}", row["head_sha"], ZERO)
    try:
        note = await pushes.move(hub, actor, repo, change)
    except RefMoved:
        return  # somebody goes on working on the branch, or has deleted it already
    await pushes.follow(hub, actor, repo, note)


async def update_branch(hub: Hub, actor: Actor, repo: Row, number: int, expected: str | None) -> None:
    """Merge the base into a pull request's head."""
    git = hub.git(repo)
    async with git.lock:
        row = await pull_rows.load(hub, repo, number)
        head, base = row["head_sha"], git.branch(row["base_ref"])
        if expected is not None and expected != head:
            raise ApiError(422, "expected head sha didn't match current head ref.")
        if row["issue"]["state"] != "open" or base is None:
            raise ApiError(422, "The pull request is closed.")
        if await git.is_ancestor(base, head):
            raise ApiError(422, "There are no new commits on the base branch.")
        tree = await git.merged_tree(head, base)
        if tree is None:
            raise ApiError(422, "merge conflict between base and head")
        message = f"Merge branch '{row['base_ref']}' into {row['head_ref']}\n"
        commit = await git.write_commit(tree, [head, base], message, author_of(person_of(actor)), WEB_FLOW)
        try:
            note = await pushes.move(hub, actor, repo, RefChange(f"refs/heads/{row['head_ref']}", head, commit))
        except RefMoved as error:
            raise ApiError(422, "expected head sha didn't match current head ref.") from error
    await pushes.follow(hub, actor, repo, note)
