"""GitHub's answers turned into the core's values, and findings into annotations."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.domain.checks import Finding
from app.domain.ports import (
    CheckSuite,
    Comment,
    ForeignCheck,
    Issue,
    Labelling,
    Permission,
    PullRequest,
    RepositoryInfo,
    Review,
    ReviewComment,
)
from app.github.identity import AppIdentity

PREFERRED_METHODS = ("squash", "merge", "rebase")
ALLOWED = {"squash": "allow_squash_merge", "merge": "allow_merge_commit", "rebase": "allow_rebase_merge"}
PERMISSIONS = {
    "admin": Permission.admin,
    "maintain": Permission.write,
    "write": Permission.write,
    "triage": Permission.read,
    "read": Permission.read,
}
GHOST = "ghost"  # GitHub's own name for a deleted account


def moment(text: str | None) -> datetime:
    """Return a time as GitHub writes it, in UTC; the epoch when it is missing."""
    return datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)


def repository_info(data: dict[str, Any], web_url: str) -> RepositoryInfo:
    """Read a repository; the merge methods are left out by GitHub where the token may not write."""
    methods = tuple(method for method in PREFERRED_METHODS if data.get(ALLOWED[method], True))
    return RepositoryInfo(
        default_branch=data["default_branch"],
        merge_methods=methods,
        archived=bool(data.get("archived")),
        clone_url=f"{web_url}/{data['full_name']}.git",
    )


def issue(data: dict[str, Any], app: AppIdentity) -> Issue:
    """Read an issue; lists of issues contain pull requests too."""
    labels = (label if isinstance(label, str) else label.get("name") for label in data.get("labels") or ())
    return Issue(
        number=data["number"],
        title=data["title"],
        body=data.get("body") or "",
        author=login(data),
        state=data["state"],
        labels=tuple(name for name in labels if name),
        is_pull_request="pull_request" in data,
        by_this_app=app.wrote(data),
    )


def last_labelling(events: list[dict[str, Any]], label: str) -> Labelling | None:
    """Read, of an issue's events, the last that set a label."""
    setting = [one for one in events if one["event"] == "labeled" and _same(one["label"]["name"], label)]
    if not setting:
        return None
    last = max(setting, key=lambda one: int(one["id"]))
    actor = last.get("actor") or {}
    return Labelling(last["id"], actor.get("login") or GHOST, actor.get("type") == "Bot", moment(last["created_at"]))


def comment(data: dict[str, Any], app: AppIdentity) -> Comment:
    """Read a comment on an issue or pull request."""
    return Comment(
        id=data["id"],
        author=login(data),
        body=data.get("body") or "",
        created_at=moment(data.get("created_at")),
        by_this_app=app.wrote(data),
    )


def permission(data: dict[str, Any]) -> Permission:
    """Read a collaborator's permission; what isn't known is none."""
    return PERMISSIONS.get(str(data.get("permission")), Permission.none)


def pull_request(data: dict[str, Any]) -> PullRequest:
    """Read a pull request, whole or from a list, where mergeability is left out."""
    return PullRequest(
        number=data["number"],
        url=data["html_url"],
        state=data["state"],
        merged=bool(data.get("merged") or data.get("merged_at")),
        head_sha=data["head"]["sha"],
        base_ref=data["base"]["ref"],
        base_sha=data["base"]["sha"],
        mergeable=data.get("mergeable"),
        merge_commit_sha=data.get("merge_commit_sha"),
        head_ref=data["head"]["ref"],
        author=login(data),
    )


def review(data: dict[str, Any]) -> Review:
    """Read a submitted review."""
    return Review(
        author=login(data),
        state=str(data["state"]).lower(),
        commit_sha=data.get("commit_id") or "",
        body=data.get("body") or "",
        submitted_at=moment(data.get("submitted_at")),
        id=data["id"],
    )


def review_comment(data: dict[str, Any], app: AppIdentity) -> ReviewComment:
    """Read a comment on lines; lines of the old file are none that can be changed."""
    here = data.get("side", "RIGHT") == "RIGHT" and data.get("subject_type", "line") == "line"
    return ReviewComment(
        id=data["id"],
        thread=data.get("in_reply_to_id") or data["id"],
        author=login(data),
        body=data.get("body") or "",
        path=data["path"],
        line=data.get("line") if here else None,
        start_line=data.get("start_line") if here else None,
        commit_sha=data.get("commit_id") or "",
        created_at=moment(data.get("created_at")),
        by_this_app=app.wrote(data),
        review=data.get("pull_request_review_id") or 0,
    )


def foreign_check(data: dict[str, Any]) -> ForeignCheck:
    """Read another app's check run, without its annotations."""
    output = data.get("output") or {}
    return ForeignCheck(
        id=data["id"],
        name=data["name"],
        app=(data.get("app") or {}).get("slug") or "",
        conclusion=data.get("conclusion") if data.get("status") == "completed" else None,
        title=output.get("title") or "",
        summary=output.get("summary") or "",
        url=data.get("details_url") or data.get("html_url") or "",
        waiting=data.get("status") == "waiting",
    )


STATUS_CONCLUSIONS = {"success": "success", "failure": "failure", "error": "startup_failure", "pending": None}


def commit_status(data: dict[str, Any]) -> ForeignCheck:
    """Read a commit status as the check that it is; of who made it GitHub's list tells nothing but the context."""
    context = data.get("context") or "default"
    return ForeignCheck(
        id=data["id"],
        name=context,
        app=context,
        conclusion=STATUS_CONCLUSIONS[data["state"]],
        title=data.get("description") or "",
        url=data.get("target_url") or "",
    )


def check_suite(data: dict[str, Any], app: AppIdentity) -> CheckSuite:
    """Read a check suite; one that waits for a person isn't running."""
    by = data.get("app") or {}
    return CheckSuite(
        app=by.get("slug") or "",
        own=by.get("id") == app.id,
        running=data.get("status") not in {"completed", "waiting"},
        runs=data.get("latest_check_runs_count") or 0,
        created_at=moment(data.get("created_at")),
    )


def annotated(check: ForeignCheck, notes: list[dict[str, Any]]) -> ForeignCheck:
    """Return the check with its annotations."""
    found = (
        Finding(
            path=note["path"], line=max(note["start_line"], 1), end_line=note["end_line"], message=note["message"] or ""
        )
        for note in notes
    )
    return replace(check, annotations=tuple(found))


def annotation(finding: Finding, level: str) -> dict[str, Any]:
    """Write a finding as a check run's annotation, within GitHub's limits."""
    start = max(1, finding.line)
    note = {
        "path": finding.path,
        "start_line": start,
        "end_line": max(start, finding.end_line or start),
        "annotation_level": level,
        "message": finding.message.replace("\0", "")[:16_000] or finding.code or "No message.",  # 64 KB
    }
    return note | ({"title": finding.code[:255]} if finding.code else {})


def login(data: dict[str, Any]) -> str:
    """Return who made something; deleted accounts have no user."""
    return (data.get("user") or {}).get("login") or GHOST


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
