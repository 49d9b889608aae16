"""A repository on GitHub behaves as the core's `Forge` says."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.checks import Finding
from app.domain.ports import CheckRun, MergeOutcome, Permission, Sight
from app.domain.project import Repository
from app.errors import ForgeError, NotFound
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges

SHA = "a" * 40


@pytest.fixture
def forge(forges: GitHubForges, repository: Repository) -> GitHubForge:
    return forges.of(repository)


ISSUE = {"number": 1, "title": "T", "body": None, "user": {"login": "eve"}, "state": "open", "labels": []}


def pull(**changes: Any) -> dict[str, Any]:
    return {
        "number": 3,
        "html_url": "https://github.example/o/r/pull/3",
        "state": "open",
        "merged": False,
        "head": {"sha": SHA, "ref": "aurora/1.1"},
        "base": {"sha": "b" * 40, "ref": "main"},
        "mergeable": True,
        "merge_commit_sha": None,
    } | changes


async def test_info_prefers_squash_and_leaves_out_what_is_not_allowed(github: Any, forge: GitHubForge):
    data = {"default_branch": "trunk", "full_name": "o/r", "allow_merge_commit": False, "archived": True}
    github.on("GET", "/repos/o/r", data)
    info = await forge.info()
    assert info.merge_methods == ("squash", "rebase")
    assert (info.default_branch, info.archived) == ("trunk", True)
    assert info.clone_url == "https://github.example/o/r.git"


@pytest.mark.parametrize(
    ("said", "meant"),
    [("admin", "admin"), ("maintain", "write"), ("write", "write"), ("triage", "read"), ("x", "none")],
)
async def test_permissions_are_mapped(github: Any, forge: GitHubForge, said: str, meant: str):
    github.on("GET", "/repos/o/r/collaborators/eve%5Bbot%5D/permission", {"permission": said})
    assert await forge.permission("eve[bot]") is Permission(meant)


async def test_a_stranger_has_no_permission(forge: GitHubForge):
    assert await forge.permission("nobody") is Permission.none


async def test_comments_come_from_every_page_and_tell_the_apps_own(github: Any, forge: GitHubForge):
    path = "/repos/o/r/issues/1/comments"
    person = {"id": 1, "user": {"login": "eve"}, "body": "hi", "created_at": "2026-01-01T00:00:00Z"}
    own = person | {"id": 2, "user": {"login": "Aurora-Dev[bot]"}}
    through = person | {"id": 3, "performed_via_github_app": {"id": 7}}
    ghost = person | {"id": 4, "user": None, "body": None}
    github.on("GET", path, [person, own], link=f'<{github.url}{path}?page=2>; rel="next"')
    github.on("GET", path, [through, ghost])
    comments = await forge.comments(1)
    assert [(one.author, one.by_this_app) for one in comments] == [
        ("eve", False),
        ("Aurora-Dev[bot]", True),
        ("eve", True),
        ("ghost", False),
    ]
    assert github.sent("GET", path)[0].query == {"per_page": "100"}


async def test_an_issue_may_be_missing_for_a_moment(github: Any, forge: GitHubForge):
    github.on("GET", "/repos/o/r/issues/1", {}, 404).on("GET", "/repos/o/r/issues/1", ISSUE)
    issue = await forge.issue(1)
    assert (issue.body, issue.is_pull_request) == ("", False)


async def test_an_issue_that_stays_missing_is_not_found(github: Any, forge: GitHubForge):
    with pytest.raises(NotFound):
        await forge.issue(1)
    assert sum(github.slept) == 3.5


async def test_labels_are_made_once_with_a_colour(github: Any, forge: GitHubForge):
    github.on("POST", "/repos/o/r/labels", {}, 201)
    github.on("POST", "/repos/o/r/issues/1/labels", [])
    github.on("GET", "/repos/o/r/issues/1", ISSUE)
    await forge.change_labels(1, ["aurora: done"], ["aurora: working"])
    await forge.change_labels(1, ["aurora: done"], [])
    made = github.sent("POST", "/repos/o/r/labels")
    assert [one.json["color"] for one in made] == ["0e8a16"]
    assert len(github.sent("POST", "/repos/o/r/issues/1/labels")) == 2
    assert github.sent("DELETE", "/repos/o/r/issues/1/labels/aurora%3A%20working")


def check(annotations: int, conclusion: str = "failure") -> CheckRun:
    return CheckRun(
        name="aurora / tests",
        head_sha=SHA,
        external_id="x1",
        conclusion=conclusion,
        title="red",
        summary="s" * 70_000,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        completed_at=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        annotations=tuple(Finding(path="a.py", line=n, message=f"m{n}") for n in range(annotations)),
    )


async def test_a_check_with_few_annotations_is_one_request(github: Any, forge: GitHubForge):
    github.on("POST", "/repos/o/r/check-runs", {"id": 11}, 201)
    assert await forge.create_check(check(50)) == 11
    sent = github.sent("POST", "/repos/o/r/check-runs")[0].json
    assert (sent["status"], sent["conclusion"]) == ("completed", "failure")
    assert sent["started_at"] == "2026-01-01T00:00:00Z"
    assert len(sent["output"]["annotations"]) == 50
    assert sent["output"]["annotations"][0]["start_line"] == 1  # lines begin at 1
    assert len(sent["output"]["summary"]) <= 65_535


async def test_a_check_with_many_annotations_ends_with_its_last_request(github: Any, forge: GitHubForge):
    github.on("POST", "/repos/o/r/check-runs", {"id": 11}, 201).on("PATCH", "/repos/o/r/check-runs/11", {})
    await forge.create_check(check(121))
    first = github.sent("POST", "/repos/o/r/check-runs")[0].json
    more = [one.json for one in github.sent("PATCH", "/repos/o/r/check-runs/11")]
    assert first["status"] == "in_progress"
    assert [len(one["output"]["annotations"]) for one in more] == [50, 21]
    assert [one.get("conclusion") for one in more] == [None, "failure"]


async def test_only_a_completed_check_of_this_app_is_found(github: Any, forge: GitHubForge):
    base = {"external_id": "x1", "status": "completed", "app": {"id": 7}}
    runs = [
        base | {"id": 1, "app": {"id": 8}},
        base | {"id": 2, "status": "in_progress"},
        base | {"id": 3, "external_id": "x2"},
        base | {"id": 4},
    ]
    github.on("GET", f"/repos/o/r/commits/{SHA}/check-runs", {"total_count": 4, "check_runs": runs})
    assert await forge.find_check(SHA, "aurora / tests", "x1") == 4
    assert await forge.find_check(SHA, "aurora / tests", "x9") is None
    query = github.sent("GET", f"/repos/o/r/commits/{SHA}/check-runs")[0].query
    assert query["check_name"] == "aurora / tests"


async def test_a_second_pull_request_of_a_branch_is_the_first(github: Any, forge: GitHubForge):
    errors = [{"message": "A pull request already exists for o:aurora/1.1."}]
    github.on("POST", "/repos/o/r/pulls", {"message": "Validation Failed", "errors": errors}, 422)
    elsewhere = {"ref": "other", "sha": SHA}
    github.on("GET", "/repos/o/r/pulls", [pull(number=2, state="closed"), pull(number=9, base=elsewhere), pull()])
    github.on("PATCH", "/repos/o/r/pulls/3", pull())
    assert (await forge.open_pull_request("T", "B", "aurora/1.1", "main")).number == 3
    assert github.sent("GET", "/repos/o/r/pulls")[0].query["head"] == "o:aurora/1.1"
    assert len(github.sent("PATCH", "/repos/o/r/pulls/3")) == 1  # whoever opened it, it says what we say


async def test_another_reason_against_a_pull_request_is_told(github: Any, forge: GitHubForge):
    errors = [{"message": "No commits between main and aurora/1.1"}]
    github.on("POST", "/repos/o/r/pulls", {"message": "Validation Failed", "errors": errors}, 422)
    github.on("GET", "/repos/o/r/pulls", [])
    with pytest.raises(ForgeError, match="No commits between"):
        await forge.open_pull_request("T", "B", "aurora/1.1", "main")


async def test_mergeability_is_waited_for(github: Any, forge: GitHubForge):
    github.on("GET", "/repos/o/r/pulls/3", pull(mergeable=None)).on("GET", "/repos/o/r/pulls/3", pull())
    assert (await forge.pull_request(3)).mergeable is True


async def test_mergeability_may_stay_unknown(github: Any, forge: GitHubForge):
    github.on("GET", "/repos/o/r/pulls/3", pull(mergeable=None))
    assert (await forge.pull_request(3)).mergeable is None
    assert sum(github.slept) == 5.0


async def test_a_merge_returns_its_commit(github: Any, forge: GitHubForge):
    github.on("PUT", "/repos/o/r/pulls/3/merge", {"sha": "c" * 40, "merged": True})
    merge = await forge.merge(3, SHA, "squash", "Title (#3)")
    assert (merge.outcome, merge.sha) == (MergeOutcome.merged, "c" * 40)
    sent = github.sent("PUT", "/repos/o/r/pulls/3/merge")[0].json
    assert sent == {"sha": SHA, "merge_method": "squash", "commit_title": "Title (#3)"}


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (405, "Base branch was modified. Review and try the merge again.", "base_moved"),
        (405, "Pull Request is not mergeable", "refused"),
        (405, 'Required status check "ci" is expected.', "refused"),
        (409, "Head branch was modified. Review and try the merge again.", "head_moved"),
    ],
)
async def test_refused_merges_are_told_apart(github: Any, forge: GitHubForge, status: int, message: str, outcome: str):
    github.on("PUT", "/repos/o/r/pulls/3/merge", {"message": message}, status)
    github.on("GET", "/repos/o/r/pulls/3", pull(mergeable="not mergeable" not in message))
    merge = await forge.merge(3, SHA, "merge", "T")
    assert (merge.outcome.value, merge.reason) == (outcome, message)


async def test_a_merge_that_happened_already_is_a_merge(github: Any, forge: GitHubForge):
    github.on("PUT", "/repos/o/r/pulls/3/merge", {"message": "Pull Request is not mergeable"}, 405)
    github.on("GET", "/repos/o/r/pulls/3", pull(merged=True, state="closed", merge_commit_sha="d" * 40))
    merge = await forge.merge(3, SHA, "merge", "T")
    assert (merge.outcome, merge.sha) == (MergeOutcome.merged, "d" * 40)


async def test_deleting_a_branch_that_is_gone_is_done(github: Any, forge: GitHubForge):
    path = "/repos/o/r/git/refs/heads/aurora/1.1-t1-a%23b"
    github.on("DELETE", path, {"message": "Reference does not exist"}, 422)
    await forge.delete_branch("aurora/1.1-t1-a#b")
    assert github.sent("DELETE", path)


async def test_reviews_are_read_in_lower_case_without_drafts(github: Any, forge: GitHubForge):
    review = {"id": 7, "user": {"login": "eve"}, "state": "APPROVED", "commit_id": SHA, "body": ""}
    github.on(
        "GET",
        "/repos/o/r/pulls/3/reviews",
        [review | {"submitted_at": "2026-01-01T00:00:00Z"}, review | {"state": "PENDING"}],
    )
    reviews = await forge.reviews(3)
    assert [(one.state, one.commit_sha) for one in reviews] == [("approved", SHA)]


async def test_a_long_comment_is_cut_to_what_github_takes(github: Any, forge: GitHubForge):
    github.on("POST", "/repos/o/r/issues/1/comments", {"id": 1}, 201)
    await forge.comment(1, "line\n" * 20_000)
    body = github.sent("POST", "/repos/o/r/issues/1/comments")[0].json["body"]
    assert len(body) <= 65_536
    assert body.endswith("longer than GitHub takes.*")


@pytest.mark.parametrize(
    ("answer", "status", "sight"),
    [
        ({"id": 6, "suspended_at": None}, 200, Sight.whole),
        ({"id": 6, "suspended_at": "2026-01-01T00:00:00Z"}, 200, Sight.suspended),
        ({"message": "Not Found"}, 404, Sight.gone),
    ],
)
async def test_how_an_installation_stands_is_asked_of_github(
    github: Any, forges: GitHubForges, answer: dict[str, Any], status: int, sight: Sight
):
    github.on("GET", "/app/installations/6", answer, status)
    assert await forges.sight(6) is sight


async def test_every_installation_lists_its_repositories(github: Any, forges: GitHubForges):
    github.on("GET", "/app/installations", [{"id": 5}, {"id": 6, "suspended_at": "2026-01-01T00:00:00Z"}])
    found = {"total_count": 1, "repositories": [{"id": 8, "full_name": "o/r"}]}
    github.on("GET", "/installation/repositories", found)
    assert await forges.all() == {8: Repository(full_name="o/r", installation_id=5)}
