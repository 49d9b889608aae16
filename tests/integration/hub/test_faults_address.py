"""Switching faults on and off while the hub runs, and reading what was injected."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from hub.faults.board import Board
from hub.faults.switches import read_line

if TYPE_CHECKING:
    from conftest import Client, World

ROOT = Path(__file__).parents[3]


async def faults(world: World, method: str = "GET", path: str = "", body: Any = None, status: int = 200) -> Any:
    async with world.session.request(method, f"{world.url}/_faults{path}", json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def answers(you: Client, path: str, count: int) -> list[int]:
    """Ask some times; give the statuses."""
    found = []
    for _ in range(count):
        async with you.world.session.get(you.world.url + path) as response:
            found.append(response.status)
    return found


async def test_nothing_differs_while_no_fault_is_on(world: World) -> None:
    """The same answers, headers and deliveries as of a hub that never heard of faults; nothing is counted."""
    repo = f"/repos/{world.repo}"
    await world.you("POST", f"{repo}/issues", {"title": "One"})
    await world.settle()
    before = await world.you.whole("GET", f"{repo}/issues")
    await faults(world, "PUT", body={"error-500": {}, "webhook-drop": {}})
    await faults(world, "DELETE")
    after = await world.you.whole("GET", f"{repo}/issues")
    assert (after.data, set(after.headers)) == (before.data, set(before.headers))
    assert not world.running.hub.faults.on
    await world.you("POST", f"{repo}/issues", {"title": "Two"})
    assert (await world.settle()).count("issues.opened") == 2
    assert await faults(world) == {"on": {}, "total": 0, "counts": {}, "again": {}, "log": []}


async def test_a_fault_fires_as_often_as_it_is_told_to_and_is_written_down(world: World) -> None:
    path = f"/repos/{world.repo}/labels"
    await faults(world, "PUT", body={"error-503": {"times": 2, "match": "GET */labels"}})
    assert await answers(world.you, path, 3) == [503, 503, 200]
    shown = await faults(world)
    assert (shown["total"], shown["counts"], shown["on"]["error-503"]["left"]) == (2, {"error-503": 2}, 0)
    last = shown["log"][-1]
    assert (last["n"], last["fault"], last["method"], last["path"]) == (2, "error-503", "GET", path)
    assert last["time"].startswith("20")


async def test_switches_are_added_replaced_and_taken_away_one_by_one(world: World) -> None:
    assert set((await faults(world, "PUT", body={"slow": {"seconds": 0}}))["on"]) == {"slow"}
    assert set((await faults(world, "POST", body={"error-500": True}))["on"]) == {"slow", "error-500"}
    assert set((await faults(world, "PUT", "/reset", {"times": 1}))["on"]) == {"slow", "error-500", "reset"}
    assert set((await faults(world, "POST", body={"slow": None}))["on"]) == {"error-500", "reset"}
    assert set((await faults(world, "DELETE", "/reset"))["on"]) == {"error-500"}
    assert set((await faults(world, "PUT", body={"truncated": {}}))["on"]) == {"truncated"}
    assert (await faults(world, "DELETE"))["on"] == {}


async def test_the_log_outlives_its_switches_until_it_is_emptied(world: World) -> None:
    await faults(world, "PUT", body={"error-500": {}})
    await answers(world.you, f"/repos/{world.repo}", 1)
    assert (await faults(world, "DELETE"))["total"] == 1
    assert (await faults(world, "DELETE", "/log"))["log"] == []


async def test_only_what_matches_is_met(world: World) -> None:
    repo = f"/repos/{world.repo}"
    await faults(world, "PUT", body={"error-502": {"match": "*/labels"}})
    assert await answers(world.you, repo, 1) + await answers(world.you, f"/api/v3{repo}/labels?page=1", 1) == [200, 502]


async def test_a_rate_is_drawn_from_the_seed_again_and_again(world: World) -> None:
    path, drawn = f"/repos/{world.repo}", []
    for seed in (1, 1, 2):
        await faults(world, "PUT", body={"error-500": {"rate": 0.5, "seed": seed}})
        drawn.append(await answers(world.you, path, 12))
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == {200, 500}


async def test_all_at_random_fires_many_kinds_and_the_same_ones_again(world: World) -> None:
    wanted = {"random": {"seed": 7, "rate": 0.1, "without": ["slow", "renamed", "reset", "truncated"]}}
    repo, kinds = f"/repos/{world.repo}", []
    for _ in range(2):
        await faults(world, "PUT", body=wanted)
        await faults(world, "DELETE", "/log")
        for path in (repo, f"{repo}/labels", f"{repo}/branches"):
            await answers(world.nobody, path, 10)
            await faults(world, "DELETE", "/primary-limit")  # what is in force depends on the time
        kinds.append([(one["fault"], one["path"]) for one in (await faults(world))["log"]])
    assert kinds[0] == kinds[1]
    assert len({fault for fault, _ in kinds[0]}) >= 3


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"webhook-dup": {}}, "There is no fault 'webhook-dup'. Did you mean 'webhook-duplicate'?"),
        ({"slow": {"second": 1}}, "'slow' has no option 'second'. Did you mean 'seconds'?"),
        ({"slow": {"times": 0}}, "'times' of 'slow' must be a whole number from 1 on."),
        ({"slow": {"rate": 2}}, "'rate' of 'slow' must be above 0 and at most 1."),
        ({"slow": 3}, "'slow' takes its options as an object, such as {} or {'times': 1}."),
        (
            {"random": {"without": ["slo"]}},
            "'without' of 'random' names 'slo', which is no fault. Did you mean 'slow'?",
        ),
        ({"renamed": {"to": "../x"}}, "'to' of 'renamed' must be a repository's name, without its owner."),
        ([], 'Send a JSON object such as {"webhook-drop": {"times": 1}}.'),
    ],
)
async def test_a_mistake_is_refused_in_a_sentence_and_changes_nothing(world: World, wanted: Any, sentence: str) -> None:
    await faults(world, "PUT", body={"error-500": {}})
    for method in ("PUT", "POST"):
        assert (await faults(world, method, body=wanted, status=400))["message"] == sentence
    assert set((await faults(world))["on"]) == {"error-500"}


async def test_a_web_page_cannot_switch_faults(world: World) -> None:
    headers = {"Origin": "https://example.org"}
    async with world.session.post(f"{world.url}/_faults", json={"slow": {}}, headers=headers) as response:
        assert response.status == 403
    assert (await faults(world))["on"] == {}


async def test_the_table_can_be_read(world: World) -> None:
    known = await faults(world, path="/known")
    assert known["faults"]["webhook-reorder"]["options"] == {"count": 1, "seconds": 5.0}
    assert "times" in known["options"]


async def _process(tmp_path: Path, wanted: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "hub", "--data", str(tmp_path / "hub"), "--faults", wanted]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(
    "wanted",
    ["error-503=times:1;match:GET /rate*,slow=seconds:0", '{"error-503": {"times": 1}, "slow": {"seconds": 0}}'],
)
async def test_faults_can_be_on_from_the_start(tmp_path: Path, wanted: str) -> None:
    process = await _process(tmp_path, wanted)
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        async with aiohttp.ClientSession() as session:
            statuses = []
            for _ in range(2):
                async with session.get(f"{url}/rate_limit") as response:
                    statuses.append(response.status)
            async with session.get(f"{url}/_faults") as response:
                shown = json.loads(await response.text())
        assert statuses == [503, 200]
        assert shown["counts"] == {"error-503": 1, "slow": 2}
    finally:
        process.terminate()
        await process.communicate()


async def test_a_mistake_on_the_command_line_is_one_sentence(tmp_path: Path) -> None:
    process = await _process(tmp_path, "slwo")
    _, text = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert "There is no fault 'slwo'. Did you mean 'slow'?" in text.decode()


async def test_the_documented_commands_work(world: World) -> None:
    """What docs/hub.md says to type is sent as curl sends it: any content type will do."""
    text = (ROOT / "docs" / "hub.md").read_text()
    commands = re.findall(r"^\$ curl(?: -X (\w+))? \$HUB(\S+)(?: -d '(.*?)')?", text, re.MULTILINE)
    assert len(commands) >= 6
    for method, path, body in commands:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = world.session.request(method or "GET", world.url + path, data=body, headers=headers)
        async with sent as response:
            assert response.status == 200, await response.text()
            assert set(json.loads(body or "{}")) <= set((await response.json())["on"])
    line = re.search(r"aurora hub --faults '(.*?)'", text)
    assert line
    assert Board(read_line(line[1])).on
