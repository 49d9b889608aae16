"""Each fault of what the hub holds: moved bases and heads, renamed repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Git, World

REPO = "/repos/acme/sample"
SLOW = ("slow", "webhook-delay", "webhook-reorder", "primary-limit", "too-many-requests", "secondary-limit")


def on(world: World, switches: dict[str, Any]) -> None:
    world.running.hub.faults.replace(switches)


async def test_a_base_moves_just_before_a_merge(world: World) -> None:
    """405, in GitHub's words; the commit that landed is told of, and the merge works when tried again."""
    await world.branch("b", {"x.txt": "x\n"})
    number = (await world.pull("b"))["number"]
    before = (await world.you("GET", f"{REPO}/git/ref/heads/main"))["object"]["sha"]
    on(world, {"base-moved": {"times": 1}})
    refused = await world.you("PUT", f"{REPO}/pulls/{number}/merge", {}, status=405)
    assert refused["message"] == "Base branch was modified. Review and try the merge again."
    base = (await world.you("GET", f"{REPO}/git/ref/heads/main"))["object"]["sha"]
    (landed, first) = await world.you("GET", f"{REPO}/commits")
    assert (landed["sha"], first["sha"]) == (base, before)
    await world.settle()
    assert world.receiver.last("push").payload["after"] == base
    assert (await world.you("PUT", f"{REPO}/pulls/{number}/merge", {}))["merged"] is True


async def test_a_head_moves_just_before_a_merge(world: World) -> None:
    head = await world.branch("b", {"x.txt": "x\n"})
    number = (await world.pull("b"))["number"]
    on(world, {"head-moved": {"times": 1}})
    refused = await world.you("PUT", f"{REPO}/pulls/{number}/merge", {"sha": head}, status=409)
    assert refused["message"] == "Head branch was modified. Review and try the merge again."
    await world.settle()
    moved = world.receiver.last("pull_request.synchronize").payload
    assert moved["before"] == head != moved["after"]
    assert (await world.you("PUT", f"{REPO}/pulls/{number}/merge", {"sha": moved["after"]}))["merged"] is True


async def _redirect(world: World, method: str, path: str, body: Any = None) -> tuple[int, str, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {world.you.token}"}
    url = world.url + path
    async with world.session.request(method, url, json=body, headers=headers, allow_redirects=False) as response:
        return response.status, response.headers["Location"], await response.json()


async def test_a_renamed_repository_is_found_by_its_old_name(world: World, git: Git, tmp_path: Path) -> None:
    """Reads are sent on with 301, writes with 307, git goes on by itself; the apps are told."""
    here = await world.you("GET", REPO)
    on(world, {"renamed": {"to": "other", "match": "GET */issues*"}})
    status, location, body = await _redirect(world, "GET", f"{REPO}/issues?state=all")
    assert (status, location) == (301, f"{world.url}/repositories/{here['id']}/issues?state=all")
    assert (body["message"], body["url"]) == ("Moved Permanently", location)
    assert await world.you("GET", location) == []
    status, location, _ = await _redirect(world, "POST", f"/api/v3{REPO}/issues", {"title": "One"})
    assert (status, location) == (307, f"{world.url}/api/v3/repositories/{here['id']}/issues")
    issue = await world.you("POST", location, {"title": "One"})
    assert issue["repository_url"].endswith("/repos/acme/other")
    assert (await world.you("GET", "/repos/acme/other"))["id"] == here["id"]
    assert (await git(tmp_path, "clone", "-q", world.remote(world.you.token or ""), "copy")).returncode == 0
    copy = tmp_path / "copy"
    await git(copy, "commit", "-q", "--allow-empty", "-m", "More")
    await git(copy, "push", "-q", "origin", "main")
    await world.settle()
    renamed = world.receiver.last("repository.renamed").payload
    assert renamed["changes"]["repository"]["name"]["from"] == "sample"
    assert renamed["repository"]["full_name"] == "acme/other"
    assert world.receiver.last("push").payload["repository"]["full_name"] == "acme/other"


async def test_git_is_renamed_under_way_too(world: World, git: Git, tmp_path: Path) -> None:
    on(world, {"renamed": {"times": 1, "match": "*service=git-upload-pack"}})
    assert (await git(tmp_path, "clone", "-q", world.remote(world.you.token or ""), "copy")).returncode == 0
    assert (await world.you("GET", "/repos/acme/sample-renamed"))["name"] == "sample-renamed"


async def test_a_private_repository_says_to_strangers_nothing_of_its_new_name(world: World) -> None:
    await world.you("PATCH", REPO, {"private": True, "name": "other"})
    await world.stranger("GET", REPO, status=404)
    assert (await _redirect(world, "GET", REPO))[0] == 301


async def test_a_name_is_given_back_and_what_is_under_way_goes_on(world: World) -> None:
    await world.you("PATCH", REPO, {"name": "other"})
    await world.you("POST", "/orgs/acme/repos", {"name": "sample"}, status=422)
    await world.you("PATCH", "/repos/acme/other", {"name": "sample"})
    await world.write("main", "x.txt", "x\n")
    assert (await _redirect(world, "GET", "/repos/acme/other"))[0] == 301


async def test_a_renamed_repository_is_not_imported_again(start: Callable[..., Any]) -> None:
    """The hub is started again with the same arguments: one repository, its redirect, its commits."""
    world: World = await start()
    await world.write("main", "x.txt", "x\n")
    await world.you("PATCH", REPO, {"name": "other"})
    again: World = await start()
    assert (await _redirect(again, "GET", REPO))[0] == 301
    assert len(await again.you("GET", "/repos/acme/other/commits")) == 2


@pytest.mark.parametrize("name", ["../up", "", "sample"])
async def test_a_repository_keeps_its_name_for_a_bad_one(world: World, name: str) -> None:
    await world.you("PATCH", REPO, {"name": name}, status=422 if name == "../up" else 200)
    assert (await world.you("GET", REPO))["name"] == "sample"


async def test_everything_at_once_breaks_clients_but_not_the_hub(
    world: World, git: Git, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under all faults at random the hub's own log stays clean, and afterwards everything works."""
    quick = {name: {"rate": 0.1, "seconds": 0.05} for name in SLOW}
    bot = await world.bot()
    on(world, {"random": {"seed": 3, "rate": 0.1}, **quick})
    statuses = set()
    for n in range(40):
        calls = [
            ("POST", f"{REPO}/issues", {"title": str(n)}),
            ("GET", f"{REPO}/issues", None),
            ("PUT", f"{REPO}/contents/f{n}.txt", {"message": "m", "content": "YQ=="}),
            ("GET", f"{REPO}/issues/{n}", None),
        ]
        for client in (world.you, bot):
            for method, path, body in calls:
                statuses.add(await _status(client, method, path, body))
        if n % 10 == 0:
            await git(tmp_path, "clone", "-q", world.remote(world.you.token or ""), f"c{n}", check=False)
    assert len(world.running.hub.faults.counts) > 15
    assert statuses >= {0, 200, 201, 301, 403, 429, 500, 502, 503}
    world.running.hub.faults.clear()
    await world.settle()
    assert (await world.you("GET", "/repos/acme/sample-renamed"))["name"] == "sample-renamed"
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


async def _status(client: Any, method: str, path: str, body: Any) -> int:
    headers = {"Authorization": f"Bearer {client.token}"}
    url = client.world.url + path
    try:
        async with client.world.session.request(
            method, url, json=body, headers=headers, allow_redirects=False
        ) as response:
            await response.read()
            return int(response.status)
    except aiohttp.ClientError:
        return 0
