"""Merged work is taken back whole and alone, however a person merged it: with real git."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.workspace.test_mirror import REPOSITORY, forges, git
from workers.workspace import Clones
from workers.workspace.mirror import Mirror

START = {"a.py": "".join(f"line {number}\n" for number in range(30)), "b.py": "x = 1\n"}


@pytest.fixture
def people(git_repository, tmp_path: Path) -> Path:
    """A clone of somebody who may push; its branch `main` is the base."""
    bare = tmp_path / "origin.git"
    subprocess.run(["git", "clone", "-q", "--bare", git_repository(START), bare], check=True)
    subprocess.run(["git", "clone", "-q", bare, tmp_path / "people"], check=True)
    return tmp_path / "people"


@pytest.fixture
async def mirror(people: Path) -> Mirror:
    return await Clones(people.parent / "data", forges(str(people.parent / "origin.git"))).of(REPOSITORY)


def change(people: Path, path: str, before: str, after: str, at: int = 0) -> str:
    """Commit one replacement at a time of its own, as an author of its own."""
    text = (people / path).read_text() if (people / path).exists() else before
    (people / path).write_text(text.replace(before, after))
    git(people, "add", path)
    date = f"--date={1_700_000_000 + at} +0000"
    git(people, "commit", "-qm", f"Change {path}", "--author=App <app@example.com>", date)
    return git(people, "rev-parse", "HEAD")


def work(people: Path) -> tuple[str, str]:
    """Commit three changes on a branch; return base and head of the pull request."""
    base = git(people, "rev-parse", "HEAD")
    git(people, "checkout", "-qb", "work")
    change(people, "a.py", "line 3\n", "line 3, changed\n", 1)
    change(people, "new.py", "y = 1\n", "y = 1\n", 2)
    head = change(people, "a.py", "line 20\n", "line 20, changed\n", 3)
    git(people, "checkout", "-q", "main")
    return base, head


def merged(people: Path, how: str, head: str) -> str:
    """Merge as GitHub does, and push; return what it says that the pull request became."""
    match how:
        case "squash":
            git(people, "merge", "-q", "--squash", head)
            git(people, "commit", "-qm", "Work (#1)", "--author=App <app@example.com>")
        case "merge":
            git(people, "merge", "-q", "--no-ff", head, "-m", "Merge pull request #1")
        case "rebase":
            commits = git(people, "rev-list", "--reverse", "--no-merges", head, "^main").split()
            git(people, "cherry-pick", *commits)
        case "push":
            git(people, "merge", "-q", "--ff-only", head)
    git(people, "push", "-q", "origin", "HEAD:main")
    return git(people, "rev-parse", "HEAD")


async def taken_back(mirror: Mirror, people: Path, onto: str, at: str, of: tuple[str, str]) -> str:
    """Return the tree without the work."""
    git(people, "push", "-q", "origin", f"{of[1]}:refs/heads/work", f"{onto}:refs/heads/main")
    await mirror.fetch()
    undone = await mirror.take_back(onto, at, of, "Revert")
    return (await mirror._git("rev-parse", f"{undone}^{{tree}}")).text


@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("how", ["squash", "rebase", "merge"])
async def test_work_is_taken_back_whole_and_alone(mirror: Mirror, people: Path, how: str, moved: bool):
    """Also where the base had moved, close to what the work changes."""
    of = work(people)
    if moved:
        change(people, "a.py", "line 5\n", "line 5, theirs\n")
        change(people, "b.py", "x = 1\n", "x = 2\n")
    before = git(people, "rev-parse", "HEAD^{tree}")
    at = merged(people, how, of[1])
    assert await taken_back(mirror, people, at, at, of) == before
    later = change(people, "c.py", "z = 1\n", "z = 1\n")
    git(people, "rm", "-q", "c.py")
    assert await taken_back(mirror, people, later, at, of) != before
    git(people, "commit", "-qm", "Remove c.py")
    assert await taken_back(mirror, people, git(people, "rev-parse", "HEAD"), at, of) == before


@pytest.mark.parametrize("how", ["squash", "rebase", "merge", "push"])
async def test_what_the_work_had_brought_in_of_the_base_stays(mirror: Mirror, people: Path, how: str):
    """Somebody updated the branch with the newest base before it was merged."""
    base, head = work(people)
    change(people, "b.py", "x = 1\n", "x = 2\n")
    before = git(people, "rev-parse", "HEAD^{tree}")
    now = base if how != "push" else git(people, "rev-parse", "HEAD")  # which is known before the run ends
    git(people, "checkout", "-q", "work")
    git(people, "merge", "-q", "main", "-m", "Merge main")
    head = change(people, "new.py", "y = 1\n", "y = 2\n", 9)
    git(people, "checkout", "-q", "main")
    at = merged(people, how, head)
    assert await taken_back(mirror, people, at, at, (now, head)) == before


async def test_a_commit_that_the_base_had_already_is_no_part_of_it(mirror: Mirror, people: Path):
    """GitHub leaves it out when it rebases."""
    of = work(people)
    first = git(people, "rev-list", "--reverse", of[1], "^main").split()[0]
    git(people, "cherry-pick", first)
    change(people, "b.py", "x = 1\n", "x = 2\n")
    before = git(people, "rev-parse", "HEAD^{tree}")
    git(people, "cherry-pick", *git(people, "rev-list", "--reverse", of[1], f"^{first}").split())
    at = git(people, "rev-parse", "HEAD")
    assert await taken_back(mirror, people, at, at, of) == before
