"""What people and other apps say of a pull request reaches the core through the adapter, and its answers reach them."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from app.domain.checks import Finding
from app.domain.ports import CheckAction, CheckRun, MergeOutcome
from app.errors import NotFound
from app.github.forge import GitHubForge
from tests.other_app import register

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BRANCH = "aurora/1.1"
REPO = "/repos/octo/sample"
LINES = [f"line {number}\n" for number in range(1, 21)]


@pytest.fixture
async def people(hub: Any, session: aiohttp.ClientSession) -> Any:
    """Speak REST as a person."""

    async def ask(method: str, path: str, body: Any = None, login: str = "you") -> Any:
        async with session.request(method, hub.url + REPO + path, json=body, headers=hub.person(login)) as answer:
            text = await answer.text()
            assert answer.status < 300, text
            return await answer.json() if text else None

    return ask


async def push(forge: GitHubForge, hub: Any, lines: Sequence[str]) -> str:
    """Commit a text on the branch and push it as the app does; return its sha."""
    address = (await forge.info()).clone_url.replace("://", f"://x-access-token:{await forge.token()}@")

    def git(*arguments: str) -> str:
        command = ["git", "-C", hub.origin, "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    if git("branch", "--show-current") != BRANCH:
        git("checkout", "-q", "-B", BRANCH)
    (hub.origin / "text.txt").write_text("".join(lines))
    git("add", ".")
    git("commit", "-q", "-m", "Change")
    git("push", "-q", address, f"{BRANCH}:{BRANCH}")
    return git("rev-parse", "HEAD")


@pytest.fixture
async def pull(forge: GitHubForge, hub: Any) -> Any:
    """An open pull request of the app with a file of twenty lines."""
    await push(forge, hub, LINES)
    return await forge.open_pull_request("Change", "Because.", BRANCH, "main")


async def test_a_review_is_read_with_its_threads_and_answered(forge: GitHubForge, pull: Any, people: Any):
    """Comments come in order, with their lines and threads; an answer stands in its thread and is found again."""
    comments = [
        {"path": "text.txt", "line": 3, "body": "Why?"},
        {"path": "text.txt", "start_line": 5, "line": 7, "side": "RIGHT", "body": "```suggestion\nless\n```"},
    ]
    data = {"event": "REQUEST_CHANGES", "body": "Two things.", "comments": comments}
    review = await people("POST", f"/pulls/{pull.number}/reviews", data)
    found = await forge.review_comments(pull.number)
    assert [(one.line, one.start_line, one.path, one.author, one.by_this_app) for one in found] == [
        (3, None, "text.txt", "you", False),
        (7, 5, "text.txt", "you", False),
    ]
    assert {one.commit_sha for one in found} == {pull.head_sha}
    assert [(one.id, one.state, one.body) for one in await forge.reviews(pull.number)] == [
        (review["id"], "changes_requested", "Two things.")
    ]
    answer = await forge.reply(pull.number, found[0].id, "Done in abc1234. <!-- mark-1 -->")
    again = await people("POST", f"/pulls/{pull.number}/comments/{answer}/replies", {"body": "Thanks"})
    thread = [one for one in await forge.review_comments(pull.number) if one.thread == found[0].id]
    assert [(one.id, one.by_this_app) for one in thread] == [
        (found[0].id, False), (answer, True), (again["id"], False),
    ]  # fmt: skip
    assert await forge.find_reply(pull.number, "mark-1") == answer
    await people("PUT", f"/pulls/{pull.number}/reviews/{review['id']}/dismissals", {"message": "Solved"})
    assert [one.state for one in await forge.reviews(pull.number)] == ["dismissed", "commented", "commented"]


async def test_an_outdated_comment_has_no_line(forge: GitHubForge, hub: Any, pull: Any, people: Any):
    """A push moves one comment along and outdates the one whose line it changes; that can still be answered."""
    for line in (3, 10):
        place = {"path": "text.txt", "commit_id": pull.head_sha, "line": line, "body": f"About {line}"}
        await people("POST", f"/pulls/{pull.number}/comments", place)
    head = await push(forge, hub, ["new\n", *LINES[:2], "changed\n", *LINES[3:]])
    gone, moved = await forge.review_comments(pull.number)
    assert (gone.line, gone.commit_sha) == (None, pull.head_sha)
    assert (moved.line, moved.commit_sha) == (11, head)
    await forge.reply(pull.number, gone.id, "Changed.")
    assert (await forge.review_comments(pull.number))[-1].thread == gone.id


async def test_those_who_can_be_asked_for_a_review_are_asked(forge: GitHubForge, pull: Any, people: Any):
    """People whom nobody knows are left out, the others asked all the same."""
    await forge.request_reviews(pull.number, ["nobody-at-all", "you", "eve"])
    shown = await people("GET", f"/pulls/{pull.number}")
    assert sorted(one["login"] for one in shown["requested_reviewers"]) == ["eve", "you"]


async def test_the_author_of_a_pull_request_is_not_asked(forge: GitHubForge, hub: Any, people: Any):
    await push(forge, hub, LINES)
    mine = await people("POST", "/pulls", {"title": "Mine", "head": BRANCH, "base": "main"})
    await forge.request_reviews(mine["number"], ["you"])
    assert (await people("GET", f"/pulls/{mine['number']}"))["requested_reviewers"] == []


async def test_checks_of_other_apps_are_read_with_their_annotations(
    forge: GitHubForge, hub: Any, pull: Any, people: Any, session: aiohttp.ClientSession
):
    """Only the latest of each name counts; the app's own are left out, and offer buttons that can be pressed."""
    other = await register(session, hub.url, "octo/sample")
    note = {"path": "text.txt", "start_line": 2, "end_line": 3, "annotation_level": "failure", "message": "Too long"}
    output = {"title": "1 failed", "summary": "Sad.", "annotations": [note]}
    await other.check(pull.head_sha, "build", "success")
    red = await other.check(pull.head_sha, "build", output=output, details_url="https://ci.example/1")
    slow = await other.check(pull.head_sha, "slow", None)
    await other.check(pull.head_sha, "fine", "success", output=output)
    buttons = (CheckAction("Fix formatting", "Commit what the formatter makes of it", "format"),)
    own = CheckRun("aurora / lint", pull.head_sha, "x", "failure", "Red", "Red.", NOW, NOW, actions=buttons)
    number = await forge.create_check(own)
    await people("POST", f"/check-runs/{number}/requested_action", {"identifier": "format"})
    build, fine, running = sorted(await forge.foreign_checks(pull.head_sha), key=lambda one: one.name)
    assert (build.id, build.app, build.failed, build.title, build.url) == (
        red["id"], "builder", True, "1 failed", "https://ci.example/1",
    )  # fmt: skip
    assert build.annotations == (Finding(path="text.txt", line=2, end_line=3, message="Too long"),)
    assert (fine.conclusion, fine.annotations) == ("success", ())
    assert (running.id, running.conclusion, running.failed, running.annotations) == (slow["id"], None, False, ())


async def test_a_comment_is_read_as_it_is_now_until_it_is_deleted(forge: GitHubForge, people: Any):
    """A person's edit of the app's own comment is seen; a deleted one is not found."""
    issue = await forge.open_issue("One", "Text", [])
    number = await forge.comment(issue.number, "- [ ] Approve")
    await people("PATCH", f"/issues/comments/{number}", {"body": "- [x] Approve"})
    read = await forge.read_comment(number)
    assert (read.body, read.by_this_app) == ("- [x] Approve", True)
    await people("DELETE", f"/issues/comments/{number}")
    with pytest.raises(NotFound):
        await forge.read_comment(number)


async def test_a_protected_base_refuses_with_its_reason(forge: GitHubForge, pull: Any, people: Any):
    """What a merge lacks comes in GitHub's words."""
    checks = {"strict": False, "contexts": ["build"]}
    rule = {"required_status_checks": checks, "required_pull_request_reviews": None, "restrictions": None}
    await people("PUT", "/branches/main/protection", {**rule, "enforce_admins": True})
    merge = await forge.merge(pull.number, pull.head_sha, "squash", "Change")
    assert (merge.outcome, merge.reason) == (MergeOutcome.refused, 'Required status check "build" is expected.')


async def test_commit_statuses_are_checks_of_others(forge: GitHubForge, pull: Any, people: Any):
    """The last one of each context counts."""
    for context, state in (("ci", "pending"), ("ci", "failure"), ("size", "error"), ("preview", "pending")):
        said = {"context": context, "state": state, "description": "1 error", "target_url": "https://ci.example.org/7"}
        await people("POST", f"/statuses/{pull.head_sha}", said)
    ci, preview, size = sorted(await forge.foreign_checks(pull.head_sha), key=lambda check: check.name)
    assert (ci.app, ci.conclusion, ci.title, ci.url) == ("ci", "failure", "1 error", "https://ci.example.org/7")
    assert (preview.running, preview.failed) == (True, False)
    assert (size.failed, size.conclusion) == (True, "startup_failure"), "its own trouble isn't an agent's work"


async def test_a_deleted_issue_is_not_found(forge: GitHubForge, people: Any):
    issue = await forge.open_issue("One", "Text", [])
    await people("DELETE", f"/issues/{issue.number}")
    with pytest.raises(NotFound):
        await forge.issue(issue.number)
