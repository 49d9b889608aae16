"""Keeps what a mount hides (git's own files) as it was, whatever ran in the mount."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.sandbox import Mount
from app.errors import SandboxUnavailable


def _hidden_paths(mounts: Sequence[Mount]) -> list[Path]:
    return [mount.path / name for mount in mounts if mount.writable for name in mount.hidden]


@dataclass
class _Kept:
    content: bytes | None  # None: did not exist
    users: int = 0


@dataclass
class Keeper:
    """Remembers hidden files while commands run; several may run in one mount."""

    masks: bool
    """Whether the recipe mounts something over hidden paths. One that doesn't can restore a file, not a directory."""
    _kept: dict[Path, _Kept] = field(default_factory=dict)

    @contextmanager
    def keep(self, mounts: Sequence[Mount]) -> Iterator[None]:
        """Put back what was there, or wasn't, before the first command began, when the last one has ended.

        Raises SandboxUnavailable for a hidden directory that the recipe can't mask.
        """
        paths = [
            path for path in _hidden_paths(mounts) if not (self.masks and _exists(path) and path not in self._kept)
        ]
        new = {path: _Kept(_content(path)) for path in paths if path not in self._kept}
        self._kept |= new
        for path in paths:
            self._kept[path].users += 1
        try:
            yield
        finally:
            for path in paths:
                self._release(path)

    def _release(self, path: Path) -> None:
        kept = self._kept[path]
        kept.users -= 1
        if kept.users == 0:
            del self._kept[path]
            _restore(path, kept.content)


def _exists(path: Path) -> bool:
    return path.exists() and not path.is_symlink()


def _content(path: Path) -> bytes | None:
    if not os.path.lexists(path):
        return None
    if not stat.S_ISREG(path.lstat().st_mode):
        raise SandboxUnavailable(f"{path} can't be protected here: only a plain file can, as git's worktrees have.")
    return path.read_bytes()


def _restore(path: Path, content: bytes | None) -> None:
    if not _same(path, content):
        remove(path)
        if content is not None:
            path.write_bytes(content)


def _same(path: Path, content: bytes | None) -> bool:
    """Compare without opening what may block (a pipe), lead elsewhere (a link) or be huge."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return content is None
    regular = content is not None and stat.S_ISREG(state.st_mode) and state.st_size == len(content)
    return regular and path.read_bytes() == content


def remove(path: Path) -> None:
    """Remove whatever a command left at a path, however deep, and closed as it may be."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", "--", path], check=False, capture_output=True, timeout=60)
        subprocess.run(["rm", "-rf", "--", path], check=False, capture_output=True, timeout=60)
