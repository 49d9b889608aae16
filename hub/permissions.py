"""Who may do what: for each endpoint the permission an app needs and the role a person needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hub.auth import Actor
from hub.errors import ApiError, integration_refused, not_found
from hub.views.repos import ROLES

Level = Literal["read", "write"]
Role = Literal["read", "triage", "write", "admin"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Name what one endpoint asks for; any of the app's permissions is enough."""

    app: tuple[str, ...]
    level: Level
    person: Role | None = "read"
    hidden: bool = False  # GitHub answers 404, not 403, where a person may not write


def _read(*permissions: str) -> Rule:
    return Rule(permissions, "read")


def _write(*permissions: str, person: Role | None = "write", hidden: bool = False) -> Rule:
    return Rule(permissions, "write", person, hidden)


ISSUE = ("issues", "pull_requests")
REPO = "/repos/{owner}/{repo}"

# https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
RULES: dict[str, Rule] = {
    f"GET {REPO}": _read("metadata"),
    f"PATCH {REPO}": _write("administration", person="admin"),
    f"GET {REPO}/branches": _read("contents"),
    f"GET {REPO}/branches/{{branch}}": _read("contents"),
    f"GET {REPO}/branches/{{branch}}/protection": _read("administration"),
    f"PUT {REPO}/branches/{{branch}}/protection": _write("administration", person="admin", hidden=True),
    f"DELETE {REPO}/branches/{{branch}}/protection": _write("administration", person="admin", hidden=True),
    f"GET {REPO}/rules/branches/{{branch}}": _read("metadata"),
    f"GET {REPO}/collaborators/{{username}}/permission": _read("metadata"),
    f"PUT {REPO}/collaborators/{{username}}": _write("administration", person="admin"),
    f"GET {REPO}/issues": _read(*ISSUE),
    f"POST {REPO}/issues": _write("issues", person="read"),
    f"GET {REPO}/issues/{{issue_number}}": _read(*ISSUE),
    f"PATCH {REPO}/issues/{{issue_number}}": _write(*ISSUE, person="read"),
    f"DELETE {REPO}/issues/{{issue_number}}": _write("administration", person="admin"),
    f"GET {REPO}/issues/{{issue_number}}/comments": _read(*ISSUE),
    f"POST {REPO}/issues/{{issue_number}}/comments": _write(*ISSUE, person="read"),
    f"GET {REPO}/issues/comments/{{comment_id}}": _read(*ISSUE),
    f"PATCH {REPO}/issues/comments/{{comment_id}}": _write(*ISSUE, person="read"),
    f"DELETE {REPO}/issues/comments/{{comment_id}}": _write(*ISSUE, person="read"),
    f"GET {REPO}/issues/{{issue_number}}/events": _read(*ISSUE),
    f"GET {REPO}/issues/{{issue_number}}/labels": _read(*ISSUE),
    f"POST {REPO}/issues/{{issue_number}}/labels": _write(*ISSUE, person="triage"),
    f"PUT {REPO}/issues/{{issue_number}}/labels": _write(*ISSUE, person="triage"),
    f"DELETE {REPO}/issues/{{issue_number}}/labels": _write(*ISSUE, person="triage"),
    f"DELETE {REPO}/issues/{{issue_number}}/labels/{{name}}": _write(*ISSUE, person="triage"),
    f"POST {REPO}/issues/{{issue_number}}/assignees": _write(*ISSUE, person="triage"),
    f"GET {REPO}/labels": _read(*ISSUE),
    f"POST {REPO}/labels": _write(*ISSUE, person="write"),
    f"GET {REPO}/labels/{{name}}": _read(*ISSUE),
    f"GET {REPO}/issues/comments/{{comment_id}}/reactions": _read(*ISSUE),
    f"POST {REPO}/issues/comments/{{comment_id}}/reactions": _write(*ISSUE, person="read"),
    f"GET {REPO}/issues/{{issue_number}}/reactions": _read(*ISSUE),
    f"POST {REPO}/issues/{{issue_number}}/reactions": _write(*ISSUE, person="read"),
    f"GET {REPO}/git/ref/{{ref}}": _read("contents"),
    f"GET {REPO}/git/matching-refs/{{ref}}": _read("contents"),
    f"POST {REPO}/git/refs": _write("contents", hidden=True),
    f"PATCH {REPO}/git/refs/{{ref}}": _write("contents", hidden=True),
    f"DELETE {REPO}/git/refs/{{ref}}": _write("contents", hidden=True),
    f"GET {REPO}/commits": _read("contents"),
    f"GET {REPO}/commits/{{ref}}": _read("contents"),
    f"GET {REPO}/compare/{{basehead}}": _read("contents"),
    f"GET {REPO}/contents/{{path}}": _read("contents"),
    f"PUT {REPO}/contents/{{path}}": _write("contents", hidden=True),
    f"GET {REPO}/pulls": _read("pull_requests"),
    f"POST {REPO}/pulls": _write("pull_requests", hidden=True),
    f"GET {REPO}/pulls/{{pull_number}}": _read("pull_requests"),
    f"PATCH {REPO}/pulls/{{pull_number}}": _write("pull_requests", person="read"),
    f"GET {REPO}/pulls/{{pull_number}}/merge": _read("pull_requests"),
    f"PUT {REPO}/pulls/{{pull_number}}/merge": _write("contents", hidden=True),
    f"PUT {REPO}/pulls/{{pull_number}}/update-branch": _write("pull_requests"),
    f"GET {REPO}/pulls/{{pull_number}}/files": _read("pull_requests"),
    f"GET {REPO}/pulls/{{pull_number}}/commits": _read("pull_requests"),
    f"GET {REPO}/pulls/{{pull_number}}/reviews": _read("pull_requests"),
    f"POST {REPO}/pulls/{{pull_number}}/reviews": _write("pull_requests", person="read"),
    f"GET {REPO}/pulls/{{pull_number}}/reviews/{{review_id}}": _read("pull_requests"),
    f"PUT {REPO}/pulls/{{pull_number}}/reviews/{{review_id}}": _write("pull_requests", person="read"),
    f"PUT {REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/dismissals": _write("pull_requests"),
    f"GET {REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/comments": _read("pull_requests"),
    f"GET {REPO}/pulls/comments/{{comment_id}}": _read("pull_requests"),
    f"GET {REPO}/pulls/{{pull_number}}/comments": _read("pull_requests"),
    f"POST {REPO}/pulls/{{pull_number}}/comments": _write("pull_requests", person="read"),
    f"POST {REPO}/pulls/{{pull_number}}/comments/{{comment_id}}/replies": _write("pull_requests", person="read"),
    f"PATCH {REPO}/pulls/comments/{{comment_id}}": _write("pull_requests", person="read"),
    f"DELETE {REPO}/pulls/comments/{{comment_id}}": _write("pull_requests", person="read"),
    f"POST {REPO}/pulls/{{pull_number}}/requested_reviewers": _write("pull_requests"),
    f"DELETE {REPO}/pulls/{{pull_number}}/requested_reviewers": _write("pull_requests"),
    f"POST {REPO}/check-runs": _write("checks", person=None),
    f"PATCH {REPO}/check-runs/{{check_run_id}}": _write("checks", person=None),
    f"GET {REPO}/check-runs/{{check_run_id}}": _read("checks"),
    f"GET {REPO}/check-runs/{{check_run_id}}/annotations": _read("checks"),
    f"POST {REPO}/check-runs/{{check_run_id}}/rerequest": _write("checks"),
    f"POST {REPO}/check-runs/{{check_run_id}}/requested_action": _write("checks"),
    f"GET {REPO}/commits/{{ref}}/check-runs": _read("checks"),
    f"GET {REPO}/commits/{{ref}}/check-suites": _read("checks"),
    f"GET {REPO}/check-suites/{{check_suite_id}}": _read("checks"),
    f"GET {REPO}/check-suites/{{check_suite_id}}/check-runs": _read("checks"),
    f"POST {REPO}/check-suites/{{check_suite_id}}/rerequest": _write("checks"),
    f"POST {REPO}/statuses/{{sha}}": _write("statuses", hidden=True),
    f"GET {REPO}/commits/{{ref}}/status": _read("statuses"),
    f"GET {REPO}/actions/runs": _read("actions"),
    f"GET {REPO}/actions/runs/{{run_id}}/jobs": _read("actions"),
    f"GET {REPO}/actions/jobs/{{job_id}}/logs": _read("actions"),
}


def check(rule: Rule, actor: Actor, role: str | None, *, is_pull: bool = True) -> None:
    """Raise GitHub's refusal unless the actor satisfies the rule.

    `pull_requests` stands in for `issues` only where the thing is a pull request.
    """
    if actor.is_app:
        raise ApiError(403, "Resource not accessible by integration")
    if actor.is_installation:
        permissions = [name for name in rule.app if is_pull or name == "issues" or len(rule.app) == 1]
        if not any(name == "metadata" or actor.allows(name, rule.level) for name in permissions):
            raise integration_refused()
        return
    if rule.person is None:
        raise ApiError(403, "You must authenticate via a GitHub App.")
    if rule.level == "write" and actor.is_anonymous:
        raise ApiError(401, "Requires authentication")
    if not at_least(role, rule.person):
        raise not_found() if rule.hidden else ApiError(403, "Must have admin rights to Repository.")


def at_least(role: str | None, needed: str) -> bool:
    """Tell whether a role includes another."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)
