"""The invariants: queries that return no rows, and what only the hub and the model can tell."""

import json
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import web

from tests.e2e.team import Asked, ModelDouble

FILE = Path(__file__).with_name("invariants.sql")
NAME = re.compile(r"^-- name: (.+) \((always|at rest)\)$", re.MULTILINE)
SHOWN = 3  # rows of a broken one


@dataclass(frozen=True)
class Invariant:
    """A sentence that holds, and the query for what breaks it."""

    name: str
    at_rest: bool
    query: str


@cache
def invariants() -> tuple[Invariant, ...]:
    """Read the file."""
    _, *parts = NAME.split(FILE.read_text())
    return tuple(
        Invariant(name, when == "at rest", query.strip())
        for name, when, query in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    )


async def broken(connection: asyncpg.Connection, *, at_rest: bool) -> list[str]:
    """Return a sentence for each invariant that doesn't hold; those for a rest only when everything rests."""
    found = []
    for invariant in invariants():
        if invariant.at_rest and not at_rest:
            continue
        if rows := await connection.fetch(invariant.query):
            shown = [" ".join(f"{key}={value}" for key, value in row.items()) for row in rows[:SHOWN]]
            found.append(f"Broken: {invariant.name}: {'; '.join(shown)}")
    return found


# --- what the hub knows

HUB: dict[str, str] = {
    "a comment's marker is there once": """
        SELECT issue_id, substr(body, 1, instr(body, '-->') + 2) AS marker, count(*) FROM comments
        WHERE body LIKE '<!-- aurora:%' GROUP BY 1, 2 HAVING count(*) > 1""",
    "a reply's marker is there once": """
        SELECT in_reply_to_id, substr(body, 1, instr(body, '-->') + 2) AS marker, count(*) FROM review_comments
        WHERE body LIKE '<!-- aurora:%' GROUP BY 1, 2 HAVING count(*) > 1""",
    "a check run is there once": """
        SELECT name, head_sha, external_id, count(*) FROM check_runs GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "a branch has one pull request": """
        SELECT repository_id, head_ref, count(*) FROM pulls GROUP BY 1, 2 HAVING count(*) > 1""",
    "a check run has its conclusion": "SELECT id, name, status FROM check_runs WHERE status <> 'completed'",
}


async def broken_at_hub(connection: asyncpg.Connection, database: Path) -> list[str]:
    """Return a sentence for each thing in which the hub and the tables differ."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as hub:
        found = [
            f"Broken: {name}: {rows[:SHOWN]}" for name, sql in HUB.items() if (rows := hub.execute(sql).fetchall())
        ]
        there = {
            "comment": _column(hub, "SELECT id FROM comments"),
            "check": _column(hub, "SELECT id FROM check_runs"),
            "pull_request": _column(hub, "SELECT number FROM issues JOIN pulls ON pulls.issue_id = issues.id"),
        }
    if lost := await unheard(connection, database):
        found.append(f"Broken: every delivery of the hub is stored: {sorted(lost)[:SHOWN]}")
    for row in await connection.fetch("SELECT key, outcome FROM effects WHERE outcome IS NOT NULL"):
        kind = row["key"].partition(".")[0]
        number = _number(row["outcome"])
        if kind in there and number is not None and number not in there[kind]:
            found.append(f"Broken: every effect is at the hub: {row['key']}: {row['outcome']}")
    return found


async def unheard(connection: asyncpg.Connection, database: Path) -> set[str]:
    """Return the deliveries of the hub that nobody has stored yet."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as hub:
        sent = _column(hub, "SELECT guid FROM deliveries")
    return sent - {row["guid"] for row in await connection.fetch("SELECT guid FROM deliveries")}


def _column(hub: sqlite3.Connection, sql: str) -> set[Any]:
    return {value for (value,) in hub.execute(sql)}


def _number(outcome: Any) -> int | None:
    values = json.loads(outcome) if isinstance(outcome, str) else outcome
    number = values.get("id", values.get("number"))
    return number if isinstance(number, int) else None


# --- what the model knows

CALLS = """
SELECT COALESCE(u.task_id::text, '-') AS task, u.step, u.attempt, u.scope, u.position,
       min(u.created_at) AS begun, min(j.created_at) AS recorded,
       count(DISTINCT u.id) FILTER (WHERE u.status <> 'returned') AS paid
FROM token_usage u
LEFT JOIN journal j ON j.subject = COALESCE(u.task_id, u.project_id) AND j.scope = u.scope AND j.position = u.position
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, begun, u.scope, u.position
"""


@dataclass(frozen=True)
class Heard:
    """A request as the model's server noted it."""

    at: datetime
    asked: Asked

    @property
    def place(self) -> tuple[str, str, int]:
        """Return what it was asked for."""
        return self.asked.task, self.asked.step, self.asked.attempt


class TimedDouble(ModelDouble):
    """A model's server that notes when it was asked."""

    @property
    def heard(self) -> list[Heard]:
        """Return the requests with their times."""
        return [Heard(at, asked) for at, asked in zip(self.times, self.asked, strict=True)]

    def forget(self) -> None:
        """Begin anew."""
        self.asked, self.times = [], []

    times: list[datetime]

    async def complete(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.times.append(datetime.now(UTC))
        return await super().complete(request)


async def asked_again(connection: asyncpg.Connection, heard: list[Heard]) -> list[str]:
    """Return a sentence for each request that was made though its answer was recorded, or without being paid for."""
    found = []
    calls: dict[tuple[str, str, int], list[asyncpg.Record]] = {}
    for row in await connection.fetch(CALLS):
        calls.setdefault((row["task"], row["step"], row["attempt"]), []).append(row)
    requests: dict[tuple[str, str, int], dict[int, list[Heard]]] = {}
    for one in heard:
        requests.setdefault(one.place, {}).setdefault(one.asked.turn, []).append(one)
    for place, turns in requests.items():
        rows = calls.get(place, [])
        if len(rows) < len(turns):
            found.append(f"Asked without a reservation: {place}: {len(turns)} turns, {len(rows)} calls")
        for made, row in _paired(turns, rows):
            asked = f"{place} turn {made[0].asked.turn}"
            if row["recorded"] and (late := [one for one in made if one.at > row["recorded"]]):
                found.append(f"Asked again though recorded: {asked}, {len(late)} times")
            if len(made) > row["paid"]:
                found.append(f"Asked {len(made)} times and paid {row['paid']} times: {asked}")
    return found


def _paired(turns: dict[int, list[Heard]], rows: list[asyncpg.Record]) -> list[tuple[list[Heard], asyncpg.Record]]:
    """Tell which requests are about which call: turn by turn, or where there were several conversations, by time."""
    if len(turns) == len(rows):
        return [(made, row) for (_, made), row in zip(sorted(turns.items()), rows, strict=True)]
    pairs: list[list[Heard]] = [[] for _ in rows] or [[]]  # whoever asks without a row is told of already
    for one in sorted((one for made in turns.values() for one in made), key=lambda one: one.at):
        begun = [number for number, row in enumerate(rows) if row["begun"] <= one.at]
        pairs[begun[-1] if begun else 0].append(one)
    return [(made, row) for made, row in zip(pairs, rows, strict=False) if made]
