"""Whether everything that was done was done at a crash point: crossings against records that others kept.

Nobody has to remember this: an effect, a job, a model call or a request to GitHub that comes in later and doesn't cross
a boundary leaves a record without a crossing, and fails here.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import asyncpg

from tests.crash.guard import Crossing
from tests.crash.world import Slot

STARTED = re.compile(r"s → \S+:-?\d+:\w+\(")  # arq's own word for a job that it begins

# What the tables count, by the crossing that must have been made for each.
COUNTED = {
    "stored": "SELECT event AS what, count(*) FROM deliveries GROUP BY 1",
    "written intent": "SELECT split_part(key, '.', 1) AS what, count(*) FROM effects GROUP BY 1",
    "written outcome": "SELECT split_part(key, '.', 1) AS what, count(*) FROM effects"
    " WHERE outcome IS NOT NULL GROUP BY 1",
    "model": "SELECT step AS what, count(*) FROM token_usage GROUP BY 1",
    "tool": "SELECT content ->> 'name' AS what, count(*) FROM journal WHERE kind = 'tool'"
    " AND content ->> 'name' <> 'start' GROUP BY 1",  # where a visit began, beside the model's first answer
    "saved": "SELECT 'state' AS what, count(*) FROM checkpoints UNION ALL"
    " SELECT 'writes', count(DISTINCT (checkpoint_id, task_id)) FROM checkpoint_writes",
}


async def uncrossed(slot: Slot, crossings: Iterable[Crossing]) -> list[str]:
    """Return a sentence for each kind of record that there is more of than crossings, after an undisturbed run."""
    made = Counter(f"{one.kind} {one.what}" for one in crossings if one.state == "begins")
    found = []
    connection = await asyncpg.connect(slot.database)
    try:
        for kind, query in COUNTED.items():
            for row in await connection.fetch(query):
                found += _compared(f"{kind} {row['what']}", row["count"], made[f"{kind} {row['what']}"], "the tables")
    finally:
        await connection.close()
    for method, count in _rest_writes(slot.requests).items():
        crossed = sum(number for name, number in made.items() if name.startswith(f"github {method} "))
        found += _compared(f"github {method}", count, crossed, "GitHub", exactly=True)
    crossed = sum(number for name, number in made.items() if name.startswith("pushed "))
    found += _compared("pushed", _pushes(slot.requests), crossed, "GitHub")
    started = len(STARTED.findall((slot.home / "worker.log").read_text()))
    for kind in ("job", "rung"):
        crossed = sum(number for name, number in made.items() if name.startswith(f"{kind} "))
        found += _compared(kind, started, crossed, "the queue")
    return found


def _compared(what: str, recorded: int, crossed: int, who: str, *, exactly: bool = False) -> list[str]:
    if recorded == crossed if exactly else recorded <= crossed:
        return []
    return [
        f"{who} counted {recorded} of {what}, and {crossed} crossed a crash point: let it go through `app.edges.edge`."
    ]


def _rest_writes(file: Path) -> Counter[str]:
    return Counter(one["method"] for one in _of_the_app(file) if "git-" not in one["path"])


def _pushes(file: Path) -> int:
    return sum(one["path"].endswith("/git-receive-pack") for one in _of_the_app(file))


def _of_the_app(file: Path) -> list[dict[str, str]]:
    requests = [json.loads(line) for line in file.read_text().splitlines()]
    return [one for one in requests if one["who"] == "app" and not one["path"].endswith("/git-upload-pack")]
