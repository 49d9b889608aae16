"""The adapter does on a GitHub what the core asks for: from an issue to a merged pull request."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.domain.checks import Finding
from app.domain.ports import CheckRun, MergeOutcome, Permission
from app.errors import ForgeError, NotFound
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BRANCH = "aurora/1.1"


async def push(forge: GitHubForge, origin: Path, branch: str = BRANCH, text: str = "x = 2\n") -> str:
    """Commit a change and push it as the app does; return its sha."""
    address = (await forge.info()).clone_url.replace("://", f"://x-access-token:{await forge.token()}@")

    def git(*arguments: str) -> str:
        command = ["git", "-C", origin, "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    git("checkout", "-q", "-B", branch, "main")
    (origin / "a.py").write_text(text)
    git("commit", "-q", "-a", "-m", "Change")
    git("push", "-q", "--force", address, f"{branch}:{branch}")
    return git("rev-parse", "HEAD")


async def test_the_app_knows_itself_and_its_repositories(forges: GitHubForges, hub: Any):
    identity = await forges.identity()
    assert (identity.id, identity.slug) == (hub.app["id"], hub.app["slug"])
    assert [one.full_name for one in (await forges.all()).values()] == ["octo/sample"]
    with pytest.raises(NotFound):
        await forges.find("octo/nothing")


async def test_a_repository_says_what_is_allowed(forge: GitHubForge, hub: Any):
    info = await forge.info()
    assert info.default_branch == "main"
    assert set(info.merge_methods) <= {"squash", "merge", "rebase"}
    assert info.clone_url == f"{hub.url}/octo/sample.git"


async def test_people_have_their_permission(forge: GitHubForge):
    assert (await forge.permission("you")).may_write
    assert not (await forge.permission("eve")).may_write
    assert await forge.permission("nobody-at-all") is Permission.none


async def test_an_issue_is_opened_labelled_commented_and_closed(
    forge: GitHubForge, hub: Any, session: aiohttp.ClientSession
):
    issue = await forge.open_issue("Fix it", "Please.", ["aurora"])
    assert (issue.labels, issue.by_this_app, issue.state) == (("aurora",), True, "open")
    comment = await forge.comment(issue.number, "Working on it")
    await forge.edit_comment(comment, "Done")
    said = {"json": {"body": "Thanks"}, "headers": hub.person()}
    url = f"{hub.url}/repos/octo/sample/issues/{issue.number}/comments"
    async with session.post(url, **said) as answer:
        assert answer.status == 201
    comments = await forge.comments(issue.number)
    assert [(one.body, one.by_this_app) for one in comments] == [("Done", True), ("Thanks", False)]
    await forge.react(issue.number, "eyes")
    await forge.react(issue.number, "rocket", comments[1].id)
    await forge.change_labels(issue.number, ["aurora: done"], ["aurora", "never there"])
    await forge.close_issue(issue.number)
    now = await forge.issue(issue.number)
    assert (now.state, now.labels) == ("closed", ("aurora: done",))


async def test_all_annotations_of_a_check_arrive(forge: GitHubForge, hub: Any, session: aiohttp.ClientSession):
    sha = await push(forge, hub.origin)
    findings = tuple(Finding(path="a.py", line=1, code="E1", message=f"wrong {n}") for n in range(120))
    check = CheckRun(
        "aurora / types", sha, "x1", "failure", "120 errors", "Many.", NOW, NOW, "log", annotations=findings
    )
    number = await forge.create_check(check)
    assert await forge.find_check(sha, "aurora / types", "x1") == number
    assert await forge.find_check(sha, "aurora / types", "x2") is None
    assert await forge.find_check(sha, "aurora / lint", "x1") is None
    url = f"{hub.url}/repos/octo/sample/check-runs/{number}"
    async with session.get(url, headers=hub.person()) as answer:
        run = await answer.json()
    assert (run["status"], run["conclusion"]) == ("completed", "failure")
    assert run["output"]["annotations_count"] == 120


async def test_a_pull_request_is_opened_once_reviewed_and_merged(
    forge: GitHubForge, hub: Any, session: aiohttp.ClientSession
):
    head = await push(forge, hub.origin)
    assert await forge.find_pull_request(BRANCH, "main") is None
    pull = await forge.open_pull_request("Change x", "Because.", BRANCH, "main")
    assert (pull.head_sha, pull.base_ref, pull.state) == (head, "main", "open")
    again = await forge.open_pull_request("Change x", "Because.", BRANCH, "main")
    assert again.number == pull.number
    await forge.edit_pull_request(pull.number, "Change x!", "Because of it.")
    review = {"json": {"event": "APPROVE", "body": "Fine"}, "headers": hub.person()}
    async with session.post(f"{hub.url}/repos/octo/sample/pulls/{pull.number}/reviews", **review) as answer:
        assert answer.status == 200, await answer.text()
    reviews = await forge.reviews(pull.number)
    assert [(one.author, one.state, one.commit_sha) for one in reviews] == [("you", "approved", head)]
    assert (await forge.pull_request(pull.number)).mergeable is True
    moved = await forge.merge(pull.number, "b" * 40, "squash", "Change x (#1)")
    assert moved.outcome is MergeOutcome.head_moved
    merge = await forge.merge(pull.number, head, "squash", "Change x (#1)")
    assert merge.outcome is MergeOutcome.merged
    repeated = await forge.merge(pull.number, head, "squash", "Change x (#1)")
    assert (repeated.outcome, repeated.sha) == (merge.outcome, merge.sha)
    found = await forge.find_pull_request(BRANCH, "main")
    assert found is not None
    assert (found.merged, found.state) == (True, "closed")
    await forge.delete_branch(BRANCH)
    await forge.delete_branch(BRANCH)


async def test_a_conflict_is_refused_with_its_reason(forge: GitHubForge, hub: Any):
    first = await push(forge, hub.origin, "one", "x = 3\n")
    second = await push(forge, hub.origin, "two", "x = 4\n")
    one = await forge.open_pull_request("One", "", "one", "main")
    two = await forge.open_pull_request("Two", "", "two", "main")
    assert (await forge.merge(one.number, first, "merge", "One")).outcome is MergeOutcome.merged
    assert (await forge.pull_request(two.number)).mergeable is False
    refused = await forge.merge(two.number, second, "merge", "Two")
    assert refused.outcome is MergeOutcome.refused
    assert refused.reason


async def test_a_pull_request_without_changes_is_refused_with_githubs_words(forge: GitHubForge):
    with pytest.raises(ForgeError) as raised:
        await forge.open_pull_request("Nothing", "", "no-such-branch", "main")
    assert raised.value.status == 422
