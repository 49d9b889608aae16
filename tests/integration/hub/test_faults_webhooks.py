"""Each fault of webhooks, as their receiver and the list of deliveries see it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Delivery, World

ISSUES = "/repos/acme/sample/issues"


async def on(world: World, name: str, **options: Any) -> None:
    await world.settle()
    world.receiver.deliveries.clear()
    world.running.hub.faults.replace({name: options})


def guids(deliveries: list[Delivery]) -> list[str]:
    return [one.headers["X-GitHub-Delivery"] for one in deliveries]


async def make(world: World, *titles: str) -> None:
    for title in titles:
        await world.you("POST", ISSUES, {"title": title})


def titles(world: World) -> list[str]:
    return [one.payload["issue"]["title"] for one in world.receiver.deliveries]


async def test_a_delivery_comes_twice_under_one_guid(world: World) -> None:
    await on(world, "webhook-duplicate", times=1)
    await make(world, "One", "Two")
    await world.settle()
    assert sorted(titles(world)) == ["One", "One", "Two"]
    assert len(set(guids(world.receiver.deliveries))) == 2
    assert all(world.signed(one) for one in world.receiver.deliveries)


async def test_a_duplicate_may_come_late(world: World) -> None:
    await on(world, "webhook-duplicate", times=1, seconds=0.6)
    await make(world, "One", "Two")
    await world.receiver.until("issues.opened", 3)
    assert titles(world) == ["One", "Two", "One"]


async def test_an_event_comes_again_under_a_new_guid(world: World) -> None:
    """Once more, not without end; both are listed."""
    await on(world, "webhook-new-guid")
    await make(world, "One")
    assert await world.settle() == ["issues.opened"] * 2
    one, other = world.receiver.deliveries
    assert one.payload == other.payload
    assert len(set(guids([one, other]))) == 2
    listed = await world.app("GET", "/app/hook/deliveries")
    assert {each["guid"] for each in listed} >= set(guids([one, other]))


async def test_a_delivery_is_overtaken_by_the_next(world: World) -> None:
    await on(world, "webhook-reorder")
    await make(world, "One", "Two", "Three", "Four")
    await world.settle()
    assert titles(world) == ["Two", "One", "Four", "Three"]


async def test_a_delivery_that_nothing_follows_is_not_held_for_ever(world: World) -> None:
    await on(world, "webhook-reorder", seconds=0.2)
    await make(world, "One")
    await world.settle()
    assert titles(world) == ["One"]


async def test_a_dropped_delivery_is_listed_as_failed_and_can_be_sent_again(world: World) -> None:
    await on(world, "webhook-drop", times=1, match="issues.opened")
    await make(world, "One")
    await world.settle()
    assert titles(world) == []
    (failed,) = await world.app("GET", "/app/hook/deliveries?status=failure")
    assert (failed["event"], failed["status_code"], failed["status"]) == ("issues", 502, "failed to connect to host")
    whole = await world.app("GET", f"/app/hook/deliveries/{failed['id']}")
    assert whole["request"]["headers"]["X-GitHub-Delivery"] == failed["guid"]
    await world.app("POST", f"/app/hook/deliveries/{failed['id']}/attempts", status=202)
    await world.settle()
    assert guids(world.receiver.deliveries) == [failed["guid"]]
    entry = world.running.hub.faults.shown()["log"][-1]
    assert (entry["method"], entry["path"], entry["guid"]) == ("WEBHOOK", "issues.opened", failed["guid"])


async def test_a_delivery_that_arrived_is_listed_as_timed_out(world: World) -> None:
    await on(world, "webhook-timeout", times=1)
    await make(world, "One")
    await world.settle()
    assert titles(world) == ["One"]
    (failed,) = await world.app("GET", "/app/hook/deliveries?status=failure")
    assert (failed["status_code"], failed["status"]) == (504, "timed out")


async def test_a_delayed_delivery_holds_nothing_else_up(world: World) -> None:
    await on(world, "webhook-delay", times=1, seconds=1)
    started = time.monotonic()
    await make(world, "One", "Two")
    await world.settle()
    assert titles(world) == ["Two", "One"]
    assert time.monotonic() - started >= 1


async def test_only_the_events_that_match_are_met(world: World) -> None:
    """By event, or by event and action."""
    await on(world, "webhook-drop", match="issues.lab*")
    await world.you("POST", ISSUES, {"title": "One", "labels": ["a"]})
    assert await world.settle() == ["issues.opened"]
    await on(world, "webhook-drop", match="issues")
    await world.you("POST", f"{ISSUES}/1/comments", {"body": "Hi"})
    await world.you("PATCH", f"{ISSUES}/1", {"state": "closed"})
    assert await world.settle() == ["issue_comment.created"]


async def test_a_hub_that_is_stopped_while_it_delays_delivers_at_its_next_start(start: Any) -> None:
    world: World = await start()
    await on(world, "webhook-delay", seconds=600)
    await make(world, "One")
    await asyncio.sleep(0)
    again: World = await start()
    await again.receiver.until("issues.opened")
    assert titles(again) == ["One"]
