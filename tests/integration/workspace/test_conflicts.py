"""What git can't merge is shown with its three texts, and merged with the text that settles it; real git."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.domain.ports import Conflicted
from app.domain.project import Repository
from app.errors import MergeConflict
from tests.integration.workspace.test_mirror import forges, git
from workers.workspace import Clones
from workers.workspace.mirror import Mirror

REPOSITORY = Repository(full_name="octo/sample", installation_id=1)
LINES = "".join(f"line {number}\n" for number in range(1, 20))
FILES: dict[str, str | bytes] = {"a.py": "f(a)\n", "deep/er/b.py": LINES, "other.py": "x = 1\n", "logo.png": b"\0\1"}
Content = Mapping[str, str | bytes | None]


class Repo:
    """A repository with two branches, and a mirror of it."""

    def __init__(self, path: Path, data: Path) -> None:
        self.path, self.data = path, data

    def change(self, branch: str, files: Content, message: str) -> str:
        """Commit changes of `main` on a new branch."""
        git(self.path, "checkout", "-q", "-b", branch, "main")
        for name, content in files.items():
            target = self.path / name
            if content is None:
                target.unlink()
            else:
                target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.commit(message)

    def commit(self, message: str) -> str:
        git(self.path, "add", "-A")
        git(self.path, "commit", "-q", "-m", message)
        return git(self.path, "rev-parse", "HEAD")

    async def mirror(self) -> Mirror:
        return await Clones(self.data, forges(str(self.path))).of(REPOSITORY)


@pytest.fixture
def repo(git_repository, tmp_path: Path) -> Repo:
    return Repo(git_repository(FILES), tmp_path / "data")


async def test_a_conflict_is_shown_with_its_three_texts(repo: Repo):
    """A file that both made has none before."""
    ours = repo.change("ours", {"a.py": "f(a, b)\n", "new.py": "b = 1\n", "other.py": "x = 2\n"}, "Ours")
    theirs = repo.change("theirs", {"a.py": "f(a, c)\n", "new.py": "c = 1\n"}, "Theirs")
    assert await (await repo.mirror()).conflicts(ours, theirs) == (
        Conflicted("a.py", "f(a)\n", "f(a, b)\n", "f(a, c)\n"),
        Conflicted("new.py", None, "b = 1\n", "c = 1\n"),
    )


async def test_a_resolution_is_merged_with_all_that_merges_by_itself(repo: Repo, tmp_path: Path):
    """Modes, links and submodules stay as they are, and the commit is the same each time."""
    git(repo.path, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},deep/module")
    (repo.path / "deep/er/b.py").chmod(0o755)
    (repo.path / "link").symlink_to("a.py")
    git(repo.path, "add", "link", "deep/er/b.py")
    git(repo.path, "commit", "-q", "-m", "Special things")
    (repo.path / "deep/module").mkdir()
    one, two = LINES.replace("line 9\n", "one 9\n"), LINES.replace("line 9\n", "two 9\n")
    ours = repo.change("ours", {"a.py": "f(a, b)\n", "deep/er/b.py": one, "other.py": "x = 2\n"}, "Ours")
    theirs = repo.change("theirs", {"a.py": "f(a, c)\n", "deep/er/b.py": two, "late.py": "z = 1\n"}, "Theirs")
    mirror = await repo.mirror()
    files = {"a.py": "f(a, b, c)\n", "deep/er/b.py": LINES.replace("line 9\n", "öne 9\ntwo 9\n")}
    merged = await mirror.resolve(ours, theirs, "Merge theirs", files)

    assert merged == await mirror.resolve(ours, theirs, "Merge theirs", dict(reversed(files.items())))
    assert {path: (await mirror.read(merged, path) or b"").decode() for path in ("other.py", "late.py", *files)} == {
        "other.py": "x = 2\n", "late.py": "z = 1\n", **files
    }  # fmt: skip
    bare = next((tmp_path / "data/mirrors/octo").glob("*.git"))
    assert git(bare, "show", "-s", "--format=%P %s", merged) == f"{ours} {theirs} Merge theirs"
    modes = {line.split("\t")[1]: line[:6] for line in git(bare, "ls-tree", "-r", merged).splitlines()}
    assert (modes["deep/er/b.py"], modes["link"], modes["deep/module"], modes["a.py"]) == (
        "100755", "120000", "160000", "100644"
    )  # fmt: skip
    assert not (bare / "index").exists()


async def test_a_file_that_one_side_moved_is_resolved_where_it_is_now(repo: Repo):
    """Its text before is that of its old name."""
    one, two = LINES.replace("line 9\n", "one 9\n"), LINES.replace("line 9\n", "two 9\n")
    ours = repo.change("ours", {"deep/er/b.py": None, "moved.py": one}, "Ours")
    theirs = repo.change("theirs", {"deep/er/b.py": two}, "Theirs")
    mirror = await repo.mirror()
    assert await mirror.conflicts(ours, theirs) == (Conflicted("moved.py", LINES, one, two),)
    merged = await mirror.resolve(ours, theirs, "Merge", {"moved.py": "both\n"})
    assert await mirror.read(merged, "moved.py") == b"both\n"
    assert await mirror.read(merged, "deep/er/b.py") is None


BIG = "".join(f"a line of {number}\n" for number in range(6_000))
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n"


@pytest.mark.parametrize(
    ("path", "why", "ours", "theirs"),
    [
        ("logo.png", "isn't text", {"logo.png": b"\0\2"}, {"logo.png": b"\0\3"}),
        ("a.py", "isn't text", {"a.py": b"f(\xe4)\n"}, {"a.py": "f(b)\n"}),
        ("big.bin", "isn't text", {"big.bin": LFS.format("a")}, {"big.bin": LFS.format("b")}),
        ("a.py", "deleted", {"a.py": None}, {"a.py": "f(b)\n"}),
        ("a.py", "deleted", {"a.py": "f(b)\n"}, {"a.py": None}),
        ("big.txt", "too large", {"big.txt": f"{BIG}1\n"}, {"big.txt": f"{BIG}2\n"}),
        ("a\u202eb.txt", "name", {"a\u202eb.txt": "1\n"}, {"a\u202eb.txt": "2\n"}),
    ],
)
async def test_what_no_text_can_settle_says_why_and_is_not_resolved(
    repo: Repo, path: str, why: str, ours: Content, theirs: Content
):
    """No model is to be asked for it."""
    one, other = repo.change("ours", ours, "Ours"), repo.change("theirs", theirs, "Theirs")
    mirror = await repo.mirror()
    (found,) = await mirror.conflicts(one, other)
    assert found.path == path
    assert why in (found.obstacle or "")
    assert (found.base, found.ours, found.theirs) == (None, "", "")
    if why not in {"isn't text", "too large"}:  # only of these git knows no more than that they differ
        with pytest.raises(MergeConflict):
            await mirror.resolve(one, other, "Merge", {path: "text\n"})


async def test_what_both_sides_moved_or_linked_is_for_a_person(repo: Repo):
    """Each of its names says so."""
    ours = repo.change("ours", {"deep/er/b.py": None, "one.py": LINES}, "Ours")
    theirs = repo.change("theirs", {"deep/er/b.py": None, "two.py": LINES}, "Theirs")
    found = await (await repo.mirror()).conflicts(ours, theirs)
    assert {one.path for one in found} >= {"one.py", "two.py"}
    assert all(one.obstacle for one in found)


async def test_a_link_against_a_file_is_for_a_person(repo: Repo):
    """Its text would be a path."""
    theirs = repo.change("theirs", {"a.py": "f(b)\n"}, "Theirs")
    git(repo.path, "checkout", "-q", "-b", "ours", "main")
    (repo.path / "a.py").unlink()
    (repo.path / "a.py").symlink_to("other.py")
    ours = repo.commit("Ours")
    found = await (await repo.mirror()).conflicts(ours, theirs)
    assert found
    assert all(one.obstacle for one in found)


async def test_a_resolution_of_too_little_or_too_much_is_none(repo: Repo):
    """Nothing may be left with markers in it, and nothing else may be written."""
    ours = repo.change("ours", {"a.py": "f(a, b)\n"}, "Ours")
    theirs = repo.change("theirs", {"a.py": "f(a, c)\n"}, "Theirs")
    mirror = await repo.mirror()
    for files in ({}, {"a.py": "f(a, b, c)\n", "other.py": "x = 3\n"}):
        with pytest.raises(MergeConflict):
            await mirror.resolve(ours, theirs, "Merge", files)


async def test_the_messages_of_one_side_alone_are_told(repo: Repo):
    """Those of both, and merges, are not."""
    ours = repo.change("ours", {"a.py": "f(a, b)\n"}, "Pass b\n\nIt is needed.")
    theirs = repo.change("theirs", {"a.py": "f(a, c)\n"}, "Pass c")
    mirror = await repo.mirror()
    assert await mirror.words(ours, theirs) == "- Pass b\n\nIt is needed."
    assert await mirror.words(theirs, ours) == "- Pass c"
