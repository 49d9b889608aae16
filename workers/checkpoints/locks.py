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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        async with asyncio.timeout(seconds):
            while not _taken(descriptor):  # noqa: ASYNC110 - the holder may be another process
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        os.close(descriptor)
        raise Transient(f"Another task has been busy with {path.stem} for more than {seconds:.0f} s.") from None
    except BaseException:
        os.close(descriptor)
        raise
    try:
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
