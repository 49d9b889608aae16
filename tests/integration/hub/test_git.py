"""Git over HTTP with GitHub's tokens: cloning, pushing, and what a push sets off."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Git, World


async def _clone(world: World, git: Git, path: Path, token: str | None = None) -> Path:
    url = world.remote(token or await world.token())
    await git(path.parent, "clone", "--quiet", url, str(path))
    return path


async def _commit(git: Git, clone: Path, name: str, text: str) -> str:
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text(text)
    await git(clone, "add", "--all")
    await git(clone, "commit", "--quiet", "-m", f"Write {name}")
    return str((await git(clone, "rev-parse", "HEAD")).stdout.strip())


async def test_anyone_clones_a_public_repository_and_nobody_pushes_without_a_token(
    world: World, git: Git, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    await git(tmp_path, "clone", "--quiet", f"{world.url}/{world.repo}", str(clone))
    assert (await git(clone, "tag")).stdout.split() == ["v1"]
    await _commit(git, clone, "x.txt", "x")
    refused = await git(clone, "push", check=False)
    assert refused.returncode != 0
    stranger = world.remote(world.running.description["users"]["stranger"])
    assert "403" in (await git(clone, "push", stranger, "main", check=False)).stderr


async def test_a_token_without_contents_may_not_push(world: World, git: Git, tmp_path: Path) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    await _commit(git, clone, "x.txt", "x")
    reading = world.remote(await world.token(permissions={"contents": "read"}))
    assert "403" in (await git(clone, "push", reading, "main", check=False)).stderr
    assert (await git(clone, "fetch", reading)).returncode == 0
    await world.you("PATCH", f"/repos/{world.repo}", {"private": True})
    other = world.remote(await world.token(permissions={"issues": "write"}))
    assert "403" in (await git(clone, "fetch", other, check=False)).stderr


async def test_a_push_that_touches_workflows_is_refused_to_an_app_without_that_permission(
    world: World, git: Git, tmp_path: Path
) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    await _commit(git, clone, ".github/workflows/ci.yml", "on: push\n")
    refused = await git(clone, "push", "origin", "main:evil", check=False)
    assert "without `workflows` permission" in refused.stderr
    assert "remote rejected" in refused.stderr
    await world.you("GET", f"/repos/{world.repo}/git/ref/heads/evil", status=404)
    mine = world.remote(world.running.description["users"]["you"])
    assert (await git(clone, "push", mine, "main:fine")).returncode == 0
    path = f"/repos/{world.repo}/contents/.github/workflows/ci.yml"
    bot = await world.bot()
    await bot("PUT", path, {"message": "m", "content": ""}, status=403)


async def test_a_push_brings_pull_requests_up_to_date(world: World, git: Git, tmp_path: Path) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    await git(clone, "switch", "--quiet", "-c", "feature")
    first = await _commit(git, clone, "a.txt", "a\n")
    await git(clone, "push", "--quiet", "origin", "feature")
    pull = await world.pull("feature")
    second = await _commit(git, clone, "b.txt", "b\n")
    await git(clone, "push", "--quiet", "origin", "feature")
    await world.settle()
    told = world.receiver.last("pull_request.synchronize").payload
    assert (told["before"], told["after"]) == (first, second)
    pushed = world.receiver.last("push").payload
    assert pushed["ref"] == "refs/heads/feature"
    assert [one["added"] for one in pushed["commits"]] == [["b.txt"]]
    assert pushed["sender"]["login"] == "aurora-test[bot]"
    shown = await world.you("GET", f"/repos/{world.repo}/pulls/{pull['number']}")
    assert (shown["head"]["sha"], shown["commits"]) == (second, 2)
    await git(clone, "fetch", "--quiet", "origin", f"refs/pull/{pull['number']}/head")
    assert (await git(clone, "rev-parse", "FETCH_HEAD")).stdout.strip() == second


async def test_deleting_the_head_closes_its_pull_request(world: World, git: Git, tmp_path: Path) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    await git(clone, "push", "--quiet", "origin", "main:feature")
    await world.write("feature", "x.txt", "x\n")
    pull = await world.pull("feature")
    await git(clone, "push", "--quiet", "origin", ":feature")
    shown = await world.you("GET", f"/repos/{world.repo}/pulls/{pull['number']}")
    assert (shown["state"], shown["merged"]) == ("closed", False)


async def test_pushing_the_commits_of_a_pull_request_to_its_base_merges_it(
    world: World, git: Git, tmp_path: Path
) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    await _commit(git, clone, "x.txt", "x\n")
    await git(clone, "push", "--quiet", "origin", "main:feature")
    pull = await world.pull("feature")
    await git(clone, "push", "--quiet", "origin", "main")
    assert (await world.you("GET", f"/repos/{world.repo}/pulls/{pull['number']}"))["merged"] is True


async def test_of_pushes_that_race_for_one_branch_exactly_one_wins(world: World, git: Git, tmp_path: Path) -> None:
    clones = [await _clone(world, git, tmp_path / f"clone{n}") for n in range(4)]
    heads = [await _commit(git, clone, f"{n}.txt", str(n)) for n, clone in enumerate(clones)]
    done = await asyncio.gather(*(git(clone, "push", "origin", "main", check=False) for clone in clones))
    assert [one.returncode == 0 for one in done].count(True) == 1
    winner = heads[next(n for n, one in enumerate(done) if one.returncode == 0)]
    ref = await world.you("GET", f"/repos/{world.repo}/git/ref/heads/main")
    assert ref["object"]["sha"] == winner


async def test_a_large_push_goes_through_in_chunks(world: World, git: Git, tmp_path: Path) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    (clone / "big.bin").write_bytes(random.Random(7).randbytes(6_000_000))
    await git(clone, "add", ".")
    await git(clone, "commit", "--quiet", "-m", "Big")
    await git(clone, "push", "--quiet", "origin", "main")
    again = await _clone(world, git, tmp_path / "again")
    assert (again / "big.bin").read_bytes() == (clone / "big.bin").read_bytes()


async def test_many_refs_are_negotiated_in_a_gzipped_request(world: World, git: Git, tmp_path: Path) -> None:
    """Git compresses long requests; the hub must read them all the same."""
    clone = await _clone(world, git, tmp_path / "clone")
    for n in range(60):
        # Newer than what both have, which git would otherwise name first and be done.
        await git(clone, "commit", "--quiet", "--allow-empty", "-m", f"{n}", GIT_COMMITTER_DATE=f"@{2**31 + n} +0000")
    await world.write("main", "x.txt", "x\n")
    traced = await git(clone, "fetch", "origin", "main", GIT_TRACE_CURL="1")
    assert "Content-Encoding: gzip" in traced.stderr
    assert (await git(clone, "show", "FETCH_HEAD:x.txt")).stdout == "x\n"


async def test_the_default_branch_and_pull_refs_cannot_be_pushed_away(world: World, git: Git, tmp_path: Path) -> None:
    clone = await _clone(world, git, tmp_path / "clone")
    assert (await git(clone, "push", "origin", ":main", check=False)).returncode != 0
    assert (await git(clone, "push", "origin", "main:refs/pull/7/head", check=False)).returncode != 0


async def test_an_unknown_repository_is_not_found(world: World, git: Git, tmp_path: Path) -> None:
    answer: Any = await git(tmp_path, "clone", f"{world.url}/acme/nothing.git", check=False)
    assert answer.returncode != 0
