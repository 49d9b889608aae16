"""What becomes of hidden files when commands overlap."""

import pytest

from app.domain.sandbox import Mount
from app.errors import SandboxUnavailable
from workers.sandbox.hidden import Keeper


@pytest.fixture
def mount(tmp_path):
    return Mount(tmp_path, writable=True)


def test_the_last_of_overlapping_commands_restores_what_the_first_one_found(mount):
    keeper, link = Keeper(masks=False), mount.path / ".git"
    link.write_text("gitdir: real")
    with keeper.keep([mount]):
        link.write_text("gitdir: forged")
        with keeper.keep([mount]):
            pass
        assert link.read_text() == "gitdir: forged"
    assert link.read_text() == "gitdir: real"


def test_what_was_not_there_goes_even_when_a_second_command_found_it(mount):
    keeper, link = Keeper(masks=True), mount.path / ".git"
    with keeper.keep([mount]):
        link.mkdir()
        (link / "config").write_text("[core]")
        with keeper.keep([mount]):
            pass
    assert not link.exists()


def test_what_the_recipe_masks_is_left_alone(mount):
    link = mount.path / ".git"
    link.write_text("gitdir: real")
    before = link.stat().st_ino
    with Keeper(masks=True).keep([mount]):
        pass
    assert link.stat().st_ino == before


def test_a_directory_that_cannot_be_masked_is_refused(mount):
    (mount.path / ".git").mkdir()
    with pytest.raises(SandboxUnavailable, match="plain file"), Keeper(masks=False).keep([mount]):
        pass


def test_a_read_only_mount_needs_no_keeping(mount):
    (mount.path / ".git").mkdir()
    with Keeper(masks=False).keep([Mount(mount.path)]):
        pass
