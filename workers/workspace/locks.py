"""Locks between processes that end with their holder, however it ends."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.errors import Transient


def try_lock(path: Path) -> int | None:
    """Take the lock at `path` and return its file descriptor, or None when somebody holds it.

    A child process that inherits the descriptor holds the lock as well, for as long as it lives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # Whoever held it before may have removed the file between our open and our lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)


def release(path: Path, descriptor: int) -> None:
    """Give the lock back and remove its file."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


@asynccontextmanager
async def locked(path: Path, seconds: float) -> AsyncIterator[int]:
    """Hold the lock at `path`; raises `Transient` when it wasn't free within `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (descriptor := try_lock(path)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise Transient(f"Another process has held {path.name} for more than {seconds:g} seconds.")
        await asyncio.sleep(0.02)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
