"""Uids for root's commands: who gets which, and what becomes of the tree."""

import os
import time

import pytest

from app.domain.sandbox import Mount
from app.errors import SandboxUnavailable
from workers.sandbox import slots as module
from workers.sandbox.slots import Slots

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


@pytest.fixture
def locks(tmp_path):
    directory = tmp_path / "locks"
    directory.mkdir()
    return directory


@pytest.fixture
def tree(tmp_path):
    directory = tmp_path / "tree"
    directory.mkdir()
    return directory


async def test_a_tree_keeps_its_uid_so_that_nothing_is_handed_over_again(locks, tree):
    (tree / "file").touch()
    async with Slots(locks).owner([Mount(tree, writable=True)]) as first:
        pass
    async with Slots(locks).owner([Mount(tree, writable=True)]) as second:
        pass
    assert first == second == (tree / "file").stat().st_uid
    assert tree.stat().st_uid == 0


async def test_another_process_and_another_tree_get_another_uid(locks, tree, tmp_path):
    async with Slots(locks).owner([Mount(tree, writable=True)]) as first:
        async with Slots(locks).owner([Mount(tree, writable=True)]) as elsewhere:
            pass
        async with Slots(locks).owner([]) as nothing:
            pass
    assert len({first, elsewhere, nothing}) == 3


async def test_commands_of_one_process_share_the_uid_of_a_tree(locks, tree):
    slots = Slots(locks)
    async with slots.owner([Mount(tree, writable=True)]) as first, slots.owner([Mount(tree, writable=True)]) as second:
        assert first == second


async def test_links_are_given_and_never_followed(locks, tree, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").touch()
    (tree / "link").symlink_to(target)
    (tree / ".git").touch()
    async with Slots(locks).owner([Mount(tree, writable=True)]) as uid:
        pass
    assert (tree / "link").lstat().st_uid == uid
    assert (target / "file").stat().st_uid == (tree / ".git").stat().st_uid == 0


async def test_when_all_are_busy_it_says_so(locks, tree, monkeypatch):
    monkeypatch.setattr(module, "COUNT", 1)
    async with Slots(locks).owner([]):
        with pytest.raises(SandboxUnavailable, match="busy"):
            async with Slots(locks).owner([]):
                pass


async def test_a_large_tree_is_handed_over_quickly(locks, tree):
    for folder in range(50):
        (tree / str(folder)).mkdir()
        for file in range(100):
            (tree / str(folder) / str(file)).touch()
    slots = Slots(locks)
    async with slots.owner([Mount(tree, writable=True)]):
        pass
    started = time.perf_counter()
    async with slots.owner([Mount(tree, writable=True)]):
        pass
    assert time.perf_counter() - started < 1
