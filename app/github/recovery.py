"""What GitHub knows and could not tell: deliveries that it tried once, labelled issues, open pull requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.github.client import GitHubClient
from app.github.reading import login, moment

MOST_PAGES = 100  # of a hundred deliveries


@dataclass(frozen=True)
class Attempts:
    """What GitHub tried to bring, by GUID, and how the newest try of all ended."""

    missed: tuple["Missed", ...]
    arrived: frozenset[str]
    newest: datetime | None
    newest_arrived: bool


@dataclass(frozen=True)
class Missed:
    """A delivery that hasn't come."""

    id: int
    guid: str
    event: str
    delivered_at: datetime
    refused: bool  # this side answered with 4xx


@dataclass(frozen=True)
class LabelledIssue:
    """An open issue that bears the label."""

    number: int
    author: str
    author_type: str
    created_at: str
    updated_at: str


async def attempts(app: GitHubClient, since: datetime) -> Attempts:
    """Return what GitHub has tried to bring since a moment; `app` speaks as the app itself."""
    found: list[dict[str, Any]] = []
    async for attempt in app.getiter("/app/hook/deliveries?per_page=100"):
        if moment(attempt["delivered_at"]) < since or len(found) >= MOST_PAGES * 100:
            break  # newest first
        found.append(attempt)
    arrived = frozenset(one["guid"] for one in found if _arrived(one))
    newest = found[0] if found else None
    return Attempts(
        tuple(missed(found)),
        arrived,
        moment(newest["delivered_at"]) if newest else None,
        newest is None or _arrived(newest),
    )


def missed(found: Sequence[dict[str, Any]]) -> list[Missed]:
    """Return the deliveries none of whose attempts succeeded, oldest first; each once, by its newest attempt."""
    by_guid: dict[str, list[dict[str, Any]]] = {}
    for attempt in found:
        by_guid.setdefault(attempt["guid"], []).append(attempt)
    lost = []
    for guid, tries in by_guid.items():
        if any(_arrived(one) for one in tries):
            continue
        newest = max(tries, key=lambda one: int(one["id"]))
        refused = 400 <= newest["status_code"] < 500
        first = min(moment(one["delivered_at"]) for one in tries)
        lost.append(Missed(newest["id"], guid, newest["event"], first, refused))
    return sorted(lost, key=lambda delivery: (delivery.delivered_at, delivery.id))


def _arrived(attempt: dict[str, Any]) -> bool:
    return 200 <= int(attempt["status_code"]) < 300


async def ask_again(app: GitHubClient, attempt: int) -> None:
    """Have GitHub send a delivery once more; asking twice is harmless, since its GUID stays the same."""
    await app.post("/app/hook/deliveries/{id}/attempts", {"id": str(attempt)}, data=b"")


async def labelled_issues(client: GitHubClient, repository: str, label: str) -> list[LabelledIssue]:
    """Return the open issues of a repository that bear a label."""
    url = "/repos/{owner}/{repo}/issues?state=open&per_page=100{&labels}"
    found = await client.list(url, {**_names(repository), "labels": label})
    return [
        LabelledIssue(
            one["number"], login(one), (one.get("user") or {}).get("type", "User"), one["created_at"], one["updated_at"]
        )
        for one in found
        if "pull_request" not in one
    ]


async def open_pulls(client: GitHubClient, repository: str) -> dict[int, str]:
    """Return the open pull requests of a repository, each with when it last changed."""
    found = await client.list("/repos/{owner}/{repo}/pulls?state=open&per_page=100", _names(repository))
    return {one["number"]: one["updated_at"] for one in found}


def _names(repository: str) -> dict[str, str]:
    return dict(zip(("owner", "repo"), repository.split("/", 1), strict=True))
