"""What a merge leaves behind: the pull request's end, the issues that it closes."""

from __future__ import annotations

import re

from hub.auth import Actor
from hub.context import Hub
from hub.services import accounts, issue_rows, issues, pull_rows, telling
from hub.services.accounts import person_of
from hub.store import Row

# https://docs.github.com/en/issues/tracking-your-work-with-issues/linking-a-pull-request-to-an-issue
CLOSING = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:(?P<repo>[\w.-]+/[\w.-]+))?#(?P<n>\d+)\b", re.I
)


async def finish(hub: Hub, actor: Actor, repo: Row, row: Row, commit: str, base: str) -> None:
    """Write down that a pull request is merged, and close the issues that it names."""
    person = person_of(actor)
    now = hub.store.now()
    facts = row.get("facts") or await pull_rows.facts(hub, repo, row)
    with hub.store.transaction():
        hub.store.update(
            "pulls",
            row["id"],
            merged_at=now,
            merged_by_id=person["id"],
            merge_commit_sha=commit,
            head_sha=row["head_sha"],
            base_sha=base,
        )
        issue_rows.write_state(hub, person, row["issue"]["id"], "closed", None)
        fresh = {**pull_rows.find(hub, repo, row["number"]), "facts": facts.ended()}
        telling.of_pull(hub, actor, repo, "closed", fresh)
        if row["base_ref"] == repo["default_branch"]:
            _close_named(hub, actor, repo, row)


def closing_numbers(text: str, full_name: str) -> list[int]:
    """Find the issues of this repository that a text closes."""
    found = (m for m in CLOSING.finditer(text) if (m["repo"] or full_name).lower() == full_name.lower())
    return list(dict.fromkeys(int(match["n"]) for match in found))


def _close_named(hub: Hub, actor: Actor, repo: Row, row: Row) -> None:
    for number in closing_numbers(f"{row['issue']['title']}\n{row['issue']['body'] or ''}", repo["full_name"]):
        named = hub.store.one(
            "SELECT number FROM issues WHERE repository_id = ? AND number = ? AND state = 'open'"
            " AND id NOT IN (SELECT issue_id FROM pulls)",
            repo["id"],
            number,
        )
        if named:
            issues.set_state(hub, actor, repo, issue_rows.load(hub, repo, number), "closed")


async def find_merged(hub: Hub, actor: Actor, repo: Row, base_ref: str) -> None:
    """Mark the open pull requests whose commits have reached their base by another way."""
    git = hub.git(repo)
    tip = git.branch(base_ref)
    for row in pull_rows.listed(hub, repo, "open", None, base_ref):
        if tip is None:
            return
        planned = row["merging_sha"]
        by_us = bool(planned) and await git.is_ancestor(planned, tip)
        if by_us or await git.is_ancestor(row["head_sha"], tip):
            commit = planned if by_us else tip
            who = accounts.by_id(hub.store, row["merging_by_id"]) if by_us else None
            doer = Actor(account=who) if who else actor
            await finish(hub, doer, repo, row, commit, row["base_sha"])
