"""Make commits and merges that come out the same each time they are made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from app.edges import Edge, edge
from app.errors import GitError, MergeConflict
from workers.workspace.command import Git, Identity
from workers.workspace.rewrite import rewritten

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


async def rewrite(git: Git, identity: Identity, commit: str, path: str, content: bytes, message: str) -> str:
    """Commit `content` as the regular file `path` onto `commit`; raises `GitError` where there is no such file."""
    return await commit_tree(git, identity, await rewritten(git, commit, path, content), message, (commit,))


async def _youngest(git: Git, commits: Sequence[str]) -> int:
    if not commits:
        return FIRST_DATE
    dates = await git("log", "--no-walk", "--format=%ct", "--end-of-options", *commits)
    return max(int(date) for date in dates.text.split())


async def is_ancestor(git: Git, ancestor: str, commit: str) -> bool:
    """Return whether `commit` contains `ancestor`; a commit contains itself."""
    answer = await git("merge-base", "--is-ancestor", ancestor, commit, codes=(0, 1))
    return answer.code == 0


async def take_back(git: Git, identity: Identity, onto: str, merged: str, work: tuple[str, str], message: str) -> str:
    """Commit on `onto` what it is without the changes of `merged`; raises `MergeConflict` where it was built upon.

    `work` is base and head of the pull request. A commit that undoes `merged` is made beside it and merged: their
    common ancestor is then `merged` itself. Its message keeps it from being the commit that undid `merged` before.
    """
    before = await _tree(git, await _before(git, merged, *work))
    undone = await commit_tree(git, identity, before, f"Without {merged} on {onto}", [merged])
    return await commit_tree(git, identity, await _merged_tree(git, onto, undone), message, [onto])


async def _before(git: Git, merged: str, base: str, head: str) -> str:
    """Return the commit that a pull request was merged onto: where its commits were rebased, before the first."""
    if merged == head:  # somebody pushed it to the base as it was
        return base
    work = Counter([one.said for one in await _history(git, "--no-merges", head, f"^{merged}")])
    first, *earlier = await _history(git, "--first-parent", f"--max-count={work.total() + 1}", merged)
    before = first.parents[0]
    for one in (first, *earlier):
        if len(one.parents) != 1 or not work[one.said]:  # a merge, a squashed commit, or the base's own
            break
        work[one.said] -= 1
        before = one.parents[0]
    return before


@dataclass(frozen=True)
class _Commit:
    parents: Sequence[str]
    said: str  # who made it, when, and its subject: a rebase leaves that alone, and squashed commits get their own


async def _history(git: Git, *which: str) -> list[_Commit]:
    log = await git("log", "--format=%P%x09%an <%ae> %at %s", "--no-show-signature", "--no-color", *which, "--")
    parted = [line.partition("\t") for line in log.text.split("\n") if line]
    return [_Commit(parents.split(), said) for parents, _, said in parted]


async def _tree(git: Git, commit: str) -> str:
    return (await git("rev-parse", "--verify", f"{commit}^{{tree}}")).text


async def merge(git: Git, identity: Identity, into: str, commit: str, message: str) -> str:
    """Merge `commit` into `into` without a worktree; raises `MergeConflict` with the paths in conflict."""
    if await is_ancestor(git, commit, into):
        return into
    if await is_ancestor(git, into, commit):
        return commit
    return await commit_tree(git, identity, await _merged_tree(git, into, commit), message, (into, commit))


async def _merged_tree(git: Git, into: str, commit: str) -> str:
    """Return the tree of a merge; raises `MergeConflict`."""
    merged = await git("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", into, commit, codes=(0, 1))
    tree, *paths = merged.items
    if merged.code == 1:
        unique = tuple(sorted(set(paths)))
        if not unique:
            raise GitError(f"git merge-tree failed: {merged.stderr.strip() or 'it did not say why'}")
        raise MergeConflict(f"The same lines were changed on both sides in {', '.join(unique)}.", unique)
    return tree
