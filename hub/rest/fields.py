"""The types of the fields in request bodies, checked once, before any handler looks at them."""

from __future__ import annotations

from typing import Any

from hub.errors import malformed

LARGEST = 2**53  # what JSON numbers hold exactly

# GitHub uses one name for one thing, so that a name is enough to know a field's type. Every other field is a string.
OBJECTS = {
    "output", "author", "committer", "permissions", "required_status_checks", "required_pull_request_reviews",
    "restrictions",
}  # fmt: skip
INTEGERS = {
    "line", "start_line", "end_line", "start_column", "end_column", "position", "in_reply_to", "app_id",
    "required_approving_review_count",
}  # fmt: skip
BOOLEANS = {
    "draft", "force", "private", "auto_init", "maintainer_can_modify", "allow_merge_commit", "allow_squash_merge",
    "allow_rebase_merge", "delete_branch_on_merge", "strict", "enforce_admins", "dismiss_stale_reviews",
    "require_code_owner_reviews", "require_last_push_approval",
}  # fmt: skip
ARRAYS: dict[str, tuple[type, ...]] = {
    "labels": (str, dict),
    "assignees": (str, dict),
    "reviewers": (str,),
    "team_reviewers": (str,),
    "comments": (dict,),
    "annotations": (dict,),
    "actions": (dict,),
    "images": (dict,),
    "contexts": (str,),
    "repositories": (str,),
    "repository_ids": (int,),
}
# "checks" is a permission as well as a list; what uses it checks it.
FREE = {"checks", "title", "milestone", "type", "issue_field_values", "issue", "duplicate_issue_id"}


def check_body(data: dict[str, Any]) -> None:
    """Refuse a body in which a field has the wrong type; null is the same as leaving a field out."""
    for name, value in data.items():
        if value is not None and name not in FREE:
            _check(name, value)


def _check(name: str, value: Any) -> None:
    if name in ARRAYS:
        _need(isinstance(value, list), name, value, "an array")
        for one in value:
            _need(isinstance(one, ARRAYS[name]), name, one, "an item of the right type")
            if isinstance(one, dict):
                check_body(one)
    elif name in OBJECTS:
        _need(isinstance(value, dict), name, value, "an object")
        check_body(value)
    elif name in INTEGERS:
        whole = isinstance(value, int) and not isinstance(value, bool)
        _need(whole and abs(value) < LARGEST, name, value, "an integer")
    elif name in BOOLEANS:
        _need(isinstance(value, bool), name, value, "a boolean")
    else:
        _need(isinstance(value, str), name, value, "a string")


def _need(right: bool, name: str, value: Any, kind: str) -> None:
    if not right:
        raise malformed(f"For 'properties/{name}', {str(value)[:60]!r} is not {kind}.")
