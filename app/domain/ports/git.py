"""A repository in git: its mirror, its worktrees, and what changed in them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.domain.project import Repository


@dataclass(frozen=True)
class Change:
    """One changed path, against the worktree's base."""

    path: str
    status: str  # A, M, D, R
    lines: frozenset[int] = frozenset()  # 1-based lines that were added or changed in the new file


@dataclass(frozen=True)
class Conflicted:
    """A path that two sides of a merge changed, so that git can't tell what it should be."""

    path: str
    base: str | None = None  # its text before both changes; None where it wasn't there
    ours: str = ""
    theirs: str = ""
    obstacle: str | None = None  # why no text can settle it; there are no texts then


class Worktree(Protocol):
    """A checkout of its own, made from a base commit; raises `GitError`."""

    @property
    def path(self) -> Path: ...
    @property
    def base(self) -> str: ...
    async def changes(self) -> list[Change]:
        """Return what differs from the base, untracked files included, ignored ones not."""
        ...

    async def patch(self) -> bytes:
        """Return all that differs from the base as one binary patch; empty when nothing does."""
        ...

    async def restore(self, patch: bytes) -> None:
        """Make the tree the base plus `patch`, whatever it was before."""
        ...

    async def state(self) -> tuple[str, list[Change]]:
        """Return the id of the git tree that committing now would make, and what differs from the base."""
        ...

    async def commit(self, message: str, parents: Sequence[str], paths: Sequence[str] | None = None) -> str:
        """Commit the present tree onto `parents` (first: the branch) and return the commit's sha.

        With `paths` only these are as they are at present, the others as in the first parent.
        The same tree, message and parents give the same sha: author, committer and time are derived
        from the parents, so that a repeated commit is no second one.
        """
        ...


class Clone(Protocol):
    """The one mirror of a repository on this machine; raises `GitError`."""

    async def fetch(self) -> None: ...
    async def head(self, branch: str) -> str | None: ...
    async def files(self, commit: str) -> list[str]: ...
    async def read(self, commit: str, path: str) -> bytes | None: ...
    async def diff(self, base: str, commit: str) -> str: ...
    async def changes(self, base: str, commit: str) -> list[Change]: ...
    async def tree(self, commit: str) -> str: ...
    async def subjects(self, commit: str, most: int) -> list[str]:
        """Return the first lines of the last commits up to `commit`, merges left out, newest first."""
        ...

    async def is_ancestor(self, ancestor: str, commit: str) -> bool: ...
    async def merge(self, into: str, commit: str, message: str) -> str:
        """Merge `commit` into the commit `into`, without a worktree; return the merge's sha.

        Returns `commit` or `into` themselves where one already contains the other. Raises `MergeConflict`.
        """
        ...

    async def take_back(self, onto: str, merged: str, work: tuple[str, str], message: str) -> str:
        """Return a commit on `onto` without what `merged` brought; raises `MergeConflict` where that was built upon.

        `merged` is what GitHub made of a pull request with this base and head (`work`): a merge, a squashed commit,
        or the last of rebased ones.
        """
        ...

    async def rewrite(self, commit: str, path: str, content: bytes, message: str) -> str:
        """Commit `content` as the regular file `path` onto `commit`, all else as it is; return the commit's sha.

        The same arguments give the same sha. Raises `GitError` where there is no such file.
        """
        ...

    async def conflicts(self, into: str, commit: str) -> tuple[Conflicted, ...]:
        """Return the paths that keep `commit` from being merged into `into`, with what each side made of them."""
        ...

    async def resolve(self, into: str, commit: str, message: str, files: Mapping[str, str]) -> str:
        """Merge as `merge` does, with these texts at the paths in conflict; the same each time.

        Raises `MergeConflict` with the paths for which there is no text, or can't be one.
        """
        ...

    async def words(self, commit: str, but_not: str) -> str:
        """Return the messages of the newest commits that `commit` contains and `but_not` doesn't."""
        ...

    async def push(self, commit: str, branch: str, expected: str | None) -> None:
        """Make the remote branch point to `commit` if it is at `expected` (None: absent) or there already.

        Raises `PushRejected` otherwise.
        """
        ...

    def worktree(self, name: str, base: str, at: str | None = None) -> AbstractAsyncContextManager[Worktree]:
        """Check out `base` (or the files of `at`, compared with `base`) under `name`; removed at the end."""
        ...


class Clones(Protocol):
    """Where a `Clone` of a repository comes from."""

    async def of(self, repository: Repository, *, sign_off: bool = False) -> Clone:
        """Return the clone; with `sign_off` every commit made with it says by whom it is signed off."""
        ...
