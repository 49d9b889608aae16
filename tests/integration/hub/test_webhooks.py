"""Delivering webhooks: signed, in order, tried once, redelivered on request, never in the way."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

PRODUCED = {
    "check-run-completed", "check-run-created", "check-run-requested-action", "check-run-rerequested",
    "check-suite-completed", "check-suite-requested", "check-suite-rerequested", "delete", "installation-created",
    "installation-repositories-added", "issue-comment-created", "issue-comment-deleted", "issue-comment-edited",
    "issues-assigned", "issues-closed", "issues-edited", "issues-labeled", "issues-opened", "issues-reopened",
    "issues-unlabeled", "ping", "pull-request-closed", "pull-request-edited", "pull-request-labeled",
    "pull-request-opened", "pull-request-reopened", "pull-request-review-comment-created",
    "pull-request-review-submitted", "pull-request-synchronize", "push", "status",
}  # fmt: skip


async def test_every_webhook_that_the_hub_sends_is_as_described(world: World) -> None:
    """Cause each event once; the receiver holds every payload against the description."""
    from hub.auth import Actor
    from hub.services import accounts, checks

    repo, bot = f"/repos/{world.repo}", await world.bot()
    await world.you("POST", "/orgs/acme/repos", {"name": "second"})
    issue = await world.you("POST", f"{repo}/issues", {"title": "One", "labels": ["a"], "assignees": ["you"]})
    here = f"{repo}/issues/{issue['number']}"
    await world.you("DELETE", f"{here}/labels/a", status=200)
    for change in ({"title": "Two"}, {"state": "closed"}, {"state": "open"}):
        await world.you("PATCH", here, change)
    comment = await bot("POST", f"{here}/comments", {"body": "Hi"})
    await bot("PATCH", f"{repo}/issues/comments/{comment['id']}", {"body": "Ho"})
    await bot("DELETE", f"{repo}/issues/comments/{comment['id']}")
    head = await world.branch("b", {"src/calc.py": "x\n"})
    pull = await world.pull("b")
    there = f"{repo}/pulls/{pull['number']}"
    await world.you("POST", f"{repo}/issues/{pull['number']}/labels", {"labels": ["a"]}, status=200)
    line = {"path": "src/calc.py", "line": 1, "body": "Why?"}
    await world.stranger("POST", f"{there}/reviews", {"event": "COMMENT", "comments": [line]}, status=200)
    for change in ({"body": "Why"}, {"state": "closed"}, {"state": "open"}):
        await world.you("PATCH", there, change)
    button = {"label": "Fix", "description": "Fix it", "identifier": "fix"}
    run = await bot("POST", f"{repo}/check-runs", {"name": "x", "head_sha": head, "actions": [button]})
    await bot("PATCH", f"{repo}/check-runs/{run['id']}", {"conclusion": "success"})
    await world.you("POST", f"{repo}/check-runs/{run['id']}/rerequest")
    await world.you("POST", f"{repo}/check-suites/{run['check_suite']['id']}/rerequest")
    hub = world.running.hub
    you, row = accounts.by_login(hub.store, "you"), accounts.find_repository(hub, "acme", "sample")
    assert row is not None
    await checks.request_action(hub, Actor(account=you), row, run["id"], "fix")
    await world.you("POST", f"{repo}/statuses/{head}", {"state": "success"})
    await world.write("b", "more.txt", "more\n")
    await world.you("DELETE", f"{repo}/git/refs/heads/b")
    await world.settle()
    if world.conformance.present:
        assert world.conformance.webhooks_seen >= PRODUCED


async def test_deliveries_carry_githubs_headers_and_signature(world: World) -> None:
    await world.settle()
    ping = world.receiver.last("ping")
    assert world.signed(ping)
    assert ping.headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert ping.headers["X-GitHub-Hook-Installation-Target-ID"] == str(world.running.description["app"]["id"])
    assert ping.headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert len({one.headers["X-GitHub-Delivery"] for one in world.receiver.deliveries}) == len(
        world.receiver.deliveries
    )


async def test_reactions_send_nothing_and_rerequests_only_reach_their_app(world: World) -> None:
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    before = len(await world.settle())
    await world.you("POST", f"/repos/{world.repo}/issues/{issue['number']}/reactions", {"content": "eyes"})
    assert len(await world.settle()) == before


async def test_a_failed_delivery_is_not_repeated_until_asked_for(world: World) -> None:
    async def refuse() -> web.Response:
        return web.Response(status=500, text="no")

    await world.settle()
    world.receiver.answer = refuse
    await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    names = await world.settle()
    assert names.count("issues.opened") == 1
    failed = (await world.app("GET", "/app/hook/deliveries?status=failure"))[0]
    assert (failed["status_code"], failed["status"]) == (500, "Invalid HTTP Response: 500")
    world.receiver.answer = None
    await world.app("POST", f"/app/hook/deliveries/{failed['id']}/attempts", status=202)
    assert (await world.settle()).count("issues.opened") == 2
    same = [one.headers["X-GitHub-Delivery"] for one in world.receiver.deliveries if one.name == "issues.opened"]
    assert same[0] == same[1] == failed["guid"]
    whole = await world.app("GET", f"/app/hook/deliveries/{failed['id']}")
    assert whole["response"]["payload"] == "no"


async def test_a_slow_receiver_holds_up_neither_requests_nor_later_deliveries(world: World) -> None:
    """The request answers at once; the next deliveries start while the slow one is still waiting."""
    slow = asyncio.Event()

    async def wait() -> web.Response:
        await slow.wait()
        return web.Response()

    await world.settle()
    world.receiver.answer = wait
    started = time.monotonic()
    for n in range(3):
        await world.you("POST", f"/repos/{world.repo}/issues", {"title": str(n)})
    assert time.monotonic() - started < 5
    await world.receiver.until("issues.opened", 3)
    slow.set()
    titles = [one.payload["issue"]["title"] for one in world.receiver.deliveries if one.name == "issues.opened"]
    assert titles == ["0", "1", "2"]


async def test_an_unreachable_receiver_is_a_failed_delivery(start: Callable[..., Any]) -> None:
    world: World = await start(webhook_url="http://127.0.0.1:9/hook")
    await world.settle()
    listed = await world.app("GET", "/app/hook/deliveries")
    assert {(one["event"], one["status_code"]) for one in listed} == {("ping", 502), ("installation", 502)}


async def test_deliveries_are_forgotten_after_three_days(world: World, start: Callable[..., Any]) -> None:
    await world.settle()
    world.running.hub.store.execute("UPDATE deliveries SET delivered_at = '2020-01-01T00:00:00Z' WHERE event = 'ping'")
    again: World = await start()
    assert [one["event"] for one in await again.app("GET", "/app/hook/deliveries")] == ["installation"]
