"""Protected branches: which checks and reviews a pull request needs before it can be merged into one.

https://docs.github.com/en/rest/branches/branch-protection
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hub.context import Hub
from hub.errors import ApiError, malformed
from hub.permissions import at_least
from hub.services import accounts
from hub.store import Row
from hub.views.accounts import Json

GOOD = ("success", "neutral", "skipped")
MOST_REVIEWS = 6
OUT_OF_DATE = "Head branch is out of date. Review and try the merge again."


def find(hub: Hub, repository_id: int, branch: str) -> Row | None:
    """Fetch what a branch asks for; None for one that isn't protected."""
    row = hub.store.one("SELECT * FROM protections WHERE repository_id = ? AND branch = ?", repository_id, branch)
    return None if row is None else {**row, "contexts": json.loads(row["contexts"])}


def protect(hub: Hub, repo: Row, branch: str, data: Json) -> Row:
    """Protect a branch, or protect it otherwise."""
    for field in ("required_status_checks", "enforce_admins", "required_pull_request_reviews", "restrictions"):
        if field not in data:
            raise malformed(f'"{field}" wasn\'t supplied.')
    checks, reviews = data["required_status_checks"], data["required_pull_request_reviews"]
    wanted = {
        "contexts": json.dumps(_contexts(checks or {})),
        "has_checks": int(checks is not None),
        "strict": int(bool((checks or {}).get("strict"))),
        "has_reviews": int(reviews is not None),
        "reviews": _count(reviews),
        "enforce_admins": int(bool(data["enforce_admins"])),
    }
    with hub.store.transaction():
        remove(hub, repo, branch)
        hub.store.insert("protections", repository_id=repo["id"], branch=branch, **wanted)
    row = find(hub, repo["id"], branch)
    if row is None:
        raise LookupError(branch)
    return row


def _contexts(checks: Json) -> list[str]:
    listed = checks.get("checks") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) and one.get("context") for one in listed):
        raise malformed(f"For 'properties/checks', {str(listed)[:60]!r} is not an array of checks.")
    named = [str(one["context"]) for one in listed]
    return list(dict.fromkeys([*(checks.get("contexts") or ()), *named]))


def _count(reviews: Json | None) -> int:
    if reviews is None:
        return 0
    given = reviews.get("required_approving_review_count")
    count = 1 if given is None else int(given)
    if not 0 <= count <= MOST_REVIEWS:
        raise ApiError(422, "Invalid request.\n\nrequired_approving_review_count must be between 0 and 6.")
    return count


def remove(hub: Hub, repo: Row, branch: str) -> bool:
    """Take the protection off a branch; tell whether there was one."""
    sql = "DELETE FROM protections WHERE repository_id = ? AND branch = ?"
    return bool(hub.store.execute(sql, repo["id"], branch))


def missing(hub: Hub, pull: Row) -> str | None:
    """Say, in GitHub's words, what a pull request lacks to be merged; None when it lacks nothing."""
    rule = find(hub, pull["repository_id"], pull["base_ref"])
    if rule is None:
        return None
    return _missing_checks(hub, pull, rule["contexts"]) or _missing_reviews(hub, pull, rule)


def is_strict(hub: Hub, pull: Row) -> bool:
    """Tell whether a pull request has to hold everything that its base has."""
    rule = find(hub, pull["repository_id"], pull["base_ref"])
    return rule is not None and bool(rule["strict"])


def binds(hub: Hub, pull: Row, role: str | None) -> bool:
    """Tell whether the protection holds for somebody with this role: administrators may be let off."""
    rule = find(hub, pull["repository_id"], pull["base_ref"])
    return rule is not None and (bool(rule["enforce_admins"]) or not at_least(role, "admin"))


def _missing_checks(hub: Hub, pull: Row, contexts: list[str]) -> str | None:
    found = {name: _state(hub, pull, name) for name in contexts}
    lacking = {name: state for name, state in found.items() if state != "success"}
    if len(lacking) == 1:
        name, state = next(iter(lacking.items()))
        return f'Required status check "{name}" is {state}.'
    if lacking:
        counted = Counter(lacking.values())
        words = " and ".join(f"{count} {state}" for state, count in sorted(counted.items()))
        return f"{len(lacking)} of {len(contexts)} required status checks have not succeeded: {words}."
    return None


def _state(hub: Hub, pull: Row, name: str) -> str:
    """Tell how a check stands on the head: success, failing, pending, or expected when nobody reported it."""
    where = (pull["repository_id"], pull["head_sha"], name)
    runs = hub.store.all(
        "SELECT status, conclusion FROM check_runs WHERE id IN (SELECT max(id) FROM check_runs"
        " WHERE repository_id = ? AND head_sha = ? AND name = ? GROUP BY app_id)",
        *where,
    )
    status = hub.store.value(
        "SELECT state FROM statuses WHERE repository_id = ? AND sha = ? AND context = ? ORDER BY id DESC LIMIT 1",
        *where,
    )
    states = [_of_run(run) for run in runs] + ([{"success": "success", "pending": "pending"}.get(status, "failing")]
                                               if status else [])  # fmt: skip
    return next((one for one in ("failing", "pending", "success") if one in states), "expected")


def _of_run(run: Row) -> str:
    if run["status"] != "completed":
        return "pending"
    return "success" if run["conclusion"] in GOOD else "failing"


def _missing_reviews(hub: Hub, pull: Row, rule: Row) -> str | None:
    if not rule["has_reviews"]:
        return None
    repo = hub.store.get("SELECT * FROM repositories WHERE id = ?", pull["repository_id"])
    verdicts: dict[int, Any] = {
        row["user_id"]: row["state"]
        for row in hub.store.all(
            "SELECT user_id, state FROM reviews WHERE issue_id = ? AND state IN"
            " ('APPROVED', 'CHANGES_REQUESTED', 'DISMISSED') ORDER BY id",
            pull.get("issue_id"),
        )
        if at_least(accounts.role(hub.store, repo, accounts.need(hub.store, row["user_id"])), "write")
    }
    if "CHANGES_REQUESTED" in verdicts.values():
        return "Changes have been requested."
    if list(verdicts.values()).count("APPROVED") < rule["reviews"]:
        reviews = f"{rule['reviews']} approving review{'' if rule['reviews'] == 1 else 's'}"
        verb = "is" if rule["reviews"] == 1 else "are"
        return f"At least {reviews} {verb} required by reviewers with write access."
    return None
