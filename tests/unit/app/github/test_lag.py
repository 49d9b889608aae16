"""What GitHub doesn't know everywhere yet is waited for, never taken for an answer."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.checks import Finding
from app.domain.ports import CheckRun, MergeOutcome
from app.domain.project import Repository
from app.errors import ForgeError, NotFound, Transient
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges

SHA, OTHER = "a" * 40, "c" * 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PULL = "/repos/o/r/pulls/3"
PULLS = "/repos/o/r/pulls"
RUNS = f"/repos/o/r/commits/{SHA}/check-runs"
UNMERGEABLE = {"message": "Pull Request is not mergeable"}
HEAD_MOVED = {"message": "Head branch was modified. Review and try the merge again."}
ISSUE = {"number": 1, "title": "T", "body": "", "user": {"login": "eve"}, "state": "open", "labels": []}


@pytest.fixture
def forge(forges: GitHubForges, repository: Repository) -> GitHubForge:
    return forges.of(repository)


def pull(**changes: Any) -> dict[str, Any]:
    side = {"repo": {"id": 1}}
    return {
        "number": 3, "html_url": "https://github.example/o/r/pull/3", "state": "open", "merged": False,
        "head": {"sha": SHA, "ref": "aurora/1.1", **side}, "base": {"sha": "b" * 40, "ref": "main", **side},
        "mergeable": True, "merge_commit_sha": None, "user": {"login": "aurora-dev[bot]"},
    } | changes  # fmt: skip


def check(annotations: int = 0) -> CheckRun:
    notes = tuple(Finding(path="a.py", line=n + 1, message=f"m{n}") for n in range(annotations))
    return CheckRun("aurora / types", SHA, "x1", "failure", "red", "s", NOW, NOW, annotations=notes)


def refused(message: str, **error: str) -> dict[str, Any]:
    return {"message": "Validation Failed", "errors": [{"message": message, **error}]}


Ask = Callable[[GitHubForge], Awaitable[Any]]
JUST_MADE: dict[str, tuple[str, str, Any, Ask]] = {
    "issue": ("GET", "/repos/o/r/issues/1", ISSUE, lambda forge: forge.issue(1)),
    "comments": ("GET", "/repos/o/r/issues/1/comments", [], lambda forge: forge.comments(1)),
    "pull request": ("GET", PULL, pull(), lambda forge: forge.pull_request(3)),
    "reviews": ("GET", f"{PULL}/reviews", [], lambda forge: forge.reviews(3)),
    "person": ("GET", "/repos/o/r/collaborators/ann/permission", {"permission": "write"},
               lambda forge: forge.permission("ann")),
    "comment on it": ("POST", "/repos/o/r/issues/1/comments", {"id": 4}, lambda forge: forge.comment(1, "hi")),
    "comment": ("PATCH", "/repos/o/r/issues/comments/4", {"id": 4}, lambda forge: forge.edit_comment(4, "hi")),
    "reaction": ("POST", "/repos/o/r/issues/1/reactions", {"id": 4}, lambda forge: forge.react(1, "eyes")),
    "text": ("PATCH", PULL, pull(), lambda forge: forge.edit_pull_request(3, "t", "b")),
    "check run": ("POST", "/repos/o/r/check-runs", {"id": 4}, lambda forge: forge.create_check(check())),
    "closing": ("PATCH", "/repos/o/r/issues/1", ISSUE, lambda forge: forge.close_issue(1)),
    "merging": ("PUT", f"{PULL}/merge", {"sha": OTHER}, lambda forge: forge.merge(3, SHA, "merge", "t")),
    "branch": ("DELETE", "/repos/o/r/git/refs/heads/b", {}, lambda forge: forge.delete_branch("b")),
    "opening": ("POST", PULLS, pull(), lambda forge: forge.open_pull_request("t", "b", "aurora/1.1", "main")),
}  # fmt: skip


@pytest.mark.parametrize("what", JUST_MADE)
async def test_what_was_made_a_moment_ago_is_waited_for(github: Any, forge: GitHubForge, what: str):
    """Twice not found, then there."""
    method, path, data, ask = JUST_MADE[what]
    github.on(method, path, {"message": "Not Found"}, 404).on(method, path, {"message": "Not Found"}, 404)
    github.on(method, path, data)
    await ask(forge)
    assert len(github.sent(method, path)) == 3


async def test_what_is_gone_is_not_waited_for(github: Any, forge: GitHubForge):
    github.on("GET", "/repos/o/r/issues/1", {"message": "This issue was deleted"}, 410)
    with pytest.raises(NotFound):
        await forge.issue(1)
    assert github.slept == []


async def test_a_commit_that_was_pushed_just_now_gets_its_check_run(github: Any, forge: GitHubForge):
    unknown = {"message": f"No commit found for SHA: {SHA}"}
    github.on("POST", "/repos/o/r/check-runs", unknown, 422).on("POST", "/repos/o/r/check-runs", {"id": 4}, 201)
    assert await forge.create_check(check()) == 4


async def test_a_branch_that_was_pushed_just_now_gets_its_pull_request(github: Any, forge: GitHubForge):
    unknown = refused("invalid", resource="PullRequest", field="head", code="invalid")
    github.on("POST", PULLS, unknown, 422).on("POST", PULLS, pull(), 201)
    assert (await forge.open_pull_request("t", "b", "aurora/1.1", "main")).number == 3


async def test_a_branch_that_stays_unknown_is_an_error(github: Any, forge: GitHubForge):
    github.on("POST", PULLS, refused("invalid", resource="PullRequest", field="head", code="invalid"), 422)
    with pytest.raises(ForgeError, match="'head'"):
        await forge.open_pull_request("t", "b", "aurora/1.1", "main")


async def test_a_label_that_is_there_is_taken_off_although_it_was_not_found(github: Any, forge: GitHubForge):
    path = "/repos/o/r/issues/1/labels/aurora"
    github.on("DELETE", path, {}, 404).on("DELETE", path, [])
    github.on("GET", "/repos/o/r/issues/1", ISSUE | {"labels": [{"name": "aurora"}]})
    await forge.change_labels(1, [], ["aurora"])
    assert len(github.sent("DELETE", path)) == 2


# --- stale lists


async def test_a_comment_that_the_list_doesn_t_show_yet_is_found(github: Any, forge: GitHubForge):
    path = "/repos/o/r/issues/1/comments"
    said = {"id": 4, "user": {"login": "aurora-dev[bot]"}, "body": "<!-- m -->", "created_at": "2026-01-01T00:00:00Z"}
    copied = said | {"id": 3, "user": {"login": "eve"}}
    github.on("GET", "/repos/o/r/issues/1", ISSUE | {"comments": 2})
    github.on("GET", path, [copied]).on("GET", path, [copied, said])
    assert await forge.find_comment(1, "<!-- m -->") == 4
    slept = len(github.slept)
    assert await forge.find_comment(1, "<!-- other -->") is None
    assert len(github.slept) == slept  # the list is whole


async def test_a_list_of_comments_that_stays_stale_says_nothing(github: Any, forge: GitHubForge):
    github.on("GET", "/repos/o/r/issues/1", ISSUE | {"comments": 1}).on("GET", "/repos/o/r/issues/1/comments", [])
    with pytest.raises(Transient):
        await forge.find_comment(1, "<!-- m -->")


async def test_a_check_run_that_the_list_doesn_t_show_yet_is_found(github: Any, forge: GitHubForge):
    run = {"id": 4, "external_id": "x1", "status": "completed", "app": {"id": 7}}
    github.on("GET", RUNS, {"message": f"No commit found for SHA: {SHA}"}, 422)
    github.on("GET", RUNS, {"check_runs": []}).on("GET", RUNS, {"check_runs": [run]})
    assert await forge.find_check(SHA, "aurora / types", "x1") == 4


async def test_a_pull_request_that_exists_is_adopted_when_the_list_shows_it(github: Any, forge: GitHubForge):
    github.on("POST", PULLS, refused("A pull request already exists for o:aurora/1.1."), 422)
    github.on("GET", PULLS, []).on("GET", PULLS, [pull()])
    github.on("PATCH", PULL, pull())
    assert (await forge.open_pull_request("t", "b", "aurora/1.1", "main")).number == 3


async def test_a_pull_request_that_exists_and_isn_t_shown_is_asked_for_later(github: Any, forge: GitHubForge):
    github.on("POST", PULLS, refused("A pull request already exists for o:aurora/1.1."), 422)
    github.on("GET", PULLS, [])
    with pytest.raises(Transient):
        await forge.open_pull_request("t", "b", "aurora/1.1", "main")


@pytest.mark.parametrize(
    "foreign",
    [
        {"head": {"sha": SHA, "ref": "aurora/1.1", "repo": {"id": 2}}},  # from a fork
        {"head": {"sha": SHA, "ref": "aurora/1.1", "repo": None}},  # that is gone
        {"base": {"sha": SHA, "ref": "other", "repo": {"id": 1}}},
        {"state": "closed", "user": {"login": "eve"}},
    ],
)
async def test_somebody_else_s_pull_request_is_not_adopted(github: Any, forge: GitHubForge, foreign: dict[str, Any]):
    github.on("GET", PULLS, [pull(number=9, **foreign)])
    assert await forge.find_pull_request("aurora/1.1", "main") is None
    github.on("GET", PULLS, [pull(number=9, **foreign), pull(state="closed")])
    found = await forge.find_pull_request("aurora/1.1", "main")
    assert found is None or found.number == 3


# --- half-written


async def test_a_half_written_check_run_is_finished_where_it_was_left(github: Any, forge: GitHubForge):
    """GitHub adds annotations to those that are there: none is shown twice, and no run."""
    run = {"id": 4, "external_id": "x1", "status": "in_progress", "app": {"id": 7}, "output": {"annotations_count": 50}}
    github.on("GET", RUNS, {"check_runs": [run]}).on("PATCH", "/repos/o/r/check-runs/4", {"id": 4})
    assert await forge.create_check(check(annotations=120)) == 4
    assert github.sent("POST", "/repos/o/r/check-runs") == []
    sent = [one.json for one in github.sent("PATCH", "/repos/o/r/check-runs/4")]
    lines = [note["start_line"] for one in sent for note in one["output"]["annotations"]]
    assert lines == list(range(51, 121))
    assert [one.get("conclusion") for one in sent] == [None, "failure"]


# --- merging


async def test_a_merge_that_github_can_t_judge_yet_is_tried_again(github: Any, forge: GitHubForge):
    """Refused while mergeability was unknown, which is no conflict."""
    github.on("PUT", f"{PULL}/merge", UNMERGEABLE, 405).on("PUT", f"{PULL}/merge", {"sha": OTHER})
    github.on("GET", PULL, pull(mergeable=None)).on("GET", PULL, pull(mergeable=True))
    assert (await forge.merge(3, SHA, "merge", "t")).outcome is MergeOutcome.merged


async def test_mergeability_that_stays_unknown_is_no_decision(github: Any, forge: GitHubForge):
    github.on("PUT", f"{PULL}/merge", UNMERGEABLE, 405).on("GET", PULL, pull(mergeable=None))
    with pytest.raises(Transient):
        await forge.merge(3, SHA, "merge", "t")


async def test_a_conflict_is_refused_at_once(github: Any, forge: GitHubForge):
    github.on("PUT", f"{PULL}/merge", UNMERGEABLE, 405).on("GET", PULL, pull(mergeable=False))
    assert (await forge.merge(3, SHA, "merge", "t")).outcome is MergeOutcome.refused
    assert len(github.sent("PUT", f"{PULL}/merge")) == 1


async def test_a_merge_that_is_shown_late_is_found(github: Any, forge: GitHubForge):
    """Its answer was lost, and the pull request still looks open."""
    merged = pull(state="closed", merged=True, merge_commit_sha=OTHER)
    github.on("PUT", f"{PULL}/merge", UNMERGEABLE, 405).on("GET", PULL, pull()).on("GET", PULL, merged)
    merge = await forge.merge(3, SHA, "merge", "t")
    assert (merge.outcome, merge.sha) == (MergeOutcome.merged, OTHER)


async def test_a_head_that_github_hasn_t_caught_up_with_isn_t_somebody_s_push(github: Any, forge: GitHubForge):
    github.on("PUT", f"{PULL}/merge", HEAD_MOVED, 409).on("PUT", f"{PULL}/merge", {"sha": OTHER})
    github.on("GET", PULL, pull(head={"sha": OTHER, "ref": "aurora/1.1"}))
    github.on("GET", "/repos/o/r/git/ref/heads/aurora/1.1", {"object": {"sha": SHA}})
    assert (await forge.merge(3, SHA, "merge", "t")).outcome is MergeOutcome.merged


async def test_a_push_by_somebody_is_told(github: Any, forge: GitHubForge):
    github.on("PUT", f"{PULL}/merge", HEAD_MOVED, 409).on("GET", PULL, pull())
    github.on("GET", "/repos/o/r/git/ref/heads/aurora/1.1", {"object": {"sha": OTHER}})
    assert (await forge.merge(3, SHA, "merge", "t")).outcome is MergeOutcome.head_moved
