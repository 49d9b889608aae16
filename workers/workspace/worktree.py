"""One checkout of a base commit: what has changed in it, as changes, a patch, a tree or a commit."""

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.ports import Change
from app.errors import GitError
from workers.workspace import changes, merge
from workers.workspace.command import Git, Identity

LARGEST_FILE = 20_000_000  # bytes; GitHub warns from 50 MB on


class Checkout:
    """A worktree of a mirror.

    git is always told where its directory is, so the `.git` file in the checkout means nothing here. What is
    asked of the present state goes through a copy of the index, which keeps the base as it was checked out.
    """

    def __init__(self, git: Git, path: Path, base: str, identity: Identity) -> None:
        """Take a checkout of `base` that is there already; `git` has its directory and worktree."""
        self._git = git
        self._path = path
        self._base = base
        self._identity = identity
        self._one_at_a_time = asyncio.Lock()
        self._links: list[str] | None = None

    @property
    def path(self) -> Path:
        """Where the files are."""
        return self._path

    @property
    def base(self) -> str:
        """The commit that everything is compared with."""
        return self._base

    async def changes(self) -> list[Change]:
        """Return what differs from the base, untracked files included, ignored ones not."""
        async with self._snapshot() as index:
            diff = await self._git("diff", "--cached", *changes.DIFF, self._base, environment=index)
        return changes.parse(diff.stdout)

    async def state(self) -> tuple[str, list[Change]]:
        """Return the tree's id and what differs from the base, seen at one moment."""
        async with self._snapshot() as index:
            tree = (await self._git("write-tree", environment=index)).text
            diff = await self._git("diff", *changes.DIFF, self._base, tree)
        return tree, changes.parse(diff.stdout)

    async def patch(self) -> bytes:
        """Return all that differs from the base as one binary patch; empty when nothing does."""
        options = ("--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
        async with self._snapshot() as index:
            return (await self._git("diff", "--cached", *options, self._base, environment=index)).stdout

    async def restore(self, patch: bytes) -> None:
        """Make the tree the base plus `patch`, whatever it was before; ignored files go too."""
        async with self._one_at_a_time:
            await asyncio.to_thread(_remove_nested_git, self._path)
            await self._git("read-tree", "--reset", "-u", self._base)
            await self._git("clean", "-ffdxq")
            if patch:
                await self._apply(patch)

    async def tree(self) -> str:
        """Return the id of the git tree that committing now would make."""
        async with self._snapshot() as index:
            return (await self._git("write-tree", environment=index)).text

    async def commit(self, message: str, parents: Sequence[str], paths: Sequence[str] | None = None) -> str:
        """Commit the present tree, or just `paths` of it, onto `parents`; the same of all three give the same sha."""
        tree = await self.tree()
        if paths is not None:
            tree = await self._tree_with(parents[0], tree, paths)
        return await merge.commit_tree(self._git, self._identity, tree, message, parents)

    async def _tree_with(self, commit: str, tree: str, paths: Sequence[str]) -> str:
        """Return the tree of `commit` with `paths` as they are in `tree`."""
        found = (await self._git("ls-tree", "-r", "-z", "--full-tree", tree, "--", *paths)).items
        named = dict(entry.split("\t", 1)[::-1] for entry in found)
        absent = f"0 {'0' * 40}"
        rows = "".join(f"{named.get(path, absent)}\t{path}\0" for path in paths)
        with _Copy(self._git.directory / "index") as copy:
            index = {"GIT_INDEX_FILE": str(copy)}
            await self._git("read-tree", commit, environment=index)
            await self._git("update-index", "-z", "--index-info", input=os.fsencode(rows), environment=index)
            return (await self._git("write-tree", environment=index)).text

    async def _apply(self, patch: bytes) -> None:
        # In the index first: files can be in another line ending than what git stores and compares.
        with _Copy(self._git.directory / "index") as copy:
            index = {"GIT_INDEX_FILE": str(copy)}
            await self._git("apply", "--cached", "--binary", "--whitespace=nowarn", input=patch, environment=index)
            tree = (await self._git("write-tree", environment=index)).text
        await self._git("read-tree", "--reset", "-u", tree)
        await self._git("read-tree", "--reset", self._base)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[dict[str, str]]:
        """Stage everything in a copy of the index; yields the environment that makes git use it."""
        async with self._one_at_a_time:
            for link in await self._submodules():
                await asyncio.to_thread(_close_submodule, self._path, link)
            # Files that only changed hands are read once here, not at each snapshot.
            await self._git("update-index", "-q", "--refresh", codes=(0, 1))
            listed = await self._git("ls-files", "-z", "--others", "--modified", "--exclude-standard")
            await asyncio.to_thread(_admit, self._path, set(listed.items))
            with _Copy(self._git.directory / "index") as copy:
                index = {"GIT_INDEX_FILE": str(copy)}
                if listed.stdout:
                    await self._git("add", "--all", environment=index)
                yield index

    async def _submodules(self) -> list[str]:
        """Return where the base has submodules, which are never checked out here."""
        if self._links is None:
            listed = await self._git("ls-tree", "-r", "-z", self._base)
            self._links = [item.split("\t", 1)[1] for item in listed.items if item.startswith("160000 ")]
        return self._links


class _Copy:
    """A copy of an index, its time included: by that time git knows which entries it can't trust."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._directory = tempfile.TemporaryDirectory(prefix="snapshot-", dir=index.parent)

    def __enter__(self) -> Path:
        return Path(shutil.copy2(self._index, Path(self._directory.name) / "index"))

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()


def _admit(root: Path, paths: set[str]) -> None:
    """Refuse what is too large for a commit, and make repositories inside the checkout plain directories."""
    for path in paths:
        if path.endswith("/"):  # so git lists a repository of its own
            _remove_nested_git(root / path, itself=True)
            continue
        if not _is_text(path):
            raise GitError(f"The name of the file {path!r} isn't UTF-8; rename it.")
        try:
            status = (root / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue  # deleted
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise GitError(f"{path} is a pipe, socket or device, which can't be committed; delete it.")
        if stat.S_ISREG(status.st_mode) and status.st_size > LARGEST_FILE:
            raise GitError(
                f"{path} has {status.st_size // 1_000_000} MB, and files over {LARGEST_FILE // 1_000_000} MB"
                " can't be committed. Delete it or add it to .gitignore."
            )


def _close_submodule(root: Path, path: str) -> None:
    """Remove the repository that a command made where a submodule belongs.

    `git add` would start another git in there, which obeys that repository's own configuration: its filters are
    commands, and they would run as the worker.
    """
    place = root / path
    if place.is_dir() and place.resolve() == root.resolve() / path:  # links may lead to others' repositories
        remove(place / ".git")


def _is_text(path: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in path)


def _remove_nested_git(root: Path, *, itself: bool = False) -> None:
    for directory, directories, files in os.walk(root):
        if ".git" in directories + files and (itself or Path(directory) != root):
            remove(Path(directory) / ".git")
        directories[:] = [name for name in directories if name != ".git"]


def remove(path: Path) -> None:
    """Delete whatever is at `path`, also where directories were made read-only; symlinks aren't followed."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, onerror=_retry_writable)
        else:
            path.unlink()


def _retry_writable(function: Callable[[str], object], path: str, failure: Any) -> None:
    if isinstance(failure[1], FileNotFoundError):
        return
    for made_writable in (Path(path).parent, Path(path)):
        if not made_writable.is_symlink():
            made_writable.chmod(0o700)
    if function in (os.unlink, os.rmdir):
        function(path)
    else:  # it couldn't be listed
        shutil.rmtree(path)
