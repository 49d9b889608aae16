"""What a run may not leave behind once its processes have ended: worktrees, locks, processes, jobs."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import redis.asyncio

from tests.crash.invariants import asked_again, broken, broken_at_hub
from tests.crash.world import Slot
from workers.workspace.locks import try_lock

GRACE = 2.0  # seconds for what dies with its parent to be gone

# Patterns below the data directory, and what they are.
LITTER = {
    "worktrees/*/*/*": "a worktree",
    "scratch/*": "a scratch directory",
    "mirrors/*/.*.git.*": "an unfinished clone",
    "mirrors/*/*.git/**/*.lock": "a lock of git's",
    "**/*.new": "an unfinished file",
}


async def leftovers(slot: Slot) -> list[str]:
    """Say what is there that should be gone, and which invariants don't hold."""
    found = await _soon_gone(lambda: _processes(slot.data))
    found += [f"Left behind: {what}: {path.relative_to(slot.data)}" for path, what in _litter(slot.data)]
    found += [f"Left behind: a held lock: {path.name}" for path in slot.data.rglob("*.lock") if _is_held(path)]
    connection = await asyncpg.connect(slot.database)
    try:
        found += await broken(connection, at_rest=True)
        found += await broken_at_hub(connection, slot.hub_database)
        found += await asked_again(connection, slot.model.heard)
    finally:
        await connection.close()
    return found + await _jobs(slot)


async def _soon_gone(look: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + GRACE
    while (found := look()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return found


def _processes(data: Path) -> list[str]:
    """Find processes that work in the data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            where = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(data) in words or where.startswith(str(data)):
            found.append(f"Left behind: process {process.name}: {words[:150]}")
    return found


def _litter(data: Path) -> list[tuple[Path, str]]:
    return [(path, what) for pattern, what in LITTER.items() for path in data.glob(pattern)]


def _is_held(path: Path) -> bool:
    lock = try_lock(path)
    if lock is None:
        return True
    os.close(lock)
    return False


async def _jobs(slot: Slot) -> list[str]:
    """Find what the queue still holds.

    A job that was taken by a worker that died stays for up to a minute until it is given up; what it would do is done.
    """
    async with redis.asyncio.Redis.from_url(slot.redis, decode_responses=True) as client:
        keys = sorted([key async for key in client.scan_iter("arq:*")])
    taken = {key.partition("in-progress:")[2] for key in keys if key.startswith("arq:in-progress:")}
    return [f"Left behind in Redis: {key}" for key in keys if not any(key.endswith(f":{job}") for job in taken)]
