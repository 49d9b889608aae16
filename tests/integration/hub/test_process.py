"""The hub as a process: its command line, its data directory, and what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conftest import Git, Receiver, World

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def hub(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", *arguments, cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        assert url.startswith("http://127.0.0.1:")
        yield process, url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def call(url: str, token: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"token {token}"}
    async with aiohttp.ClientSession() as session, session.request(method, url + path, json=body, headers=headers) as r:
        assert r.status < 300, await r.text()
        return await r.json() if r.content_length else None


async def test_everything_survives_kill_9(sample: Path, manifest: Path, receiver: Receiver, tmp_path: Path) -> None:
    """Kill the hub, start it again: same app, same tokens, same issues; nothing is imported twice."""
    data = tmp_path / "data"
    arguments = ["--data", str(data), "--import", str(sample), "--as", "acme/sample", "--user", "stranger"]
    arguments += ["--manifest", str(manifest), "--webhook-url", receiver.url]
    async with hub(*arguments) as (process, url):
        before = json.loads((data / "hub.json").read_text())
        assert stat.S_IMODE((data / "hub.json").stat().st_mode) == 0o600
        assert (before["url"], before["api_url"]) == (url, url)
        assert set(before["users"]) == {"you", "stranger"}
        token = before["users"]["you"]
        await call(url, token, "POST", "/repos/acme/sample/issues", {"title": "One", "labels": ["aurora"]})
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with hub(*arguments) as (_, url):
        after = json.loads((data / "hub.json").read_text())
        assert (after["app"], after["users"]) == (before["app"], before["users"])
        assert (await call(url, token, "GET", "/repos/acme/sample/issues/1"))["labels"][0]["name"] == "aurora"
        await receiver.until("issues.labeled")
    # What was under way when the hub died may come again, under the same GUID.
    installed = [one for one in receiver.deliveries if one.name == "installation.created"]
    assert len({one.headers["X-GitHub-Delivery"] for one in installed}) == 1


async def test_a_changed_manifest_is_taken_over_at_the_next_start(
    start: Callable[..., Any], without: Callable[[str], None]
) -> None:
    world: World = await start()
    first = world.running.description["app"]
    without("- status\n")
    again: World = await start()
    assert again.running.description["app"] == first
    assert "status" not in (await again.app("GET", "/app"))["events"]


async def test_a_push_that_a_killed_hub_received_is_told_at_the_next_start(
    world: World, start: Callable[..., Any]
) -> None:
    """The note that git's hook left is acted on."""
    sha = (await world.you("GET", f"/repos/{world.repo}/git/ref/heads/main"))["object"]["sha"]
    hub = world.running.hub
    await hub.git({"full_name": world.repo}).update_ref("refs/heads/late", sha, "0" * 40)
    numbers = hub.store.get("SELECT r.id AS repository_id, a.id AS account_id FROM repositories r, accounts a"
                            " WHERE a.login = 'you'")  # fmt: skip
    (hub.places.pushes / "1.json").write_text(json.dumps(numbers))
    (hub.places.pushes / "1.push").write_text(f"{'0' * 40} {sha} refs/heads/late\n")
    again: World = await start()
    await again.settle()
    assert again.receiver.last("push").payload["ref"] == "refs/heads/late"
    assert not list(hub.places.pushes.iterdir())


async def test_a_merge_that_a_killed_hub_began_is_finished_at_the_next_start(
    world: World, start: Callable[..., Any]
) -> None:
    """The base has the merge, the database doesn't know: the pull request is merged, by whom it was."""
    await world.branch("b", {"x.txt": "x\n"})
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    pull = await world.pull("b", body=f"Closes #{issue['number']}")
    hub = world.running.hub
    git = hub.git({"full_name": world.repo})
    base, head = git.branch("main"), git.branch("b")
    assert base
    assert head
    from hub.services.merging import WEB_FLOW

    tree = await git.merged_tree(base, head)
    assert tree
    squash = await git.write_commit(tree, [base], "Squashed\n", WEB_FLOW, WEB_FLOW)
    you = hub.store.value("SELECT id FROM accounts WHERE login = 'you'")
    hub.store.execute("UPDATE pulls SET merging_sha = ?, merging_by_id = ?", squash, you)
    await git.update_ref("refs/heads/main", squash, base)
    again: World = await start()
    shown = await again.you("GET", f"/repos/{world.repo}/pulls/{pull['number']}")
    assert (shown["merged"], shown["merge_commit_sha"], shown["merged_by"]["login"]) == (True, squash, "you")
    assert (await again.you("GET", f"/repos/{world.repo}/issues/{issue['number']}"))["state"] == "closed"


def _times(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


async def test_the_original_repository_is_never_touched(world: World, sample: Path, git: Git) -> None:
    before = _times(sample)
    await world.write("main", "x.txt", "x\n")
    assert _times(sample) == before
    assert (await git(sample, "status", "--porcelain")).stdout == ""


async def test_an_empty_repository_can_be_imported_and_pushed_to(
    start: Callable[..., Any], git: Git, tmp_path: Path
) -> None:
    from hub.main import Import

    empty = tmp_path / "empty"
    empty.mkdir()
    await git(empty, "init", "--quiet", "--initial-branch=trunk")
    world: World = await start(imports=(Import(empty, "acme", "sample"),))
    repo = f"/repos/{world.repo}"
    assert (await world.you("GET", repo))["default_branch"] == "trunk"
    assert (await world.you("GET", f"{repo}/commits", status=409))["message"] == "Git Repository is empty."
    await world.you("GET", f"{repo}/contents/README.md", status=404)
    await world.you("GET", f"{repo}/branches/trunk", status=404)
    await world.you("PUT", f"{repo}/contents/a.txt", {"message": "First", "content": "YQ=="}, status=201)
    assert len(await world.you("GET", f"{repo}/commits")) == 1


async def test_a_detached_head_leaves_a_default_branch(start: Callable[..., Any], sample: Path, git: Git) -> None:
    await git(sample, "checkout", "--quiet", "--detach")
    world: World = await start()
    assert (await world.you("GET", f"/repos/{world.repo}"))["default_branch"] == "main"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--import", "/nowhere/at/all", "--as", "a/b"], "there is no directory /nowhere/at/all"),
        (["--import", os.devnull, "--as", "a/b"], "there is no directory"),
        (["--import", ".", "--as", "nonsense"], "OWNER/NAME"),
        (["--manifest", "/nowhere.yml"], "cannot read the app manifest"),
    ],
)
async def test_a_mistake_on_the_command_line_is_one_sentence(arguments: list[str], reason: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "--data", str(tmp_path), *arguments, cwd=ROOT, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    text = (await asyncio.wait_for(process.stderr.read(), 30)).decode()
    assert await process.wait() in {1, 2}
    assert reason in text
    assert "Traceback" not in text
