"""Each fault of git over HTTP, as git itself meets it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Git, World

REPO = "/repos/acme/sample"


@pytest.fixture
async def clone(world: World, git: Git, tmp_path: Path) -> Path:
    """A clone with a commit that is not pushed yet."""
    await git(tmp_path, "clone", "-q", world.remote(world.you.token or ""), "clone")
    await git(tmp_path / "clone", "commit", "-q", "--allow-empty", "-m", "More")
    return tmp_path / "clone"


def on(world: World, name: str, **options: Any) -> None:
    world.running.hub.faults.replace({name: options})


async def commits(world: World) -> list[str]:
    return [one["commit"]["message"] for one in await world.you("GET", f"{REPO}/commits")]


@pytest.mark.parametrize(
    ("name", "said"),
    [("git-fetch-503", "503"), ("git-fetch-reset", ""), ("git-push-503", "503"), ("git-push-reset", "")],
)
async def test_git_fails_once_and_then_works(world: World, git: Git, clone: Path, name: str, said: str) -> None:
    """A fault of pushes leaves fetches alone, and the other way round."""
    commands = {"fetch": ("fetch", "origin"), "push": ("push", "origin", "main")}
    mine = name.split("-")[1]
    (other,) = commands.keys() - {mine}
    on(world, name, times=1)
    await git(clone, "fetch" if other == "fetch" else "push", *commands[other][1:])
    failed = await git(clone, *commands[mine], check=False)
    assert failed.returncode != 0
    assert said in failed.stderr
    assert (await git(clone, *commands[mine])).returncode == 0
    assert world.running.hub.faults.counts == {name: 1}


async def test_a_push_is_done_and_its_answer_lost(world: World, git: Git, clone: Path) -> None:
    """The branch has moved and the apps are told, though git says that it failed."""
    on(world, "git-push-lost", times=1)
    failed = await git(clone, "push", "origin", "main", check=False)
    assert failed.returncode != 0
    assert await commits(world) == ["More", "First"]
    names = await world.settle()
    assert names.count("push") == 1
    assert (await git(clone, "push", "origin", "main")).returncode == 0


async def test_slowness_and_fresh_tokens_are_met_by_git_too(world: World, git: Git, tmp_path: Path) -> None:
    await world.you("PATCH", REPO, {"private": True})  # git shows its token only when it is asked to
    world.running.hub.faults.replace({"fresh-token": {"seconds": 0.5}, "slow": {"seconds": 0.05, "times": 1}})
    token = await world.token()
    failed = await git(tmp_path, "clone", world.remote(token), "bot", check=False)
    assert failed.returncode != 0
    await asyncio.sleep(0.5)
    assert (await git(tmp_path, "clone", world.remote(token), "bot")).returncode == 0
    assert world.running.hub.faults.counts.keys() == {"fresh-token", "slow"}
