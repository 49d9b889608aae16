"""Mirrors that nobody uses go, and come again when they are needed."""

import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain.project import Repository
from workers.workspace import Clones
from workers.workspace.locks import release, try_lock

REPOSITORY = Repository(full_name="octo/sample", installation_id=1)
MONTH = timedelta(days=30)


@pytest.fixture
def clones(git_repository, tmp_path: Path) -> Clones:
    origin = tmp_path / "origin.git"
    subprocess.run(["git", "clone", "-q", "--bare", git_repository({"a": "1\n"}), origin], check=True)

    async def info() -> SimpleNamespace:
        return SimpleNamespace(clone_url=str(origin))

    async def token() -> str:
        return ""

    forge = SimpleNamespace(info=info, token=token)
    return Clones(tmp_path / "data", SimpleNamespace(of=lambda _: forge))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "data" / "mirrors" / "octo" / "sample.git"


def gone(path: Path) -> bool:
    return not path.exists()


def interrupted(home: Path) -> Path:
    return home.rename(home.with_name(".sample.git.removed"))


def unused(home: Path, days: float) -> None:
    long_ago = time.time() - days * 86_400
    os.utime(home, (long_ago, long_ago))


async def test_a_mirror_goes_a_month_after_its_last_use_and_is_cloned_again(clones: Clones, home: Path):
    await clones.of(REPOSITORY)
    assert await clones.prune(MONTH) == 0
    unused(home, 31)
    await clones.of(REPOSITORY)  # which is a use
    assert await clones.prune(MONTH) == 0
    unused(home, 31)
    assert await clones.prune(MONTH) == 1
    assert gone(home)
    mirror = await clones.of(REPOSITORY)
    assert await mirror.head("main")


async def test_a_mirror_that_somebody_is_at_stays(clones: Clones, home: Path):
    await clones.of(REPOSITORY)
    unused(home, 31)
    lock = home.with_name(home.name + ".lock")
    held = try_lock(lock)
    assert held is not None
    assert await clones.prune(MONTH) == 0
    release(lock, held)
    assert await clones.prune(MONTH) == 1


async def test_a_removal_that_was_killed_is_finished_when_the_mirror_is_made_again(clones: Clones, home: Path):
    await clones.of(REPOSITORY)
    doomed = interrupted(home)
    assert await (await clones.of(REPOSITORY)).head("main")
    assert gone(doomed)
