"""A repository in git: its mirror, its worktrees, and what changed in them."""

from collections.abc import Sequence
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

    async def commit(self, message: str, parents: Sequence[str]) -> str:
        """Commit the present tree onto `parents` (first: the branch) and return the commit's sha.

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
