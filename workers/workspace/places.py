"""Where worktrees are: a directory and a lock for each, so that none is shared and none stays behind.

These are linked worktrees as git knows them, except that the mirror has no list of them: git reads that list
when it fetches, and fails when another process is just adding to it.
"""

from pathlib import Path

from app.errors import GitError
from workers.workspace.command import Git
from workers.workspace.locks import release, try_lock
from workers.workspace.worktree import remove

_SUFFIXES = (".lock", ".git")


class Places:
    """The directories for the worktrees of one mirror."""

    def __init__(self, root: Path, mirror: Path) -> None:
        """Use `root` for worktrees of `mirror`; nothing is made yet."""
        self._root = root
        self._mirror = mirror

    def take(self, name: str) -> tuple[Path, int]:
        """Take a directory for a worktree; return it and the lock that it is held by.

        A holder that only stands still may wake up and write, so it keeps its directory: the next one
        gets another.
        """
        for number in range(1, 100):
            path = self._root / (name if number == 1 else f"{name}.{number}")
            if (lock := try_lock(_beside(path, ".lock"))) is not None:
                return path, lock
        raise GitError(f"A hundred processes hold worktrees named {name}; end those that hang.")

    def prepare(self, path: Path) -> Git:
        """Make an empty worktree of the mirror in the place of what is there; return git for it."""
        _remove(path)
        own = _beside(path, ".git")
        own.mkdir(mode=0o700)
        (own / "commondir").write_text(f"{self._mirror}\n")
        (own / "HEAD").write_text("ref: refs/heads/none\n")
        path.mkdir()
        # Not for git, which is always told; tools take it as the sign of a repository's root.
        (path / ".git").write_text(f"gitdir: {own}\n")
        return Git(own, path)

    def give_up(self, path: Path, lock: int) -> None:
        """Remove a worktree and give its place back."""
        try:
            _remove(path)
        finally:
            release(_beside(path, ".lock"), lock)

    def clear(self) -> None:
        """Remove all worktrees whose holders are gone."""
        if not self._root.is_dir():
            return
        for path in {_worktree_of(entry) for entry in self._root.iterdir()}:
            if (lock := try_lock(_beside(path, ".lock"))) is not None:
                self.give_up(path, lock)


def _remove(path: Path) -> None:
    remove(path)
    remove(_beside(path, ".git"))


def _beside(worktree: Path, suffix: str) -> Path:
    return worktree.with_name(worktree.name + suffix)


def _worktree_of(entry: Path) -> Path:
    return entry.with_name(entry.stem) if entry.suffix in _SUFFIXES else entry
