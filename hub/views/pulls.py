"""Pull requests, reviews and review comments as JSON."""

from __future__ import annotations

from typing import Any

from hub.store import Row
from hub.views.accounts import Json, maybe_user, user
from hub.views.issues import label, rollup
from hub.views.repos import SETTINGS, repository
from hub.views.urls import Urls, node_id


def pull_simple(urls: Urls, row: Row) -> Json:
    """Show a pull request as lists do."""
    issue, repo = row["issue"], row["repository"]
    full_name = repo["full_name"]
    here, page = urls.repo(full_name, "pulls", issue["number"]), urls.page(full_name, "pull", issue["number"])
    as_issue = urls.repo(full_name, "issues", issue["number"])
    statuses = urls.repo(full_name, "statuses", row["head_sha"])
    assignees = [user(urls, account) for account in issue["assignees"]]
    related = {
        "issue": as_issue,
        "comments": f"{as_issue}/comments",
        "review_comments": f"{here}/comments",
        "review_comment": urls.repo(full_name, "pulls", "comments") + "{/number}",
        "commits": f"{here}/commits",
        "statuses": statuses,
    }
    return {
        "id": row["id"],
        "node_id": node_id("PullRequest", row["id"]),
        "url": here,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        **{f"{name}_url": link for name, link in related.items()},
        "number": issue["number"],
        "state": issue["state"],
        "locked": False,
        "title": issue["title"],
        "user": user(urls, issue["user"]),
        "body": issue["body"],
        "labels": [label(urls, full_name, one) | {"description": one["description"] or ""} for one in issue["labels"]],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": issue["created_at"],
        "updated_at": issue["updated_at"],
        "closed_at": issue["closed_at"],
        "merged_at": row["merged_at"],
        "merge_commit_sha": row["merge_commit_sha"],
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "requested_reviewers": [user(urls, account) for account in row["requested_reviewers"]],
        "requested_teams": [],
        "head": _end(urls, repo, row["head_ref"], row["head_sha"]),
        "base": _end(urls, repo, row["base_ref"], row["base_sha"]),
        "_links": {
            "self": {"href": here},
            "html": {"href": page},
            **{name: {"href": link} for name, link in related.items()},
        },
        "author_association": issue["association"],
        "auto_merge": None,
        "draft": bool(row["draft"]),
    }


def pull(urls: Urls, row: Row) -> Json:
    """Show a pull request with what only git can tell: size and mergeability."""
    facts = row["facts"]
    return {
        **pull_simple(urls, row),
        "merged": row["merged_at"] is not None,
        "mergeable": facts.mergeable,
        "rebaseable": facts.mergeable,
        "mergeable_state": facts.mergeable_state,
        "merged_by": maybe_user(urls, row["merged_by"]),
        "comments": row["issue"]["comments"],
        "review_comments": row["review_comments"],
        "maintainer_can_modify": bool(row["maintainer_can_modify"]),
        "commits": facts.commits,
        "additions": facts.additions,
        "deletions": facts.deletions,
        "changed_files": facts.changed_files,
    }


def _end(urls: Urls, repo: Row, ref: str, sha: str) -> Json:
    settings: Json = {name: bool(repo[name]) for name in SETTINGS}
    return {
        "label": f"{repo['owner']['login']}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(urls, repo["owner"]),
        "repo": {**repository(urls, repo), **settings},
    }


def pull_minimal(urls: Urls, row: Row) -> Json:
    """Name a pull request as check runs do."""
    repo = row["repository"]
    api = urls.repo(repo["full_name"])
    stub = {"id": repo["id"], "url": api, "name": repo["name"]}
    return {
        "id": row["id"],
        "number": row["issue"]["number"],
        "url": f"{api}/pulls/{row['issue']['number']}",
        "head": {"ref": row["head_ref"], "sha": row["head_sha"], "repo": stub},
        "base": {"ref": row["base_ref"], "sha": row["base_sha"], "repo": stub},
    }


def review(urls: Urls, row: Row) -> Json:
    """Show a review of a pull request."""
    here = urls.repo(row["full_name"], "pulls", row["number"])
    page = f"{urls.page(row['full_name'], 'pull', row['number'])}#pullrequestreview-{row['id']}"
    shown: dict[str, Any] = {
        "id": row["id"],
        "node_id": node_id("PullRequestReview", row["id"]),
        "user": user(urls, row["user"]),
        "body": row["body"],
        "state": row["state"],
        "html_url": page,
        "pull_request_url": here,
        "_links": {"html": {"href": page}, "pull_request": {"href": here}},
        "commit_id": row["commit_sha"],
        "author_association": row["association"],
    }
    if row["submitted_at"]:
        shown["submitted_at"] = row["submitted_at"]
    return shown


def review_comment(urls: Urls, row: Row) -> Json:
    """Show a comment on a line or file of a pull request; an outdated one has neither line nor position."""
    now = row["now"]
    pull_url = urls.repo(row["full_name"], "pulls", row["number"])
    here = urls.repo(row["full_name"], "pulls", "comments", row["id"])
    page = f"{urls.page(row['full_name'], 'pull', row['number'])}#discussion_r{row['id']}"
    shown: dict[str, Any] = {
        "id": row["id"],
        "node_id": node_id("PullRequestReviewComment", row["id"]),
        "pull_request_review_id": row["review_id"],
        "url": here,
        "html_url": page,
        "pull_request_url": pull_url,
        "_links": {"self": {"href": here}, "html": {"href": page}, "pull_request": {"href": pull_url}},
        "diff_hunk": row["diff_hunk"],
        "path": row["path"],
        "position": now["position"],
        "original_position": row["position"],
        "commit_id": now["commit_sha"],
        "original_commit_id": row["commit_sha"],
        "user": user(urls, row["user"]),
        "body": row["body"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "author_association": row["association"],
        "start_line": now["start_line"],
        "original_start_line": row["start_line"],
        "start_side": row["start_side"],
        "line": None if now["position"] is None else now["line"] or 1,
        "original_line": row["line"] or 1,
        "side": row["side"],
        "subject_type": row["subject_type"],
        "reactions": rollup(f"{here}/reactions", row["reactions"]),
    }
    if row["in_reply_to_id"]:
        shown["in_reply_to_id"] = row["in_reply_to_id"]
    return shown
