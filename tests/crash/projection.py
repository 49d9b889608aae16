"""What others can see of a run, without ids and times, so that two runs can be compared."""

import asyncio
import re
import sqlite3
import subprocess
from dataclasses import dataclass, fields
from typing import Any

from tests.crash.world import OWNER, Slot
from tests.e2e.team import Asked

# What differs between two runs in which the same was done.
VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r"\b[0-9a-f]{7,12}\b"), "<commit>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\b\d+(\.\d+)? (s|min|h)\b( \d+ (s|min)\b)*"), "<seconds>"),
    # What was in flight counts as spent.
    (re.compile(r"\$\d+\.\d+(?! of)(?= ·)|\$\d+\.\d+(?= of)"), "<cost>"),
    (re.compile(r"\$\d+\.\d+(?= (is spent|would be needed))"), "<cost>"),
    (re.compile(r"(?:^\| \w+ \| `[^`]+` \| \d+ \| \d+ \| [^|]+ \|$\n?)+", re.MULTILINE), "<sums, the dearest first>"),
)

WORK = re.compile(r"The work of (\w+)\.")


@dataclass(frozen=True)
class Projection:
    """One run, in lists and texts that can be compared; each field is one thing to name when it differs."""

    refs: tuple[str, ...]
    commits: tuple[str, ...]
    tree: tuple[str, ...]
    issues: tuple[str, ...]
    labels: tuple[str, ...]
    comments: tuple[str, ...]
    reactions: tuple[str, ...]
    checks: tuple[str, ...]
    pulls: tuple[str, ...]
    remarks: tuple[str, ...]
    reviews: tuple[str, ...]
    asked: tuple[str, ...]
    calls: tuple[str, ...]

    def differences(self, other: "Projection") -> list[str]:
        """Say what `other` has more or less, a sentence for each field."""
        found = []
        for each in fields(self):
            mine, theirs = list(getattr(self, each.name)), list(getattr(other, each.name))
            for one in list(mine):
                if one in theirs:
                    mine.remove(one)
                    theirs.remove(one)
            if mine or theirs:
                found.append(f"{each.name}: missing {mine}, too many {theirs}")
        return found


async def project(slot: Slot, scenario: str) -> Projection:
    """Read what the hub has, and what the model was asked."""
    git = ["git", f"--git-dir={slot.hub_data}/git/{OWNER}/{scenario}.git"]
    refs, commits, tree = await asyncio.gather(
        _lines([*git, "for-each-ref", "--format=%(refname) %(tree)"]),
        _lines([*git, "log", "--all", "--format=%T %an %s"]),
        _lines([*git, "ls-tree", "-r", "main"]),
    )
    with sqlite3.connect(f"file:{slot.hub_data}/hub.sqlite3?mode=ro", uri=True) as hub:
        return Projection(
            refs=refs,
            commits=commits,
            tree=tree,
            calls=tuple(sorted({_call(one) for one in slot.model.asked})),
            **{name: _rows(hub, sql) for name, sql in SEEN.items()},
        )


SEEN = {
    "issues": "SELECT number, title, state, state_reason FROM issues",
    "labels": "SELECT i.number, l.name FROM issue_labels JOIN issues i ON i.id = issue_id"
    " JOIN labels l ON l.id = label_id",
    "comments": "SELECT i.number, a.login, c.body FROM comments c JOIN issues i ON i.id = issue_id"
    " JOIN accounts a ON a.id = c.user_id",
    "reactions": "SELECT subject, content FROM reactions",
    "checks": "SELECT name, conclusion, status, title, summary, text,"
    " (SELECT count(*) FROM annotations WHERE run_id = check_runs.id) FROM check_runs",
    "pulls": "SELECT i.number, i.title, i.body, i.state, head_ref, base_ref, merged_at IS NOT NULL FROM pulls"
    " JOIN issues i ON i.id = issue_id",
    "remarks": "SELECT a.login, c.path, c.line, c.in_reply_to_id, c.body FROM review_comments c"
    " JOIN accounts a ON a.id = c.user_id",
    "reviews": "SELECT a.login, r.state, r.body FROM reviews r JOIN accounts a ON a.id = r.user_id",
    "asked": "SELECT i.number, a.login FROM review_requests r JOIN issues i ON i.id = r.issue_id"
    " JOIN accounts a ON a.id = r.account_id",
}


def _call(asked: Asked) -> str:
    """Name a call; one that was in flight may have been made again, which the invariants look at."""
    task = WORK.search(asked.text)
    return f"{asked.step} {task[1] if task else '-'} attempt {asked.attempt} turn {asked.turn}"


def _rows(hub: sqlite3.Connection, sql: str) -> tuple[str, ...]:
    return tuple(sorted(_plain(" | ".join(map(str, row))) for row in hub.execute(sql)))


def _plain(text: str) -> str:
    for pattern, stand_in in VARYING:
        text = pattern.sub(stand_in, text)
    return text


async def _lines(argv: list[str]) -> tuple[str, ...]:
    done: Any = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv} failed: {done.stderr}")
    return tuple(sorted(done.stdout.splitlines()))
