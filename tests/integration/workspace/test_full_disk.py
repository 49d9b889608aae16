"""A disk without room is told from everything else that git complains of: the work waits for it."""

from pathlib import Path

import pytest

from app.errors import DiskFull, GitError
from workers.workspace.command import Git, failure


async def test_git_that_finds_no_room_to_write_means_a_full_disk(tmp_path: Path):
    git = Git(tmp_path)
    await git("init", "--quiet", "--bare")
    tree = (await git("mktree")).text
    with pytest.raises(DiskFull, match=r"git archive failed: .*No space left on device.*Make room"):
        await git("archive", "--output=/dev/full", tree)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("error: unable to write file b.py: No space left on device\nfatal: could not reset index", DiskFull),
        ("error: unable to create temporary file: Disk quota exceeded\nfatal: failed to write object", DiskFull),
        ("fatal: cannot create directory at 'b': No space left on device", DiskFull),
        ("remote: fatal: write error: No space left on device\nerror: remote unpack failed", GitError),
        ("fatal: not a git repository", GitError),
    ],
)
def test_only_this_machine_s_disk_is_meant(said: str, kind: type[Exception]):
    """What another server lacks is its own to say."""
    assert type(failure("checkout", said)) is kind
