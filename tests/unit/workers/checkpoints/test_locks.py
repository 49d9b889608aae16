"""A lock between processes: held by one, given back, and taken from a holder that stands still."""

import asyncio
import fcntl
import os
import time

import pytest

from app.errors import Transient
from workers.checkpoints import locks


def held_by_another(path, seconds_ago):
    """Hold the lock as a process would that gave its last sign of life some time ago."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.utime(descriptor, (time.time() - seconds_ago,) * 2)
    return descriptor


async def test_a_lock_is_gone_once_it_is_given_back(tmp_path):
    async with locks.locked(tmp_path / "a.lock", 1):
        with pytest.raises(Transient):
            async with locks.locked(tmp_path / "a.lock", 0.1, breakable=True):
                pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("seconds_ago", "breakable"), [(60, False), (0, True)])
async def test_a_lock_is_waited_for(tmp_path, seconds_ago, breakable):
    """While its holder lives, and always where breaking it could do harm."""
    descriptor = held_by_another(tmp_path / "a.lock", seconds_ago)
    with pytest.raises(Transient):
        async with locks.locked(tmp_path / "a.lock", 0.2, breakable=breakable):
            pass
    os.close(descriptor)


async def test_a_lock_that_only_saves_work_is_taken_from_a_holder_that_stands_still(tmp_path):
    descriptor = held_by_another(tmp_path / "a.lock", 60)
    async with locks.locked(tmp_path / "a.lock", 1, breakable=True):
        locks._give_back(tmp_path / "a.lock", descriptor)  # it wakes up and ends
        assert (tmp_path / "a.lock").exists()


async def test_a_holder_that_takes_long_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "FROZEN", 0.2)
    async with locks.locked(tmp_path / "a.lock", 1):
        await asyncio.sleep(0.5)
        with pytest.raises(Transient):
            async with locks.locked(tmp_path / "a.lock", 0.1, breakable=True):
                pass
