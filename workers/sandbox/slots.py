"""Gives root's commands unprivileged uids, one per writable tree at a time, and the tree with it."""

import asyncio
import fcntl
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.sandbox import Mount
from app.errors import SandboxUnavailable

FIRST, COUNT = 58_000, 512
"""Uids that Debian leaves to ordinary accounts and that nobody reaches by counting up from 1000."""

_DEEPEST = 200  # levels, each with a descriptor; a command may nest directories without end
_LOCKS = (Path("/run/lock/aurora-sandbox"), Path("/tmp/aurora-sandbox-locks"))  # noqa: S108 - root's own, see _directory


def _directory() -> Path:
    """Make the directory of locks, which nobody but root may have made."""
    for path in _LOCKS:
        with suppress(OSError):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = path.lstat()
            if stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid():
                return path
    raise SandboxUnavailable(f"{_LOCKS[0]} can't be written: it holds the locks of the sandbox's users.")


@dataclass
class _Slot:
    uid: int
    lock: int
    users: int = 0


@dataclass
class Slots:
    """Uids held by this process; locks on files keep other processes on this machine away from them."""

    directory: Path = field(default_factory=_directory)
    _held: dict[Path | None, _Slot] = field(default_factory=dict)

    @asynccontextmanager
    async def owner(self, mounts: Sequence[Mount]) -> AsyncIterator[int]:
        """Hold a uid that owns all that is in the writable mounts; commands in one tree share it.

        The tree's top keeps its owner, so that git goes on trusting it, and is opened to the uid's group instead.
        """
        writable = [mount for mount in mounts if mount.writable]
        trees = [mount.path for mount in writable]
        key = trees[0] if trees else None
        slot = self._held.get(key) if key is not None else None
        if slot is None:
            slot = self._take(trees)
            self._held[key if key is not None else Path(f"/{slot.uid}")] = slot
        slot.users += 1
        try:
            for mount in writable:
                await asyncio.to_thread(_give, mount, slot.uid)
            yield slot.uid
        finally:
            slot.users -= 1
            if slot.users == 0:
                self._held = {tree: other for tree, other in self._held.items() if other is not slot}
                os.close(slot.lock)

    def _take(self, trees: Sequence[Path]) -> _Slot:
        """Lock a uid, first the one that the tree had the last time: then there is nothing to hand over."""
        known = trees[0].stat().st_gid if trees else FIRST
        first = known - FIRST if FIRST <= known < FIRST + COUNT else os.getpid() * 7
        for number in range(COUNT):
            uid = FIRST + (first + number) % COUNT
            lock = os.open(self.directory / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return _Slot(uid, lock)
            os.close(lock)
        raise SandboxUnavailable(f"All {COUNT} sandbox users are busy: run fewer tasks at a time on this machine.")


def _give(mount: Mount, uid: int) -> None:
    """Make everything below a tree belong to a uid. Works by descriptors: what runs inside may swap names meanwhile."""
    top = os.open(mount.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        state = os.fstat(top)
        if state.st_gid != uid:
            os.fchown(top, -1, uid)
        if state.st_mode & 0o070 != 0o070:
            os.fchmod(top, stat.S_IMODE(state.st_mode) | 0o070)
        _give_entries(top, uid, mount.hidden)
    finally:
        os.close(top)


def _give_entries(directory: int, uid: int, hidden: Sequence[str] = (), depth: int = 0) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name in hidden:
                continue
            with suppress(FileNotFoundError):
                state = entry.stat(follow_symlinks=False)
                if state.st_uid != uid:
                    os.chown(entry.name, uid, uid, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISDIR(state.st_mode) and depth < _DEEPEST:
                    _descend(directory, entry.name, uid, depth + 1)


def _descend(parent: int, name: str, uid: int, depth: int) -> None:
    try:
        child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except NotADirectoryError:
        return  # swapped for something else meanwhile
    try:
        _give_entries(child, uid, depth=depth)
    finally:
        os.close(child)
