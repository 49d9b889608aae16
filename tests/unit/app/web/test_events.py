"""What a delivery asks for, and that hostile payloads ask for nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.project import Repository
from app.github.identity import AppIdentity
from app.web import events
from app.web.events import Reading, intent

APP = AppIdentity(7, "aurora-dev")
REPOSITORY = Repository(full_name="o/r", installation_id=5)
SHA = "a" * 40
OWN = {"login": "aurora-dev[bot]", "type": "Bot"}


def payload(action: str | None, **parts: Any) -> dict[str, Any]:
    return {
        "action": action,
        "repository": {"full_name": "o/r"},
        "installation": {"id": 5},
        "sender": {"login": "alice", "type": "User"},
    } | parts


USUAL = Reading()


def read(event: str, delivery: Any, reading: Reading = USUAL) -> events.Intent | None:
    return intent(event, delivery, APP, reading)


ISSUE = {"number": 3, "labels": [{"name": "Aurora"}]}
COMMENT = {"id": 9, "body": "yes\0", "user": {"login": "alice"}}
REVIEW = {"state": "APPROVED", "commit_id": SHA, "user": {"login": "alice"}}
PULL = {"number": 4, "merged": True}
CHECK = {"head_sha": SHA, "name": "aurora / tests", "app": {"id": 7}}


@pytest.mark.parametrize(
    ("event", "delivery", "expected"),
    [
        (
            "issues",
            payload("labeled", issue={"number": 3}, label={"name": "aurora"}),
            events.Start(REPOSITORY, 3, "alice", False),
        ),
        ("issues", payload("opened", issue=ISSUE), events.Start(REPOSITORY, 3, "alice", False)),
        (
            "issues",
            payload("opened", issue=ISSUE, sender=OWN),
            events.Start(REPOSITORY, 3, "aurora-dev[bot]", True),
        ),
        ("issues", payload("closed", issue=ISSUE), events.Stopped(REPOSITORY, 3, "closed")),
        ("issues", payload("deleted", issue=ISSUE), events.Stopped(REPOSITORY, 3, "deleted")),
        ("issues", payload("transferred", issue=ISSUE), events.Stopped(REPOSITORY, 3, "transferred")),
        (
            "issues",
            payload("unlabeled", issue={"number": 3}, label={"name": "AURORA"}),
            events.Stopped(REPOSITORY, 3, "unlabeled"),
        ),
        (
            "issue_comment",
            payload("created", issue=ISSUE, comment=COMMENT),
            events.Said(REPOSITORY, 3, 9, "alice", "yes", False),
        ),
        (
            "issue_comment",
            payload("created", issue=ISSUE | {"pull_request": {}}, comment=COMMENT),
            events.Said(REPOSITORY, 3, 9, "alice", "yes", True),
        ),
        (
            "pull_request_review",
            payload("submitted", review=REVIEW, pull_request=PULL),
            events.Reviewed(REPOSITORY, 4, "alice", "approved", SHA),
        ),
        (
            "pull_request",
            payload("closed", pull_request=PULL),
            events.PullRequestChanged(REPOSITORY, 4, "closed", True, "alice"),
        ),
        (
            "pull_request",
            payload("synchronize", pull_request={"number": 4}),
            events.PullRequestChanged(REPOSITORY, 4, "synchronize", False, "alice"),
        ),
        (
            "check_run",
            payload("rerequested", check_run=CHECK),
            events.Rerun(REPOSITORY, SHA, "aurora / tests", "alice"),
        ),
        ("check_suite", payload("rerequested", check_suite=CHECK), events.Rerun(REPOSITORY, SHA, None, "alice")),
        (
            "check_suite",
            payload("completed", check_suite=CHECK | {"app": {"id": 8}}),
            events.ChecksCompleted(REPOSITORY, SHA),
        ),
        ("status", payload(None, sha=SHA, state="error"), events.ChecksCompleted(REPOSITORY, SHA)),
        (
            "installation",
            {"action": "deleted", "installation": {"id": 5}},
            events.InstallationChanged(5, "uninstalled"),
        ),
        (
            "installation_repositories",
            {
                "action": "removed",
                "installation": {"id": 5},
                "repositories_removed": [{"full_name": "o/r"}],
            },
            events.InstallationChanged(5, "uninstalled", ("o/r",)),
        ),
    ],
)
def test_a_delivery_asks_for(event: str, delivery: dict[str, Any], expected: events.Intent):
    assert read(event, delivery) == expected


@pytest.mark.parametrize(
    ("event", "delivery"),
    [
        ("issues", payload("labeled", issue=ISSUE, label={"name": "bug"})),
        ("issues", payload("opened", issue={"number": 3, "labels": []})),
        ("issues", payload("edited", issue=ISSUE, sender=OWN)),
        ("issues", payload("unlabeled", issue=ISSUE, label={"name": "bug"})),
        ("issues", payload("labeled", issue=ISSUE | {"pull_request": {}}, label={"name": "aurora"})),
        ("issues", payload("closed", issue=ISSUE, sender=OWN)),
        ("issue_comment", payload("created", issue=ISSUE, comment=COMMENT | {"user": OWN})),
        (
            "issue_comment",
            payload("created", issue=ISSUE, comment=COMMENT | {"performed_via_github_app": {"id": 7}}),
        ),
        ("issue_comment", payload("deleted", issue=ISSUE, comment=COMMENT)),
        ("pull_request_review", payload("submitted", review=REVIEW | {"user": OWN}, pull_request=PULL)),
        ("pull_request", payload("synchronize", pull_request=PULL, sender=OWN)),
        ("check_run", payload("rerequested", check_run=CHECK | {"app": {"id": 8}})),
        ("check_suite", payload("completed", check_suite=CHECK)),
        ("status", payload(None, sha=SHA, state="pending")),
        ("status", payload(None, state="success")),
        ("installation_repositories", {"action": "removed", "installation": {"id": 5}}),
        ("ping", {"zen": "x"}),
    ],
)
def test_a_delivery_asks_for_nothing(event: str, delivery: dict[str, Any]):
    assert read(event, delivery) is None


def test_another_bot_is_heard():
    delivery = payload("created", issue=ISSUE, comment=COMMENT | {"user": {"login": "renovate[bot]"}})
    assert read("issue_comment", delivery) == events.Said(REPOSITORY, 3, 9, "renovate[bot]", "yes", False)


def test_the_label_has_the_name_that_the_operator_chose():
    delivery = payload("labeled", issue=ISSUE, label={"name": "Robot"})
    assert read("issues", delivery, Reading(trigger_label="robot"))
    assert read("issues", delivery) is None


@pytest.mark.parametrize(("allowed", "heard"), [("O/R", True), ("o/*", True), ("other/*", False)])
def test_only_repositories_on_the_list_are_heard(allowed: str, heard: bool):
    delivery = payload("opened", issue=ISSUE)
    assert (read("issues", delivery, Reading(repositories=(allowed,))) is not None) is heard


@pytest.mark.parametrize(
    "broken",
    [
        {"repository": {"full_name": "../../etc/passwd"}},
        {"repository": {"full_name": "o/r\n"}},
        {"repository": None},
        {"installation": None},
        {"installation": {"id": "5"}},
        {"issue": {"number": True}},
        {"issue": {"number": -1}},
        {"issue": None},
        {"sender": {"login": "a b"}},
        {"sender": {"login": "\ud800"}},
        {"sender": None},
    ],
)
def test_an_odd_field_makes_a_delivery_ask_for_nothing(broken: dict[str, Any]):
    delivery = payload("labeled", issue=ISSUE, label={"name": "aurora"})
    assert read("issues", delivery | broken) is None


EVENTS = ["issues", "issue_comment", "pull_request", "pull_request_review", "check_run", "check_suite", "status"]
PARTS = ["issue", "comment", "review", "pull_request", "check_run", "label", "sender", "repository"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "number", "login"]), inner),
    max_leaves=8,
)


@given(
    event=st.sampled_from(EVENTS),
    action=st.sampled_from(["opened", "labeled", "created", "submitted", "closed", "rerequested", "completed"]),
    parts=st.dictionaries(st.sampled_from(PARTS), JSON),
)
def test_no_payload_raises(event: str, action: str, parts: dict[str, Any]):
    read(event, payload(action) | parts)
