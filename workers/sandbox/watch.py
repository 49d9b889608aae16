"""Looks at what a running command holds in memory and on disk, where the kernel sets no bound for a whole tree."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.domain.sandbox import Command, Stopped

_INTERVAL = 0.2  # seconds; a short command is never looked at
_KIB = 1024
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and everything below it, as far as it still exists."""
    yield pid
    with suppress(*_GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*_GONE):
                for child in (thread / "children").read_text().split():
                    yield from descendants(int(child))


def memory_of(pid: int) -> int:
    """Return the bytes that a process holds for itself: anonymous and shared memory, not mapped files."""
    with suppress(*_GONE):
        fields = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return sum(int(field[1]) * _KIB for field in fields if field[0] in {"RssAnon:", "RssShmem:"})
    return 0


def size_of(tree: Path) -> int:
    """Return the bytes on disk below a directory; links aren't followed."""
    total = 0
    pending = [str(tree)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return total


def _free(paths: list[Path]) -> list[int]:
    states = [os.statvfs(path) for path in paths]
    return [state.f_bavail * state.f_frsize for state in states]


async def watch(pid: int, command: Command) -> Stopped:
    """Return once the command's processes hold too much; runs until cancelled otherwise."""
    paths = [mount.path for mount in command.mounts if mount.writable]
    before = _free(paths)
    while True:
        await asyncio.sleep(_INTERVAL)
        if sum(memory_of(process) for process in descendants(pid)) > command.limits.total_memory:
            return Stopped.memory
        now = _free(paths)
        if any(was - free > command.limits.disk for was, free in zip(before, now, strict=True)):
            # Others may have filled it: only what lies in the mounts themselves counts.
            sizes = [await asyncio.to_thread(size_of, path) for path in paths]
            if sum(sizes) > command.limits.disk:
                return Stopped.disk
            before = now
