"""Keeps what a mount hides (git's own files) as it was, whatever ran in the mount."""

import shutil
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
        for path in paths:
            self._kept.setdefault(path, _Kept(_content(path))).users += 1
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
    if path.is_symlink() or path.is_dir():
        raise SandboxUnavailable(f"{path} can't be protected here: only a plain file can, as git's worktrees have.")
    return path.read_bytes() if path.exists() else None


def _restore(path: Path, content: bytes | None) -> None:
    if path.is_symlink() or not path.is_dir():
        if content is not None and not path.is_symlink() and path.exists() and path.read_bytes() == content:
            return
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
    if content is not None:
        path.write_bytes(content)
