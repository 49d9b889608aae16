"""A lock between processes and tasks that ends with its holder, however it ends."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from app.errors import Transient

FROZEN = 10.0  # seconds without a sign of life, after which a holder counts as one that stands still
_PAUSE = 0.05  # seconds
_SIGNS = 5  # signs of life in that time


@asynccontextmanager
async def locked(path: Path, seconds: float, *, breakable: bool = False) -> AsyncIterator[None]:
    """Hold the lock at `path`; raises Transient when it isn't free within `seconds`.

    A `breakable` one only saves work, so that it may be taken from a holder that stands still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        async with asyncio.timeout(seconds):
            while (descriptor := _take(path)) is None:  # the holder may be another process
                if breakable:
                    _break(path)
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise Transient(f"Another task has been busy with {path.stem} for more than {seconds:.0f} s.") from None
    signs = asyncio.create_task(_give_signs(descriptor))
    try:
        yield
    finally:
        signs.cancel()
        _give_back(path, descriptor)


async def _give_signs(descriptor: int) -> None:
    while True:
        os.utime(descriptor)
        await asyncio.sleep(FROZEN / _SIGNS)


def _break(path: Path) -> None:
    """Take the file away from a holder that stands still: its lock is on nothing that has a name then."""
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime > FROZEN:
            path.unlink()


def _give_back(path: Path, descriptor: int) -> None:
    with suppress(FileNotFoundError):  # it was broken, and somebody else's may be there now
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            path.unlink()
    os.close(descriptor)


def _take(path: Path) -> int | None:
    """Return a descriptor that holds the lock; it is let go by closing it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed the file after we opened it: then this lock is nobody's.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            os.utime(descriptor)
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def hold(directory: Path) -> int | None:
    """Hold a directory that is one's own; None when somebody does or it isn't there. Closing the descriptor ends it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
