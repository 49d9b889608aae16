"""Repositories, branches and refs as JSON."""

from __future__ import annotations

from typing import Any

from hub.store import Row
from hub.views.accounts import Json, user
from hub.views.urls import Urls, node_id

# The address templates that every repository carries, relative to its own API address.
TEMPLATES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}

NO_MORE: dict[str, Any] = {
    "fork": False,
    "homepage": None,
    "language": None,
    "forks": 0,
    "forks_count": 0,
    "stargazers_count": 0,
    "watchers_count": 0,
    "watchers": 0,
    "size": 0,
    "mirror_url": None,
    "license": None,
    "is_template": False,
    "topics": [],
    "has_issues": True,
    "has_projects": False,
    "has_wiki": False,
    "has_pages": False,
    "has_downloads": False,
    "has_discussions": False,
    "archived": False,
    "disabled": False,
    "allow_forking": False,
    "web_commit_signoff_required": False,
}

ROLES = ("read", "triage", "write", "maintain", "admin")


def role_permissions(role: str | None) -> dict[str, bool]:
    """Spell a role out as the five booleans that GitHub shows."""
    rank = ROLES.index(role) if role in ROLES else -1
    return {"admin": rank >= 4, "maintain": rank >= 3, "push": rank >= 2, "triage": rank >= 1, "pull": rank >= 0}


def repository(urls: Urls, repo: Row, role: str | None = None) -> Json:
    """Show a repository; `role` is the caller's, when it has one."""
    api = urls.repo(repo["full_name"])
    page = urls.page(repo["full_name"])
    shown: Json = {
        "id": repo["id"],
        "node_id": node_id("Repository", repo["id"]),
        "name": repo["name"],
        "full_name": repo["full_name"],
        "private": bool(repo["private"]),
        "owner": user(urls, repo["owner"]),
        "html_url": page,
        "description": repo["description"],
        "url": api,
        **{key: api + template for key, template in TEMPLATES.items()},
        **NO_MORE,
        "git_url": f"git:{page.split(':', 1)[1]}.git",
        "ssh_url": f"{page}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "open_issues": repo["open_issues"],
        "open_issues_count": repo["open_issues"],
        "visibility": "private" if repo["private"] else "public",
        "default_branch": repo["default_branch"],
        "created_at": repo["created_at"],
        "updated_at": repo["updated_at"],
        "pushed_at": repo["pushed_at"],
    }
    if role is not None:
        shown["permissions"] = role_permissions(role)
    return shown


def full_repository(urls: Urls, repo: Row, role: str | None) -> Json:
    """Show a repository with its settings."""
    return {
        **repository(urls, repo, role),
        **{name: bool(repo[name]) for name in SETTINGS},
        "allow_auto_merge": False,
        "allow_update_branch": False,
        "subscribers_count": 0,
        "network_count": 0,
    }


SETTINGS = ("allow_merge_commit", "allow_squash_merge", "allow_rebase_merge", "delete_branch_on_merge")


def repository_stub(repo: Row) -> Json:
    """Name a repository as installation webhooks do."""
    return {
        "id": repo["id"],
        "node_id": node_id("Repository", repo["id"]),
        "name": repo["name"],
        "full_name": repo["full_name"],
        "private": bool(repo["private"]),
    }


def git_ref(urls: Urls, full_name: str, ref: str, sha: str, kind: str) -> Json:
    """Show a ref and what it points to."""
    return {
        "ref": ref,
        "node_id": node_id("Ref", f"{full_name}:{ref}"),
        "url": urls.repo(full_name, "git", ref),
        "object": {"type": kind, "sha": sha, "url": urls.repo(full_name, "git", f"{kind}s", sha)},
    }


def branch(urls: Urls, full_name: str, name: str, shown_commit: Json, rule: Row | None) -> Json:
    """Show a branch, and which checks it asks for to those who may not see the whole protection."""
    here = urls.repo(full_name, "branches", name)
    contexts = rule["contexts"] if rule else []
    level = "off" if not contexts else "everyone" if rule and rule["enforce_admins"] else "non_admins"
    return {
        "name": name,
        "commit": shown_commit,
        "_links": {"self": here, "html": urls.page(full_name, "tree", name)},
        "protected": rule is not None,
        "protection": {
            "enabled": rule is not None,
            "required_status_checks": {"enforcement_level": level, "contexts": contexts, "checks": _checks(contexts)},
        },
        "protection_url": f"{here}/protection",
    }


def _checks(contexts: list[str]) -> list[Json]:
    return [{"context": name, "app_id": None} for name in contexts]


def protection(urls: Urls, full_name: str, rule: Row) -> Json:
    """Show what a protected branch asks for."""
    here = f"{urls.repo(full_name, 'branches', rule['branch'])}/protection"
    shown: Json = {
        "url": here,
        "enforce_admins": {"url": f"{here}/enforce_admins", "enabled": bool(rule["enforce_admins"])},
        **{name: {"enabled": False} for name in ("required_linear_history", "allow_force_pushes", "allow_deletions")},
    }
    if rule["has_checks"]:
        shown["required_status_checks"] = {
            "url": f"{here}/required_status_checks",
            "strict": bool(rule["strict"]),
            "contexts": rule["contexts"],
            "contexts_url": f"{here}/required_status_checks/contexts",
            "checks": _checks(rule["contexts"]),
        }
    if rule["has_reviews"]:
        shown["required_pull_request_reviews"] = {
            "url": f"{here}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "require_last_push_approval": False,
            "required_approving_review_count": rule["reviews"],
        }
    return shown


def collaborator_permission(urls: Urls, account: Row, role: str | None) -> Json:
    """Show what a person may do; GitHub folds triage into read and maintain into write here."""
    folded = {None: "none", "triage": "read", "maintain": "write"}.get(role, role)
    shown: dict[str, Any] = {
        **user(urls, account),
        "permissions": role_permissions(role),
        "role_name": role or "none",
    }
    return {"permission": folded, "role_name": role or "none", "user": shown}
