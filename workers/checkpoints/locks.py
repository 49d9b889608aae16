"""A lock between processes and tasks that ends with its holder, however it ends."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.errors import Transient

_PAUSE = 0.05  # seconds


@asynccontextmanager
async def locked(path: Path, seconds: float) -> AsyncIterator[None]:
    """Hold the lock at `path`; raises Transient when it isn't free within `seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        async with asyncio.timeout(seconds):
            while (descriptor := _take(path)) is None:  # noqa: ASYNC110 - the holder may be another process
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise Transient(f"Another task has been busy with {path.stem} for more than {seconds:.0f} s.") from None
    try:
        yield
    finally:
        _give_back(path, descriptor)


def _give_back(path: Path, descriptor: int) -> None:
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _take(path: Path) -> int | None:
    """Return a descriptor that holds the lock; it is let go by closing it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed the file after we opened it: then this lock is nobody's.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
