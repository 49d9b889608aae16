"""Clients that others wrote work against the hub: githubkit, whose models are GitHub's own, and PyGithub."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import World

# Both libraries warn of their own coming changes when imported or closed; that is not ours to heed here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:github.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:githubkit.*"),
]


async def test_githubkit_signs_in_as_an_app_and_parses_every_answer(world: World) -> None:
    """Go from an issue to a merge with githubkit's strict models."""
    from githubkit import AppInstallationAuthStrategy, GitHub

    app = world.running.description["app"]
    installation = (await world.app("GET", "/app/installations"))[0]
    auth = AppInstallationAuthStrategy(app["id"], world.private_key, installation["id"])
    head = await world.branch("b", {"src/calc.py": "x\n"})
    async with GitHub(auth, base_url=world.url) as github:
        rest: Any = github.rest
        at = {"owner": "acme", "repo": "sample"}
        assert (await rest.repos.async_get(**at)).parsed_data.default_branch == "main"
        issue = (await rest.issues.async_create(**at, title="One", labels=["aurora"])).parsed_data
        comment = (await rest.issues.async_create_comment(**at, issue_number=issue.number, body="Hi")).parsed_data
        assert comment.user.login == "aurora-test[bot]"
        await rest.issues.async_remove_label(**at, issue_number=issue.number, name="aurora")
        await rest.issues.async_add_labels(**at, issue_number=issue.number, labels=["bug"])
        events = (await rest.issues.async_list_events(**at, issue_number=issue.number)).parsed_data
        assert [one.event for one in events] == ["labeled", "unlabeled", "labeled"]
        assert (events[0].label.name, events[0].actor.login) == ("aurora", "aurora-test[bot]")
        assert [one.number async for one in github.rest.paginate(rest.issues.async_list_for_repo, **at)] == [1]
        run = (await rest.checks.async_create(**at, name="x", head_sha=head, conclusion="success")).parsed_data
        assert run.conclusion == "success"
        suites = (await rest.checks.async_list_suites_for_ref(**at, ref=head)).parsed_data
        assert suites.check_suites[0].conclusion == "success"
        pull = (await rest.pulls.async_create(**at, title="P", head="b", base="main", body="Fixes #1")).parsed_data
        assert pull.mergeable is True
        await rest.pulls.async_create_review(**at, pull_number=pull.number, event="COMMENT", body="Fine")
        files = (await rest.pulls.async_list_files(**at, pull_number=pull.number)).parsed_data
        assert files[0].filename == "src/calc.py"
        commit = (await rest.repos.async_get_commit(**at, ref=head)).parsed_data
        assert commit.sha == head
        assert (await rest.repos.async_compare_commits(**at, basehead="main...b")).parsed_data.ahead_by == 1
        assert (await rest.repos.async_get_branch(**at, branch="main")).parsed_data.name == "main"
        assert (await rest.repos.async_get_content(**at, path="README.md")).parsed_data.path == "README.md"
        merged = (await rest.pulls.async_merge(**at, pull_number=pull.number, sha=head)).parsed_data
        assert merged.merged
        shown = (await rest.pulls.async_get(**at, pull_number=pull.number)).parsed_data
        assert shown.merged_by.login == "aurora-test[bot]"


async def test_githubkit_parses_the_webhooks(world: World) -> None:
    from githubkit.webhooks import parse, verify

    await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One", "labels": ["a"]})
    head = await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    bot = await world.bot()
    await bot("POST", f"/repos/{world.repo}/check-runs", {"name": "x", "head_sha": head, "conclusion": "success"})
    here = f"/repos/{world.repo}/pulls/{pull['number']}"
    await world.stranger("POST", f"{here}/reviews", {"event": "APPROVE"}, status=200)
    await world.you("PUT", f"{here}/merge", {})
    await world.settle()
    secret = world.running.description["app"]["webhook_secret"]
    assert len(world.receiver.deliveries) > 10
    for delivery in world.receiver.deliveries:
        assert verify(secret, delivery.raw, delivery.headers["X-Hub-Signature-256"])
        assert parse(delivery.event, delivery.raw) is not None


async def test_pygithub_works_with_an_installation_and_a_person(world: World) -> None:
    """Do the same by PyGithub, which insists on one host in every address."""
    await world.branch("b", {"x.txt": "x\n"})
    await asyncio.to_thread(_pygithub, world)


def _pygithub(world: World) -> None:
    import github
    from github import Auth, Github, GithubIntegration

    app = world.running.description["app"]
    signed = Auth.AppAuth(app["id"], world.private_key)
    integration = GithubIntegration(
        auth=signed, base_url=world.url, seconds_between_requests=None, seconds_between_writes=None
    )
    installation = integration.get_repo_installation("acme", "sample")
    bot = Github(
        auth=signed.get_installation_auth(installation.id),
        base_url=world.url,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
    repo = bot.get_repo("acme/sample")
    issue = repo.create_issue("One", "Body", labels=["aurora"])
    issue.create_comment("Hi")
    issue.add_to_labels("bug")
    assert {one.name for one in issue.get_labels()} == {"aurora", "bug"}
    pull = repo.create_pull(base="main", head="b", title="P", body=f"Closes #{issue.number}")
    assert pull.mergeable
    assert [one.filename for one in pull.get_files()] == ["x.txt"]
    run = repo.create_check_run("tests", pull.head.sha, status="completed", conclusion="success")
    assert run.app.slug == "aurora-test"
    with pytest.raises(github.GithubException, match="Reference already exists"):
        repo.create_git_ref("refs/heads/b", pull.head.sha)
    person = Github(
        auth=Auth.Token(world.running.description["users"]["you"]),
        base_url=world.url,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
    assert person.get_user().login == "you"
    person.get_repo("acme/sample").get_pull(pull.number).create_review(event="APPROVE", body="Good")
    assert [one.state for one in pull.get_reviews()] == ["APPROVED"]
    assert pull.merge(merge_method="squash", sha=pull.head.sha).merged
    assert repo.get_issue(issue.number).state == "closed"
    assert repo.get_collaborator_permission("you") == "admin"
    for one in (integration, bot, person):
        one.close()
