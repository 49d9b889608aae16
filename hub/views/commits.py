"""Commits, comparisons and files as JSON."""

from __future__ import annotations

from typing import Any

from hub.diffs import Change
from hub.repository import Commit, Signature
from hub.store import Row
from hub.views.accounts import Json, maybe_user
from hub.views.urls import Urls, node_id

UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def signature(one: Signature) -> Json:
    return {"name": one.name, "email": one.email, "date": one.date}


def git_commit(urls: Urls, full_name: str, commit: Commit) -> Json:
    """Show the git part of a commit."""
    return {
        "url": urls.repo(full_name, "git", "commits", commit.sha),
        "author": signature(commit.author),
        "committer": signature(commit.committer),
        "message": commit.message,
        "comment_count": 0,
        "tree": {"sha": commit.tree, "url": urls.repo(full_name, "git", "trees", commit.tree)},
        "verification": UNSIGNED,
    }


def commit(urls: Urls, full_name: str, one: Commit, author: Row | None, committer: Row | None) -> Json:
    """Show a commit; `author` and `committer` are the accounts behind the addresses, where known."""
    here = urls.repo(full_name, "commits", one.sha)
    return {
        "sha": one.sha,
        "node_id": node_id("Commit", one.sha),
        "url": here,
        "html_url": urls.page(full_name, "commit", one.sha),
        "comments_url": f"{here}/comments",
        "commit": git_commit(urls, full_name, one),
        "author": maybe_user(urls, author),
        "committer": maybe_user(urls, committer),
        "parents": [_parent(urls, full_name, sha) for sha in one.parents],
    }


def _parent(urls: Urls, full_name: str, sha: str) -> Json:
    page = urls.page(full_name, "commit", sha)
    return {"sha": sha, "url": urls.repo(full_name, "commits", sha), "html_url": page}


def stats(changes: tuple[Change, ...]) -> Json:
    added, deleted = sum(c.additions for c in changes), sum(c.deletions for c in changes)
    return {"total": added + deleted, "additions": added, "deletions": deleted}


def diff_entry(urls: Urls, full_name: str, head: str, change: Change) -> Json:
    """Show what happened to one file."""
    shown: Json = {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": urls.page(full_name, "blob", head, change.path),
        "raw_url": urls.page(full_name, "raw", head, change.path),
        "contents_url": urls.repo(full_name, "contents", change.path) + f"?ref={head}",
    }
    if change.previous_path is not None:
        shown["previous_filename"] = change.previous_path
    if change.patch is not None:
        shown["patch"] = change.patch
    return shown


def simple_commit(one: Commit) -> Json:
    """Show a commit as check suites do."""
    return {
        "id": one.sha,
        "tree_id": one.tree,
        "message": one.message,
        "timestamp": one.committer.date,
        "author": {"name": one.author.name, "email": one.author.email},
        "committer": {"name": one.committer.name, "email": one.committer.email},
    }


def pushed_commit(urls: Urls, full_name: str, one: Commit, changes: tuple[Change, ...]) -> Json:
    """Show a commit as the push webhook does."""
    names: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for change in changes:
        if change.status == "renamed" and change.previous_path:
            names["removed"].append(change.previous_path)
            names["added"].append(change.path)
        else:
            names.get(change.status, names["modified"]).append(change.path)
    return {
        **simple_commit(one),
        "distinct": True,
        "url": urls.page(full_name, "commit", one.sha),
        "author": {"name": one.author.name, "email": one.author.email, "date": one.author.date},
        "committer": {"name": one.committer.name, "email": one.committer.email, "date": one.committer.date},
        **names,
    }


def content(urls: Urls, full_name: str, ref: str, path: str, kind: str, sha: str, size: int) -> Json:
    """Show a file or directory in a commit, without what is inside."""
    here = urls.repo(full_name, "contents", path) + f"?ref={ref}"
    is_file = kind in {"file", "symlink"}
    git_url = urls.repo(full_name, "git", "blobs" if is_file else "trees", sha)
    page = urls.page(full_name, "blob" if is_file else "tree", ref, path)
    shown: dict[str, Any] = {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "size": size,
        "type": kind,
        "url": here,
        "html_url": page,
        "git_url": git_url,
        "download_url": urls.page(full_name, "raw", ref, path) if is_file else None,
        "_links": {"self": here, "git": git_url, "html": page},
    }
    return shown
