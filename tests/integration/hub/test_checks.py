"""Checks of several apps on one commit: who hears of what, and who may press which button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.other_app import OtherApp, register

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

NOTE = {"path": "src/calc.py", "start_line": 2, "end_line": 2, "annotation_level": "failure", "message": "minus?"}
FIX = {"label": "Fix formatting", "description": "Commit what the formatter makes", "identifier": "format"}


async def _other(world: World, **more: Any) -> OtherApp:
    return await register(world.session, world.url, world.repo, **more)


async def test_our_app_hears_how_the_checks_of_another_end(world: World) -> None:
    """Runs and suites of another app are told and listed with its name, and only it may change them."""
    other, bot = await _other(world), await world.bot()
    head = await world.branch("b", {"x.txt": "x\n"})
    await world.pull("b")
    run = await other.check(head, "build", None)
    await other.finish(run["id"], "failure", output={"title": "Red", "summary": "No.", "annotations": [NOTE]})
    names = await world.settle()
    assert names[-3:] == ["check_run.created", "check_run.completed", "check_suite.completed"]
    suite = world.receiver.last("check_suite.completed").payload["check_suite"]
    assert (suite["app"]["slug"], suite["conclusion"], suite["head_sha"]) == ("builder", "failure", head)
    assert [one["number"] for one in suite["pull_requests"]] == [1]
    repo = f"/repos/{world.repo}"
    runs = (await bot("GET", f"{repo}/commits/{head}/check-runs"))["check_runs"]
    assert [(one["name"], one["app"]["slug"]) for one in runs] == [("build", "builder")]
    assert (await bot("GET", f"{repo}/check-runs/{run['id']}/annotations"))[0]["message"] == "minus?"
    await bot("PATCH", f"{repo}/check-runs/{run['id']}", {"conclusion": "success"}, status=403)


async def test_what_is_asked_again_only_reaches_the_app_that_made_it(world: World) -> None:
    """Asking for a check or a suite again, and pressing a button, is told to the owner of the check alone."""
    other, bot = await _other(world), await world.bot()
    repo = f"/repos/{world.repo}"
    head = await world.branch("b", {"x.txt": "x\n"})
    theirs = await other.check(head, "build", actions=[FIX])
    mine = await bot("POST", f"{repo}/check-runs", {"name": "mine", "head_sha": head, "actions": [FIX]})
    before = len(await world.settle())
    for run in (theirs, mine):
        await world.you("POST", f"{repo}/check-runs/{run['id']}/rerequest")
        await world.you("POST", f"{repo}/check-suites/{run['check_suite']['id']}/rerequest")
        await world.you("POST", f"{repo}/check-runs/{run['id']}/requested_action", {"identifier": "format"})
        await world.you("POST", f"{repo}/check-runs/{run['id']}/requested_action", {"identifier": "x"}, status=404)
        pressed = {"identifier": "format"}
        await world.stranger("POST", f"{repo}/check-runs/{run['id']}/requested_action", pressed, status=403)
    assert (await world.settle())[before:] == [
        "check_run.rerequested", "check_suite.rerequested", "check_run.requested_action",
    ]  # fmt: skip
    told = world.receiver.last("check_run.requested_action").payload
    assert (told["check_run"]["id"], told["requested_action"]) == (mine["id"], {"identifier": "format"})
    assert told["sender"]["login"] == "you"


async def test_apps_that_may_write_checks_need_no_subscription(
    start: Callable[..., Any], without: Callable[[str], None]
) -> None:
    """The permission alone brings the events, as on GitHub."""
    without("- check_run\n")
    without("- check_suite\n")
    world: World = await start()
    await world.branch("b", {"x.txt": "x\n"})
    assert "check_suite.requested" in await world.settle()


@pytest.mark.parametrize(("field", "most"), [("label", 20), ("description", 40), ("identifier", 20)])
async def test_a_button_has_few_words(world: World, field: str, most: int) -> None:
    bot = await world.bot()
    sha = (await world.you("GET", f"/repos/{world.repo}/git/ref/heads/main"))["object"]["sha"]
    path = f"/repos/{world.repo}/check-runs"
    run = {"name": "x", "head_sha": sha}
    await bot("POST", path, {**run, "actions": [{**FIX, field: "x" * most}]})
    for wrong in ({**FIX, field: "x" * (most + 1)}, {name: word for name, word in FIX.items() if name != field}):
        await bot("POST", path, {**run, "actions": [wrong]}, status=422)
