"""Make commits and merges that come out the same each time they are made."""

from collections.abc import Sequence
from functools import partial

from app.edges import Edge, edge
from app.errors import GitError, MergeConflict
from workers.workspace.command import Git, Identity

FIRST_DATE = 946_684_800  # seconds; a commit without parents was made when 2000 began


async def commit_tree(git: Git, identity: Identity, tree: str, message: str, parents: Sequence[str]) -> str:
    """Commit `tree` one second after the youngest parent, so that a repeated commit is no second one."""
    date = f"@{await _youngest(git, parents) + 1} +0000"
    make = partial(
        git,
        "commit-tree",
        tree,
        *(argument for parent in parents for argument in ("-p", parent)),
        input=(identity.signed(message.replace("\0", "").strip()) + "\n").encode("utf-8", "replace"),
        environment=identity.environment | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
    )
    return (await edge(Edge.committed, "merge" if len(parents) > 1 else "commit", make)).text


async def _youngest(git: Git, commits: Sequence[str]) -> int:
    if not commits:
        return FIRST_DATE
    dates = await git("log", "--no-walk", "--format=%ct", "--end-of-options", *commits)
    return max(int(date) for date in dates.text.split())


async def is_ancestor(git: Git, ancestor: str, commit: str) -> bool:
    """Return whether `commit` contains `ancestor`; a commit contains itself."""
    answer = await git("merge-base", "--is-ancestor", ancestor, commit, codes=(0, 1))
    return answer.code == 0


async def merge(git: Git, identity: Identity, into: str, commit: str, message: str) -> str:
    """Merge `commit` into `into` without a worktree; raises `MergeConflict` with the paths in conflict."""
    if await is_ancestor(git, commit, into):
        return into
    if await is_ancestor(git, into, commit):
        return commit
    merged = await git("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", into, commit, codes=(0, 1))
    tree, *paths = merged.items
    if merged.code == 1:
        unique = tuple(sorted(set(paths)))
        if not unique:
            raise GitError(f"git merge-tree failed: {merged.stderr.strip() or 'it did not say why'}")
        raise MergeConflict(f"The same lines were changed on both sides in {', '.join(unique)}.", unique)
    return await commit_tree(git, identity, tree, message, (into, commit))
