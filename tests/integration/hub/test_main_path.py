"""From a labelled issue to a merged pull request, with an app's token, git and webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Git, World


async def test_a_labelled_issue_becomes_a_merged_pull_request(world: World, git: Git, tmp_path: Path) -> None:
    """An app hears of a label, comments, pushes, reports checks, opens and merges; the issue is closed."""
    repo = f"/repos/{world.repo}"
    body: dict[str, Any] = {"title": "add() subtracts", "body": "It should add.", "labels": ["aurora"]}
    issue = await world.you("POST", f"{repo}/issues", body)
    names = await world.settle()
    assert names[-2:] == ["issues.opened", "issues.labeled"]
    labelled = world.receiver.last("issues.labeled")
    assert labelled.payload["label"]["name"] == "aurora"
    assert labelled.payload["installation"]["id"]
    assert world.signed(labelled)

    token = await world.token()
    bot = await world.bot()
    comment = await bot("POST", f"{repo}/issues/{issue['number']}/comments", {"body": "On it."})
    assert comment["user"]["login"] == "aurora-test[bot]"
    assert comment["performed_via_github_app"]["slug"] == "aurora-test"

    clone = tmp_path / "clone"
    await git(tmp_path, "clone", "--quiet", world.remote(token), str(clone))
    await git(clone, "switch", "--quiet", "-c", "aurora/1.1")
    (clone / "src" / "calc.py").write_text("def add(a, b):\n    return a + b\n")
    await git(clone, "commit", "--quiet", "-am", "Add")
    await git(clone, "push", "--quiet", "origin", "aurora/1.1")
    sha = (await git(clone, "rev-parse", "HEAD")).stdout.strip()
    names = await world.settle()
    assert {"push", "create", "check_suite.requested"} <= set(names)

    run = await bot("POST", f"{repo}/check-runs", {"name": "aurora / tests", "head_sha": sha, "status": "in_progress"})
    done = {"status": "completed", "conclusion": "success", "output": {"title": "Passed", "summary": "1 passed"}}
    await bot("PATCH", f"{repo}/check-runs/{run['id']}", done)

    pull = await bot(
        "POST",
        f"{repo}/pulls",
        {"title": "Add", "head": "aurora/1.1", "base": "main", "body": f"Closes #{issue['number']}"},
    )
    assert pull["mergeable"] is True
    assert (pull["commits"], pull["changed_files"], pull["additions"]) == (1, 1, 1)
    merged = await bot("PUT", f"{repo}/pulls/{pull['number']}/merge", {"sha": sha, "merge_method": "squash"})
    assert merged["merged"] is True
    await bot("DELETE", f"{repo}/git/refs/heads/aurora/1.1")

    assert (await world.you("GET", f"{repo}/issues/{issue['number']}"))["state"] == "closed"
    assert (await world.you("GET", f"{repo}/pulls/{pull['number']}"))["merged_by"]["login"] == "aurora-test[bot]"
    await git(clone, "fetch", "--quiet")
    assert "a + b" in (await git(clone, "show", "origin/main:src/calc.py")).stdout
    names = await world.settle()
    assert {"pull_request.opened", "pull_request.closed", "issues.closed", "check_run.completed", "delete"} <= set(
        names
    )
