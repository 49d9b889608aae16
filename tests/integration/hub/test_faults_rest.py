"""Each fault of REST as a client sees it."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from conftest import Client, World

REPO = "/repos/acme/sample"


def on(world: World, **switches: Any) -> None:
    """Switch faults on; the names' hyphens are underscores here."""
    world.running.hub.faults.replace({name.replace("_", "-"): given for name, given in switches.items()})


def counts(world: World) -> dict[str, int]:
    return dict(world.running.hub.faults.counts)


async def raw(client: Client, method: str, path: str, body: Any = None) -> aiohttp.ClientResponse:
    """Ask once, on a connection of its own, without following redirects."""
    headers = {"Authorization": f"Bearer {client.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, client.world.url + path, json=body, headers=headers, allow_redirects=False) as response,
    ):
        await response.read()
        return response


@pytest.mark.parametrize(("name", "status"), [("error-500", 500), ("error-502", 502), ("error-503", 503)])
async def test_an_error_comes_instead_of_a_write(world: World, name: str, status: int) -> None:
    on(world, **{name: {"times": 1}})
    answer = await world.you.whole("POST", f"{REPO}/issues", {"title": "One"}, status=status)
    assert answer.data["message"]
    assert answer.headers["x-github-request-id"]
    assert await world.you("GET", f"{REPO}/issues") == []


async def test_an_answer_is_slow(world: World) -> None:
    on(world, slow={"seconds": 0.4, "times": 1})
    started = time.monotonic()
    await world.you("GET", REPO)
    slow = time.monotonic() - started
    await world.you("GET", REPO)
    assert slow >= 0.4
    assert counts(world) == {"slow": 1}


async def test_a_connection_is_reset_before_anything_is_done(world: World) -> None:
    on(world, reset={"times": 1, "match": "POST *"})
    with pytest.raises(aiohttp.ClientOSError) as refused:
        await raw(world.you, "POST", f"{REPO}/issues", {"title": "One"})
    assert isinstance(refused.value, ConnectionResetError) or refused.value.errno == 104
    assert await world.you("GET", f"{REPO}/issues") == []


async def test_a_write_is_done_and_its_answer_lost(world: World) -> None:
    on(world, answer_lost={"times": 1})
    with pytest.raises(aiohttp.ClientError):
        await raw(world.you, "POST", f"{REPO}/issues", {"title": "One"})
    assert [one["title"] for one in await world.you("GET", f"{REPO}/issues")] == ["One"]
    assert (await world.settle()).count("issues.opened") == 1


async def test_a_write_is_done_and_answered_with_502(world: World) -> None:
    on(world, answer_502={"times": 1})
    await world.you("POST", f"{REPO}/issues", {"title": "One"}, status=502)
    assert [one["title"] for one in await world.you("GET", f"{REPO}/issues")] == ["One"]


async def test_a_refused_write_has_no_answer_to_lose(world: World) -> None:
    """Only what succeeded is lost."""
    on(world, answer_502={}, answer_lost={})
    await world.you("POST", f"{REPO}/issues", {}, status=422)
    assert counts(world) == {}


async def test_a_body_ends_in_its_middle(world: World) -> None:
    on(world, truncated={"times": 1})
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw(world.you, "GET", REPO)
    assert (await world.you("GET", REPO))["full_name"] == world.repo


async def test_a_primary_limit_holds_for_the_whole_installation_until_its_reset(world: World) -> None:
    """Another token of the installation is refused as well, a person isn't; who asks meanwhile is counted."""
    one, other = await world.bot(), await world.bot()
    on(world, primary_limit={"times": 1, "seconds": 1})
    first = await one.whole("GET", REPO, status=403)
    second = await other.whole("GET", REPO, status=403)
    assert first.headers["x-ratelimit-remaining"] == second.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in first.headers
    assert first.data["message"].startswith("API rate limit exceeded for installation ID ")
    await world.you("GET", REPO)
    reset = int(first.headers["x-ratelimit-reset"])
    assert time.time() < reset <= time.time() + 2
    await asyncio.sleep(reset - time.time() + 0.01)
    await one("GET", REPO)
    await other("GET", REPO)
    assert counts(world) == {"primary-limit": 1}
    assert world.running.hub.faults.again == {"primary-limit": 1}


@pytest.mark.parametrize(
    ("name", "status", "header"),
    [("too-many-requests", 429, "1"), ("secondary-limit", 403, "1"), ("secondary-limit-bare", 403, None)],
)
async def test_a_secondary_limit_holds_for_its_time(world: World, name: str, status: int, header: str | None) -> None:
    bot = await world.bot()
    on(world, **{name: {"times": 1, "seconds": 0.3, "match": "POST *"}})
    await bot("GET", REPO)
    refused = await raw(bot, "POST", f"{REPO}/issues", {"title": "One"})
    assert (refused.status, refused.headers.get("Retry-After")) == (status, header)
    assert "secondary rate limit" in (await refused.json())["message"]
    assert refused.headers["X-RateLimit-Remaining"] != "0"
    await asyncio.sleep(0.3)
    await bot("POST", f"{REPO}/issues", {"title": "One"})
    assert counts(world) == {name: 1}


async def test_writes_above_the_real_limit_are_refused(world: World) -> None:
    """Eighty writes a minute go through, with any token of the installation; the next one is told when to come."""
    one, other = await world.bot(), await world.bot()
    on(world, limits={})
    for n in range(80):
        await (one, other)[n % 2]("POST", f"{REPO}/issues/1/reactions", {"content": "eyes"}, status=404)
    await one("GET", REPO)
    refused = await one.whole("POST", f"{REPO}/labels", {"name": "x"}, status=403)
    assert 50 < int(refused.headers["retry-after"]) <= 60
    assert "secondary rate limit" in refused.data["message"]
    await world.you("POST", f"{REPO}/labels", {"name": "x"})
    await world.bot()  # asking for a token writes nothing
    assert counts(world) == {"limits": 1}


async def test_writes_are_limited_by_the_hour_too(world: World) -> None:
    on(world, limits={"minute": 2, "hour": 3})
    written = world.running.hub.faults.memory("limits")
    await world.you("POST", f"{REPO}/labels", {"name": "a"})
    (moments,) = written.values()
    moments.extendleft([time.time() - 1800, time.time() - 1800])
    refused = await world.you.whole("POST", f"{REPO}/labels", {"name": "b"}, status=403)
    assert 1700 < int(refused.headers["retry-after"]) <= 1800


async def test_a_fresh_token_is_not_known_everywhere(world: World) -> None:
    on(world, fresh_token={"seconds": 0.3})
    bot = await world.bot()
    refused = await bot.whole("GET", REPO, status=401)
    assert refused.data["message"] == "Bad credentials"
    await asyncio.sleep(0.3)
    await bot("GET", REPO)
    await world.you("GET", REPO)


async def test_a_token_expires_before_its_time_and_stays_so(world: World) -> None:
    bot = await world.bot()
    on(world, expired_token={"seconds": 0, "times": 1})
    await bot("GET", REPO, status=401)
    await bot("GET", REPO, status=401)
    await (await world.bot())("GET", REPO)
    assert counts(world) == {"expired-token": 1}
    assert world.running.hub.faults.again == {"expired-token": 1}


async def test_what_was_just_made_is_not_found_for_a_moment(world: World) -> None:
    old = await world.you("POST", f"{REPO}/issues", {"title": "Old"})
    on(world, not_found_yet={"seconds": 0.3})
    new = await world.you("POST", f"{REPO}/issues", {"title": "New"})
    await world.you("GET", f"{REPO}/issues/{old['number']}")
    here = f"{REPO}/issues/{new['number']}"
    await world.you("GET", here, status=404)
    await world.you("POST", f"{here}/comments", {"body": "Hi"}, status=404)
    await world.you("GET", f"{REPO}/issues/{new['number']}1", status=404)
    assert counts(world) == {"not-found-yet": 2}
    await asyncio.sleep(0.3)
    await world.you("GET", here)


async def test_new_pull_requests_refs_and_comments_are_not_found_either(world: World) -> None:
    head = await world.branch("b", {"x.txt": "x\n"})
    on(world, not_found_yet={"seconds": 60})
    pull = await world.pull("b")
    await world.you("POST", f"{REPO}/git/refs", {"ref": "refs/heads/c", "sha": head})
    await world.you("GET", f"{REPO}/pulls/{pull['number']}", status=404)
    await world.you("POST", f"{REPO}/issues/{pull['number']}/labels", {"labels": ["a"]}, status=404)
    await world.you("GET", f"{REPO}/git/ref/heads/c", status=404)
    await world.you("GET", f"{REPO}/git/ref/heads/b")
    assert counts(world) == {"not-found-yet": 3}


async def test_a_list_lacks_what_is_new_and_shows_what_was(world: World) -> None:
    """Without what was made since; or as it was when it was last asked for."""
    await world.you("POST", f"{REPO}/issues", {"title": "Old"})
    on(world, stale_list={"seconds": 0.5})
    await world.you("POST", f"{REPO}/issues", {"title": "New"})
    path = f"{REPO}/issues"
    assert [one["title"] for one in await world.you("GET", path)] == ["Old"]
    await world.you("PATCH", f"{path}/1", {"title": "Older"})
    assert [one["title"] for one in await world.you("GET", path)] == ["New", "Old"]
    await asyncio.sleep(0.5)
    assert [one["title"] for one in await world.you("GET", path)] == ["New", "Older"]
    assert counts(world) == {"stale-list": 2}


async def test_a_stale_count_fits_its_list(world: World) -> None:
    bot = await world.bot()
    head = (await world.you("GET", f"{REPO}/git/ref/heads/main"))["object"]["sha"]
    await bot("POST", f"{REPO}/check-runs", {"name": "a", "head_sha": head})
    on(world, stale_list={})
    await bot("POST", f"{REPO}/check-runs", {"name": "b", "head_sha": head})
    shown = await bot("GET", f"{REPO}/commits/{head}/check-runs")
    assert (shown["total_count"], [one["name"] for one in shown["check_runs"]]) == (1, ["a"])


async def test_mergeability_is_not_known_at_first(world: World) -> None:
    """Null from the first question on, for a while; and again when the head has moved."""
    await world.branch("b", {"x.txt": "x\n"})
    number = (await world.pull("b"))["number"]
    on(world, mergeable_null={"seconds": 0.4})
    for _ in range(2):
        shown = await world.you("GET", f"{REPO}/pulls/{number}")
        assert (shown["mergeable"], shown["mergeable_state"]) == (None, "unknown")
        await asyncio.sleep(0.4)
        assert (await world.you("GET", f"{REPO}/pulls/{number}"))["mergeable"] is True
        await world.write("b", "y.txt", "y\n")
    assert counts(world) == {"mergeable-null": 2}


async def test_a_reset_is_one_on_the_wire(world: World) -> None:
    """The kernel says ECONNRESET: no orderly end that a client might take for an empty answer."""
    on(world, reset={})
    host, port = world.url.removeprefix("http://").split(":")

    def ask() -> str:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET /rate_limit HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                return f"{len(connection.recv(100))} bytes"
            except ConnectionResetError:
                return "reset"

    assert await asyncio.to_thread(ask) == "reset"
