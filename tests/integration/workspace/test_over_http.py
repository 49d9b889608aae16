"""Clones and pushes over real HTTP, with the app's own tokens, against the local GitHub."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from app.domain.project import Repository
from app.errors import GitError, PushRejected, Transient
from app.github.forges import GitHubForges
from hub.main import Import, Options, Running, serving
from workers.workspace import Clones
from workers.workspace.mirror import Mirror

MANIFEST = """
name: Aurora test
url: https://example.org
public: false
hook_attributes: {url: "http://127.0.0.1:9/", active: true}
default_permissions: {metadata: read, contents: write}
default_events: []
"""


@pytest.fixture
async def hub(git_repository, tmp_path: Path) -> AsyncIterator[Running]:
    manifest = tmp_path / "app.yml"
    manifest.write_text(MANIFEST)
    source = git_repository({"a.py": "x = 1\n"})
    options = Options(tmp_path / "hub", imports=(Import(source, "octo", "sample"),), manifest=manifest)
    async with serving(options) as running:
        yield running


@pytest.fixture
async def forges(hub: Running) -> AsyncIterator[GitHubForges]:
    app = hub.description["app"]
    private_key = await asyncio.to_thread(Path(app["private_key_file"]).read_text)
    async with aiohttp.ClientSession() as session:
        yield GitHubForges(
            session,
            app_id=app["id"],
            private_key=private_key,
            api_url=hub.description["api_url"],
            web_url=hub.url,
            clock=lambda: datetime.now(UTC),
        )


@pytest.fixture
async def mirror(forges: GitHubForges, tmp_path: Path) -> Mirror:
    return await Clones(tmp_path / "data", forges).of(await forges.find("octo/sample"))


def contents(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def commit(mirror: Mirror, path: str, content: str) -> str:
    base = await mirror.head("main")
    assert base is not None
    async with mirror.worktree("t", base) as tree:
        (tree.path / path).parent.mkdir(parents=True, exist_ok=True)
        (tree.path / path).write_text(content)
        return await tree.commit(f"Write {path}", [base])


async def test_a_commit_is_pushed_and_fetched_again(mirror: Mirror, forges: GitHubForges, tmp_path: Path) -> None:
    sha = await commit(mirror, "a.py", "x = 2\n")
    await mirror.push(sha, "aurora/1.1", None)
    elsewhere = await Clones(tmp_path / "elsewhere", forges).of(await forges.find("octo/sample"))
    assert await elsewhere.head("aurora/1.1") == sha
    assert await elsewhere.read(sha, "a.py") == b"x = 2\n"


async def test_a_branch_that_moved_is_not_overwritten(mirror: Mirror) -> None:
    first, second = await commit(mirror, "a.py", "x = 2\n"), await commit(mirror, "a.py", "x = 3\n")
    await mirror.push(first, "aurora/1.1", None)
    with pytest.raises(PushRejected):
        await mirror.push(second, "aurora/1.1", None)
    await mirror.push(second, "aurora/1.1", first)


async def test_a_workflow_file_is_refused_with_what_to_do(mirror: Mirror) -> None:
    sha = await commit(mirror, ".github/workflows/ci.yml", "on: push\n")
    with pytest.raises(GitError, match="permission 'Workflows'"):
        await mirror.push(sha, "aurora/1.1", None)


async def test_no_token_is_left_on_this_disk(mirror: Mirror, forges: GitHubForges, tmp_path: Path) -> None:
    token = (await forges.of(await forges.find("octo/sample")).token()).encode()
    await mirror.push(await commit(mirror, "a.py", "x = 2\n"), "aurora/1.1", None)
    written = contents(tmp_path / "data")
    assert b"refs/heads" in written
    assert token not in written
    assert base64.b64encode(b"x-access-token:" + token) not in written


async def test_a_token_that_is_refused_may_be_tried_again_and_is_not_shown(
    forges: GitHubForges, tmp_path: Path
) -> None:
    repository = await forges.find("octo/sample")
    forge = forges.of(repository)

    class Refused:
        info = forge.info

        @staticmethod
        async def token() -> str:
            return "ghs_wrong"

    class RefusedForges:
        @staticmethod
        def of(repository: Repository) -> Refused:
            return Refused()

    with pytest.raises(Transient) as refused:
        await Clones(tmp_path / "data", RefusedForges()).of(repository)
    assert "ghs_wrong" not in str(refused.value)


async def test_work_whose_branch_is_gone_is_taken_back_on_a_machine_that_never_saw_it(mirror, forges, tmp_path: Path):
    """Squashed, what was merged doesn't name the work's own commits; they are fetched by name."""
    await mirror.fetch()
    base = await mirror.head("main")
    work = await mirror.rewrite(base, "a.py", b"x = 2\n", "Work")
    squashed = await mirror.rewrite(base, "a.py", b"x = 2\n", "Work (#1)")
    await mirror.push(work, "work", None)
    await mirror.push(squashed, "main", base)
    await forges.of(await forges.find("octo/sample")).delete_branch("work")
    other = await Clones(tmp_path / "other", forges).of(await forges.find("octo/sample"))
    await other.fetch()
    undone = await other.take_back(squashed, squashed, (base, work), "Revert")
    assert await other.read(undone, "a.py") == b"x = 1\n"
    again = await other.take_back(undone, undone, (squashed, undone), "Revert")
    assert await other.read(again, "a.py") == b"x = 2\n"
    assert await other.read(await other.take_back(again, squashed, (base, work), "Revert"), "a.py") == b"x = 1\n"
