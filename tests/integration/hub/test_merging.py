"""Merging: the three methods, every reason to refuse, and the issues that a merge closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import World

CALC = "src/calc.py"


async def _commits(world: World, ref: str = "main") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await world.you("GET", f"/repos/{world.repo}/commits?sha={ref}")
    return found


async def test_a_merge_commit_has_both_parents(world: World) -> None:
    head = await world.branch("b", {"x.txt": "x\n"})
    base = await world.write("main", "y.txt", "y\n")
    pull = await world.pull("b", "Add x")
    done = await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/merge", {})
    commit = await world.you("GET", f"/repos/{world.repo}/commits/{done['sha']}")
    assert [one["sha"] for one in commit["parents"]] == [base, head]
    assert commit["commit"]["message"] == f"Merge pull request #{pull['number']} from acme/b\n\nAdd x"
    assert (commit["author"]["login"], commit["commit"]["committer"]["name"]) == ("you", "GitHub")


async def test_a_squash_is_one_commit_that_names_the_others(world: World) -> None:
    await world.branch("b", {"x.txt": "x\n", "y.txt": "y\n"})
    pull = await world.pull("b", "Add both")
    data = {"merge_method": "squash"}
    done = await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/merge", data)
    commit = await world.you("GET", f"/repos/{world.repo}/commits/{done['sha']}")
    assert len(commit["parents"]) == 1
    wanted = f"Add both (#{pull['number']})\n\n* Write x.txt\n\n* Write y.txt"
    assert commit["commit"]["message"] == wanted


async def test_a_merge_takes_the_title_and_message_that_it_is_given(world: World) -> None:
    await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    data = {"merge_method": "squash", "commit_title": "Mine", "commit_message": "And why"}
    await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/merge", data)
    assert (await _commits(world))[0]["commit"]["message"] == "Mine\n\nAnd why"


async def test_a_rebase_puts_each_commit_on_top_of_the_base(world: World) -> None:
    await world.branch("b", {"x.txt": "x\n", "y.txt": "y\n"})
    base = await world.write("main", "z.txt", "z\n")
    pull = await world.pull("b")
    await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/merge", {"merge_method": "rebase"})
    commits = await _commits(world)
    assert [one["commit"]["message"] for one in commits[:2]] == ["Write y.txt", "Write x.txt"]
    assert commits[2]["sha"] == base
    names = [one["name"] for one in await world.you("GET", f"/repos/{world.repo}/contents")]
    assert names == ["README.md", "src", "x.txt", "y.txt", "z.txt"]


async def test_a_conflict_is_shown_and_refused(world: World) -> None:
    await world.branch("b", {CALC: "one\n"})
    await world.write("main", CALC, "two\n")
    pull = await world.pull("b")
    assert (pull["mergeable"], pull["mergeable_state"]) == (False, "dirty")
    for method in ("merge", "squash", "rebase"):
        path = f"/repos/{world.repo}/pulls/{pull['number']}/merge"
        refused = await world.you("PUT", path, {"merge_method": method}, status=405)
        assert refused["message"] == "Pull Request is not mergeable"
    await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/update-branch", {}, status=422)


async def test_a_head_that_moved_is_a_conflict_of_its_own(world: World) -> None:
    head = await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    await world.write("b", "y.txt", "y\n")
    path = f"/repos/{world.repo}/pulls/{pull['number']}/merge"
    refused = await world.you("PUT", path, {"sha": head}, status=409)
    assert refused["message"].startswith("Head branch was modified")


async def test_a_draft_or_closed_pull_request_is_not_merged(world: World) -> None:
    await world.branch("b", {"x.txt": "x\n"})
    data = {"title": "x", "head": "b", "base": "main", "draft": True}
    pull = await world.you("POST", f"/repos/{world.repo}/pulls", data)
    here = f"/repos/{world.repo}/pulls/{pull['number']}"
    assert pull["mergeable_state"] == "draft"
    await world.you("PUT", f"{here}/merge", {}, status=405)
    assert (await world.you("PATCH", here, {"state": "closed"}))["state"] == "closed"
    await world.you("PUT", f"{here}/merge", {}, status=405)
    assert (await world.you("PATCH", here, {"state": "open"}))["state"] == "open"
    assert {"pull_request.closed", "pull_request.reopened"} <= set(await world.settle())


async def test_a_method_that_the_repository_forbids_is_refused(world: World) -> None:
    await world.you("PATCH", f"/repos/{world.repo}", {"allow_merge_commit": False, "delete_branch_on_merge": True})
    await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    path = f"/repos/{world.repo}/pulls/{pull['number']}/merge"
    refused = await world.you("PUT", path, {}, status=405)
    assert refused["message"] == "Merge commits are not allowed on this repository."
    await world.you("PUT", path, {"merge_method": "squash"})
    await world.you("GET", f"/repos/{world.repo}/git/ref/heads/b", status=404)


@pytest.mark.parametrize(("base", "state"), [("main", "closed"), ("old", "open")])
async def test_closing_words_work_on_the_default_branch_only(world: World, base: str, state: str) -> None:
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b", body=f"Resolves #{issue['number']}.", base=base)
    await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/merge", {})
    shown = await world.you("GET", f"/repos/{world.repo}/issues/{issue['number']}")
    assert shown["state"] == state
    names = await world.settle()
    assert ("issues.closed" in names) is (state == "closed")
    told = world.receiver.last("pull_request.closed").payload["pull_request"]
    assert (told["merged"], told["merged_by"]["login"]) == (True, "you")


async def test_update_branch_merges_the_base_in_and_tells_of_it(world: World) -> None:
    head = await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/update-branch", {}, status=422)
    base = await world.write("main", "y.txt", "y\n")
    await world.you("PUT", f"/repos/{world.repo}/pulls/{pull['number']}/update-branch", {}, status=202)
    assert "pull_request.synchronize" in await world.settle()
    newest = (await _commits(world, "b"))[0]
    assert {one["sha"] for one in newest["parents"]} == {head, base}


async def test_red_checks_make_a_pull_request_unstable(world: World) -> None:
    head = await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    bot = await world.bot()
    data = {"name": "tests", "head_sha": head, "conclusion": "failure"}
    run = await bot("POST", f"/repos/{world.repo}/check-runs", data)
    assert [one["number"] for one in run["pull_requests"]] == [pull["number"]]
    shown = await world.you("GET", f"/repos/{world.repo}/pulls/{pull['number']}")
    assert (shown["mergeable"], shown["mergeable_state"]) == (True, "unstable")
