"""Mirrors, worktrees, merges and pushes with real git, against a repository on this disk."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain.ports import Change
from app.domain.project import Repository
from app.errors import GitError, MergeConflict, PushRejected, Transient
from workers.workspace import Clones
from workers.workspace.mirror import Mirror

REPOSITORY = Repository(full_name="octo/sample", installation_id=1)
FILES = {"a.py": "one\ntwo\nthree\n", "b/c.py": "x = 1\n", ".gitignore": "*.log\n"}


def git(path: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    ran = subprocess.run(["git", "-C", path, *identity, *arguments], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def forges(url: str) -> SimpleNamespace:
    """What a mirror asks of GitHub: where to clone from, and a token."""

    async def info() -> SimpleNamespace:
        return SimpleNamespace(clone_url=url)

    async def token() -> str:
        return "ghs_secret"

    return SimpleNamespace(of=lambda repository: SimpleNamespace(info=info, token=token))


@pytest.fixture
def origin(git_repository, tmp_path: Path) -> Path:
    bare = tmp_path / "origin.git"
    subprocess.run(["git", "clone", "-q", "--bare", git_repository(FILES), bare], check=True)
    return bare


@pytest.fixture
async def mirror(origin: Path, tmp_path: Path) -> Mirror:
    return await Clones(tmp_path / "data", forges(str(origin))).of(REPOSITORY)


@pytest.fixture
async def base(mirror: Mirror) -> str:
    head = await mirror.head("main")
    assert head is not None
    return head


async def committed(mirror: Mirror, base: str, files: dict[str, str], name: str = "t") -> str:
    async with mirror.worktree(name, base) as tree:
        for path, content in files.items():
            (tree.path / path).write_text(content)
        return await tree.commit(f"Change {', '.join(files)}", [base])


# --- the mirror


async def test_a_mirror_has_the_branches_and_reads_files(mirror: Mirror, base: str) -> None:
    assert await mirror.files(base) == [".gitignore", "a.py", "b/c.py"]
    assert await mirror.read(base, "b/c.py") == b"x = 1\n"
    assert await mirror.read(base, "b") is None
    assert await mirror.read(base, "missing") is None
    assert await mirror.read(base, "*.py") is None
    assert await mirror.head("other") is None


async def test_fetch_brings_what_is_new_and_drops_what_is_gone(mirror: Mirror, origin: Path, base: str) -> None:
    git(origin, "branch", "side", base)
    await mirror.fetch()
    assert await mirror.head("side") == base
    git(origin, "branch", "-D", "side")
    await asyncio.gather(*(mirror.fetch() for _ in range(5)))
    assert await mirror.head("side") is None


async def test_an_empty_repository_has_no_head(git_repository, tmp_path: Path) -> None:
    empty = await Clones(tmp_path / "data", forges(str(git_repository()))).of(REPOSITORY)
    await empty.fetch()
    assert await empty.head("main") is None


@pytest.mark.parametrize("name", ["../x", "octo/../x", "octo/.git", "octo/a b", "octo/-x", "octo", "octo/x.lock"])
async def test_a_name_that_is_no_plain_directory_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(GitError):
        await Clones(tmp_path, forges("/nowhere")).of(Repository(full_name=name, installation_id=1))


async def test_a_repository_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"git fetch failed: .*does not appear to be a git repository"):
        await Clones(tmp_path, forges(str(tmp_path / "none"))).of(REPOSITORY)
    assert not list((tmp_path / "mirrors/octo").glob("*.git"))


async def test_an_unreachable_host_may_be_tried_again_and_keeps_the_token_to_itself(tmp_path: Path) -> None:
    with pytest.raises(Transient) as failed:
        await Clones(tmp_path, forges("http://127.0.0.1:9/octo/sample.git")).of(REPOSITORY)
    assert "ghs_secret" not in str(failed.value)


async def test_what_a_killed_clone_and_a_killed_fetch_left_behind_is_cleared(origin: Path, tmp_path: Path) -> None:
    mirrors = tmp_path / "data/mirrors/octo"
    (mirrors / ".sample.git.half/objects").mkdir(parents=True)
    mirror = await Clones(tmp_path / "data", forges(str(origin))).of(REPOSITORY)
    assert [path.name for path in mirrors.iterdir() if path.is_dir()] == ["sample.git"]
    git(origin, "branch", "side", "main")
    (mirrors / "sample.git/refs/heads/side.lock").touch()
    (mirrors / "sample.git/packed-refs.lock").touch()
    await mirror.fetch()
    assert await mirror.head("side") is not None


async def test_two_processes_may_fetch_at_once(mirror: Mirror, origin: Path, tmp_path: Path) -> None:
    other = await Clones(tmp_path / "data", forges(str(origin))).of(REPOSITORY)
    await asyncio.gather(*(m.fetch() for m in (mirror, other, mirror, other)))


# --- worktrees


async def test_changes_are_against_the_base_with_lines(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        (tree.path / "a.py").write_text("one\n2\nthree\nfour\n")
        (tree.path / "b/c.py").unlink()
        (tree.path / "-ü\n x.py").write_text("new\n")
        (tree.path / "bin").write_bytes(b"\0\1\2")
        (tree.path / "noise.log").write_text("ignored")
        (tree.path / "b/__pycache__").mkdir()
        (tree.path / "b/__pycache__/c.pyc").write_text("left by a tool")
        assert await tree.changes() == [
            Change("-ü\n x.py", "A", frozenset({1})),
            Change("a.py", "M", frozenset({2, 4})),
            Change("b/c.py", "D"),
            Change("bin", "A", frozenset({1})),
        ]


async def test_a_moved_file_shows_at_both_ends(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        (tree.path / "a.py").rename(tree.path / "z.py")
        assert await tree.changes() == [Change("a.py", "D"), Change("z.py", "R")]


async def test_a_patch_rebuilds_the_tree_whatever_it_was_before(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        assert await tree.patch() == b""
        (tree.path / "a.py").write_text("one\n2\n")
        (tree.path / "run.sh").write_text("echo\n")
        (tree.path / "run.sh").chmod(0o755)
        (tree.path / "link").symlink_to("/etc/passwd")
        (tree.path / "bin").write_bytes(bytes(range(256)))
        patch, wanted = await tree.patch(), await tree.tree()
    async with mirror.worktree("other", base) as tree:
        (tree.path / "a.py").unlink()
        (tree.path / "b/c.py").write_text("spoiled")
        (tree.path / "rest").mkdir()
        (tree.path / "rest/x.log").write_text("ignored")
        (tree.path / "bin").mkdir()
        await tree.restore(patch)
        assert await tree.tree() == wanted
        assert await tree.patch() == patch
        assert (tree.path / "link").is_symlink()
        assert not (tree.path / "rest").exists()
        await tree.restore(b"")
        assert await tree.changes() == []
        with pytest.raises(GitError):
            await tree.restore(b"not a patch")


async def test_line_endings_that_attributes_ask_for_survive_a_patch(mirror: Mirror, base: str) -> None:
    attributes = await committed(mirror, base, {".gitattributes": "*.bat text eol=crlf\n", "x.bat": "a\r\nb\r\n"})
    async with mirror.worktree("t", attributes) as tree:
        assert (tree.path / "x.bat").read_bytes() == b"a\r\nb\r\n"
        (tree.path / "x.bat").write_bytes(b"a\r\nB\r\n")
        patch = await tree.patch()
        await tree.restore(patch)
        assert (tree.path / "x.bat").read_bytes() == b"a\r\nB\r\n"
        assert await tree.patch() == patch


async def test_the_same_commit_made_twice_is_one(mirror: Mirror, base: str) -> None:
    first = await committed(mirror, base, {"a.py": "new\n"}, "one")
    second = await committed(mirror, base, {"a.py": "new\n"}, "two")
    assert first == second != base
    assert await mirror.is_ancestor(base, first)
    assert not await mirror.is_ancestor(first, base)
    assert await mirror.changes(base, first) == [Change("a.py", "M", frozenset({1}))]
    assert "+new" in await mirror.diff(base, first)
    assert git(mirror._home, "log", "-1", "--format=%an %ct", first).startswith("aurora[bot] ")


async def test_repositories_made_inside_a_worktree_are_plain_directories(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        for name in ("fresh", "used", "b"):
            (tree.path / name).mkdir(exist_ok=True)
            git(tree.path / name, "init", "-q")
            (tree.path / name / "file").write_text("x\n")
        git(tree.path / "used", "add", ".")
        git(tree.path / "used", "commit", "-q", "-m", "Mine")
        (tree.path / "fresh/deep").mkdir()
        git(tree.path / "fresh/deep", "init", "-q")
        (tree.path / "fresh/deep/file").write_text("x\n")
        assert [change.path for change in await tree.changes()] == [
            "b/file",
            "fresh/deep/file",
            "fresh/file",
            "used/file",
        ]


async def test_a_spoiled_git_file_in_the_worktree_means_nothing(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        (tree.path / ".git").unlink()
        git(tree.path, "init", "-q")
        (tree.path / ".git/hooks/post-checkout").write_text("#!/bin/sh\ntouch /tmp/ran\n")
        (tree.path / "a.py").write_text("new\n")
        assert [change.path for change in await tree.changes()] == ["a.py"]
        await tree.restore(b"")
        assert await tree.changes() == []


async def test_filters_that_this_machine_knows_do_not_run(
    mirror: Mirror, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text(f'[filter "evil"]\nclean = touch {tmp_path}/ran\nrequired = true\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    async with mirror.worktree("t", base) as tree:
        (tree.path / ".gitattributes").write_text("* filter=evil diff=evil merge=evil -diff\n")
        (tree.path / "a.py").write_text("new\n")
        assert Change("a.py", "M", frozenset({1})) in await tree.changes()
    assert not (tmp_path / "ran").exists()


async def test_a_huge_file_is_refused_with_its_name(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        with (tree.path / "huge.bin").open("wb") as huge:
            huge.truncate(21_000_000)
        with pytest.raises(GitError, match=r"huge.bin has 21 MB"):
            await tree.patch()


async def test_a_name_that_is_no_text_is_refused(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        (tree.path / os.fsdecode(b"caf\xe9.txt")).write_text("x")
        with pytest.raises(GitError, match="isn't UTF-8; rename it"):
            await tree.changes()


async def test_submodules_stay_as_they_are(mirror: Mirror, base: str, origin: Path, tmp_path: Path) -> None:
    source = tmp_path / "sample"
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{base},sub")
    git(source, "commit", "-q", "-m", "Link")
    git(source, "push", "-q", str(origin), "main")
    await mirror.fetch()
    head = await mirror.head("main")
    assert head not in {None, base}
    async with mirror.worktree("t", head) as tree:
        assert await tree.changes() == []
        (tree.path / "a.py").write_text("new\n")
        assert [change.path for change in await tree.changes()] == ["a.py"]
        await tree.restore(await tree.patch())
        assert [change.path for change in await tree.changes()] == ["a.py"]


async def test_a_commit_leaves_submodules_and_files_kept_elsewhere_as_they_are(
    mirror: Mirror, base: str, origin: Path, tmp_path: Path
) -> None:
    """There is no filter here that would know them, and none is needed: what isn't touched is committed as it was."""
    source = tmp_path / "sample"
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 12345\n"
    (source / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (source / "model.bin").write_text(pointer)
    (source / ".gitmodules").write_text('[submodule "sub"]\n\tpath = sub\n\turl = https://example.com/sub.git\n')
    git(source, "add", "--all")
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{base},sub")
    git(source, "commit", "-q", "-m", "Link and point")
    git(source, "push", "-q", str(origin), "main")
    await mirror.fetch()
    head = await mirror.head("main")
    assert head
    sha = await committed(mirror, head, {"a.py": "new\n"})
    merged = await mirror.merge(sha, await committed(mirror, head, {"d.py": "d\n"}, "u"), "Merge")
    await mirror.push(merged, "work", None)
    assert git(origin, "ls-tree", "work", "sub") == f"160000 commit {base}\tsub"
    assert git(origin, "show", "work:model.bin") == pointer.strip()
    assert git(origin, "diff", "--name-only", head, "work").splitlines() == ["a.py", "d.py"]


async def test_where_it_is_asked_for_every_commit_is_signed_off_by_who_made_it(origin: Path, tmp_path: Path) -> None:
    clones = Clones(tmp_path / "data", forges(str(origin)))
    plain, signing = await clones.of(REPOSITORY), await clones.of(REPOSITORY, sign_off=True)
    base = await signing.head("main") or ""
    left, right = await committed(signing, base, {"a.py": "1\n"}), await committed(plain, base, {"b/c.py": "2\n"})
    merged = await signing.merge(left, right, "Merge\n\nCo-authored-by: Ann <ann@example.com>")
    await signing.push(merged, "work", None)
    messages = git(origin, "log", "--format=%an <%ae>%n%B%x00", "work").split("\0")
    trailers = [message.strip().splitlines() for message in messages if "Signed-off-by" in message]
    assert [lines[-1] for lines in trailers] == [f"Signed-off-by: {lines[0]}" for lines in trailers]
    assert [lines[1] for lines in trailers] == ["Merge", "Change a.py"]
    assert trailers[0][-2] == "Co-authored-by: Ann <ann@example.com>"  # one block of trailers
    assert await signing.subjects(merged, 2) == ["Change a.py", "Change b/c.py"]  # without the merge


async def test_a_repository_planted_in_a_submodule_runs_nothing(
    mirror: Mirror, base: str, origin: Path, tmp_path: Path
) -> None:
    source, ran = tmp_path / "sample", tmp_path / "ran"
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{base},sub")
    git(source, "commit", "-q", "-m", "Link")
    git(source, "push", "-q", str(origin), "main")
    await mirror.fetch()
    head = await mirror.head("main")
    assert head is not None
    async with mirror.worktree("t", head) as tree:
        planted = tree.path / "sub"
        git(planted, "init", "-q")
        (planted / ".gitattributes").write_text("* filter=evil\n")
        (planted / "f").write_text("one\n")
        git(planted, "add", "--all")
        git(planted, "config", "filter.evil.clean", f"touch {ran}; cat")
        (planted / ".git" / "HEAD").write_text(f"{base}\n")  # where the submodule should be: git looks at its files
        (planted / "f").write_text("two\n")
        (tree.path / "a.py").write_text("new\n")
        assert [change.path for change in await tree.changes()] == ["a.py"]
        assert not ran.exists()


async def test_a_link_in_the_way_to_a_submodule_is_not_followed(
    mirror: Mirror, base: str, origin: Path, tmp_path: Path
) -> None:
    source = tmp_path / "sample"
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{base},libs/sub")
    git(source, "commit", "-q", "-m", "Link")
    git(source, "push", "-q", str(origin), "main")
    await mirror.fetch()
    head = await mirror.head("main")
    assert head is not None
    (tmp_path / "theirs" / "sub").mkdir(parents=True)
    git(tmp_path / "theirs" / "sub", "init", "-q")
    async with mirror.worktree("t", head) as tree:
        (tree.path / "libs" / "sub").rmdir()
        (tree.path / "libs").rmdir()
        (tree.path / "libs").symlink_to(tmp_path / "theirs")
        with contextlib.suppress(GitError):  # some versions of git refuse such a link
            await tree.changes()
        assert (tmp_path / "theirs" / "sub" / ".git" / "HEAD").is_file()


async def test_a_pipe_or_socket_is_no_file_of_the_repository(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        os.mkfifo(tree.path / "pipe")
        assert await tree.changes() == []
        (tree.path / "a.py").unlink()
        os.mkfifo(tree.path / "a.py")
        with pytest.raises(GitError, match=r"a.py is a pipe"):
            await tree.changes()


async def test_a_change_that_keeps_size_and_time_is_seen(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        before = (tree.path / "a.py").stat()
        (tree.path / "a.py").write_text("ONE\ntwo\nthree\n")
        os.utime(tree.path / "a.py", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert [change.path for change in await tree.changes()] == ["a.py"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
async def test_files_of_another_user_are_read_and_removed(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        for path in (tree.path, *tree.path.rglob("*")):
            os.chown(path, 12345, 12345)
        (tree.path / "b").chmod(0o500)
        (tree.path / "a.py").write_text("new\n")
        assert [change.path for change in await tree.changes()] == ["a.py"]
    assert not tree.path.exists()


async def test_eight_worktrees_at_once(mirror: Mirror, base: str) -> None:
    shas = await asyncio.gather(*(committed(mirror, base, {"a.py": f"{n}\n"}, f"t{n}") for n in range(8)))
    assert len(set(shas)) == 8


async def test_fetches_do_not_mind_worktrees_that_come_and_go(mirror: Mirror, origin: Path, base: str) -> None:
    async def come_and_go(name: str) -> None:
        for _ in range(3):
            async with mirror.worktree(name, base):
                git(origin, "branch", "-f", name, base)
                await mirror.fetch()

    await asyncio.gather(*(come_and_go(f"t{n}") for n in range(6)))


async def test_a_cancelled_worktree_is_removed(mirror: Mirror, base: str, tmp_path: Path) -> None:
    entered = asyncio.Event()

    async def hold() -> None:
        async with mirror.worktree("t", base):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "data/worktrees/octo/sample").iterdir())


async def test_who_takes_over_gets_a_fresh_tree_and_a_holder_that_stands_still_keeps_its_own(
    mirror: Mirror, base: str, origin: Path, tmp_path: Path
) -> None:
    async with mirror.worktree("t", base) as stalled:
        (stalled.path / "a.py").write_text("mine\n")
        other = await Clones(tmp_path / "data", forges(str(origin))).of(REPOSITORY)
        async with other.worktree("t", base) as fresh:
            assert fresh.path != stalled.path
            assert await fresh.changes() == []
        assert [change.path for change in await stalled.changes()] == ["a.py"]


HOLDER = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
from app.domain.project import Repository
from workers.workspace import Clones

async def main():
    async def info(): return SimpleNamespace(clone_url=sys.argv[2])
    async def token(): return ""
    forges = SimpleNamespace(of=lambda repository: SimpleNamespace(info=info, token=token))
    repository = Repository(full_name="octo/sample", installation_id=1)
    mirror = await Clones(Path(sys.argv[1]), forges).of(repository)
    async with mirror.worktree("t", await mirror.head("main")) as tree:
        (tree.path / "a.py").write_text("left behind")
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def killed(origin: Path, tmp_path: Path) -> Path:
    """A data directory in which a process was killed while it held a worktree."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, tmp_path / "data", origin, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await process.stdout.read()
    return tmp_path / "data"


async def test_a_worktree_left_by_a_killed_process_is_taken_over(killed: Path, origin: Path) -> None:
    assert (killed / "worktrees/octo/sample/t/a.py").read_text() == "left behind"
    mirror = await Clones(killed, forges(str(origin))).of(REPOSITORY)
    assert not (killed / "worktrees/octo/sample/t").exists()
    base = await mirror.head("main")
    assert base is not None
    async with mirror.worktree("t", base) as tree:
        assert await tree.changes() == []
        assert tree.path == killed / "worktrees/octo/sample/t"


# --- merges and pushes


async def test_a_merge_is_the_same_each_time_and_contained_commits_make_none(mirror: Mirror, base: str) -> None:
    left = await committed(mirror, base, {"a.py": "left\n"})
    right = await committed(mirror, base, {"b/c.py": "right\n"})
    merged = await mirror.merge(left, right, "Merge right")
    assert merged == await mirror.merge(left, right, "Merge right")
    assert await mirror.read(merged, "a.py") == b"left\n"
    assert await mirror.read(merged, "b/c.py") == b"right\n"
    assert await mirror.merge(base, left, "No merge") == left
    assert await mirror.merge(left, base, "No merge") == left
    assert await mirror.tree(merged) != await mirror.tree(left)


async def test_a_conflict_names_its_paths(mirror: Mirror, base: str) -> None:
    left = await committed(mirror, base, {"a.py": "left\n", "b/c.py": "left\n"})
    right = await committed(mirror, base, {"a.py": "right\n"})
    with pytest.raises(MergeConflict) as conflict:
        await mirror.merge(left, right, "Merge right")
    assert conflict.value.paths == ("a.py",)


async def test_a_push_succeeds_only_from_where_the_branch_was_expected(mirror: Mirror, origin: Path, base: str) -> None:
    first = await committed(mirror, base, {"a.py": "first\n"})
    second = await committed(mirror, first, {"a.py": "second\n"})
    await mirror.push(first, "aurora/1.1", None)
    assert git(origin, "rev-parse", "aurora/1.1") == first == await mirror.head("aurora/1.1")
    await mirror.push(first, "aurora/1.1", None)
    with pytest.raises(PushRejected):
        await mirror.push(second, "aurora/1.1", None)
    with pytest.raises(PushRejected):
        await mirror.push(second, "aurora/1.1", base)
    await mirror.push(second, "aurora/1.1", first)
    assert git(origin, "rev-parse", "aurora/1.1") == second


async def test_of_pushes_that_race_for_a_branch_one_wins(mirror: Mirror, base: str) -> None:
    shas = [await committed(mirror, base, {"a.py": f"{n}\n"}) for n in range(4)]
    ends = await asyncio.gather(*(mirror.push(sha, "race", None) for sha in shas), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", *["PushRejected"] * 3]


async def test_a_push_the_other_side_forbids_says_why(mirror: Mirror, origin: Path, base: str) -> None:
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho branches here are protected >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitError, match="branches here are protected") as refused:
        await mirror.push(await committed(mirror, base, {"a.py": "x\n"}), "b", None)
    assert not isinstance(refused.value, PushRejected)


async def test_a_long_difference_is_cut_and_says_so(mirror: Mirror, base: str) -> None:
    commit = await committed(mirror, base, {"big.txt": "line\n" * 200_000})
    diff = await mirror.diff(base, commit)
    assert len(diff) < 401_000
    assert "cut here" in diff


# --- single files, and commits of a part


async def test_one_file_is_rewritten_without_a_checkout(mirror: Mirror, base: str) -> None:
    """Everything else stays, and the same is the same commit."""
    made = await mirror.rewrite(base, "b/c.py", b"x = 2\r\n\xff", "Rewrite")
    assert await mirror.read(made, "b/c.py") == b"x = 2\r\n\xff"
    assert [change.path for change in await mirror.changes(base, made)] == ["b/c.py"]
    assert made == await mirror.rewrite(base, "b/c.py", b"x = 2\r\n\xff", "Rewrite")
    emptied = await mirror.rewrite(made, "a.py", b"", "Empty it")
    assert await mirror.read(emptied, "a.py") == b""
    assert await mirror.is_ancestor(made, emptied)


async def test_the_kind_of_a_rewritten_file_stays(mirror: Mirror, base: str) -> None:
    async with mirror.worktree("t", base) as tree:
        (tree.path / "run me.sh").write_text("exit 1\n")
        (tree.path / "run me.sh").chmod(0o755)
        before = await tree.commit("Add", [base])
    made = await mirror.rewrite(before, "run me.sh", b"exit 0\n", "Rewrite")
    async with mirror.worktree("t", made) as tree:
        assert os.access(tree.path / "run me.sh", os.X_OK)
        assert (tree.path / "run me.sh").read_text() == "exit 0\n"


@pytest.mark.parametrize(
    "path", ["link", "link/x", "../a.py", "b", "b/", "/a.py", "", ".git/config", "new.py", "b/../a.py"]
)
async def test_only_a_regular_file_that_is_there_is_rewritten(mirror: Mirror, base: str, path: str) -> None:
    async with mirror.worktree("t", base) as tree:
        (tree.path / "link").symlink_to("/etc")
        linked = await tree.commit("Link", [base])
    with pytest.raises(GitError):
        await mirror.rewrite(linked, path, b"x", "Rewrite")


async def test_some_of_what_changed_is_committed_by_itself(mirror: Mirror, base: str) -> None:
    """One after the other they are the whole, and the same commits each time."""
    async with mirror.worktree("t", base) as tree:
        (tree.path / "a.py").write_text("changed\n")
        (tree.path / "b/c.py").unlink()
        (tree.path / "new.py").write_text("new\n")
        first = await tree.commit("One", [base], ["a.py"])
        second = await tree.commit("Two", [first], ["b/c.py", "new.py"])
        whole = await tree.commit("All", [base])
        assert first == await tree.commit("One", [base], ["a.py"])
    assert [(change.path, change.status) for change in await mirror.changes(base, first)] == [("a.py", "M")]
    assert await mirror.tree(second) == await mirror.tree(whole)
