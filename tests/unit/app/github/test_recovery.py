"""What GitHub tried to bring is read in one go: what is missing, what has come, and how the newest try ended."""

from datetime import UTC, datetime
from typing import Any

from app.github.forges import GitHubForges
from app.github.recovery import attempts, missed


def attempt(number: int, guid: str, status: int = 500, at: str = "2026-11-01T00:00:00Z") -> dict[str, Any]:
    return {"id": number, "guid": guid, "status_code": status, "event": "issues", "delivered_at": at}


async def test_attempts_since_a_moment_are_told_apart_by_what_became_of_them(github: Any, forges: GitHubForges):
    found = [attempt(4, "lost"), attempt(2, "fine", 202), attempt(1, "fine")]
    old = attempt(0, "old", at="2026-10-01T00:00:00Z")
    github.on("GET", "/app/hook/deliveries", [*found, old])
    read = await attempts(forges.app, datetime(2026, 10, 31, tzinfo=UTC))
    assert [(one.guid, one.id) for one in read.missed] == [("lost", 4)]
    assert read.arrived == {"fine"}
    assert (read.newest, read.newest_arrived) == (datetime(2026, 11, 1, tzinfo=UTC), False)


def test_a_delivery_is_requested_by_its_newest_attempt_and_is_as_old_as_its_first():
    found = missed([attempt(7, "a", at="2026-11-01T00:01:00Z"), attempt(1, "a"), attempt(5, "b")])
    assert [(one.guid, one.id, one.delivered_at.minute) for one in found] == [("b", 5, 0), ("a", 7, 0)]


def test_what_this_side_refused_is_marked():
    assert [one.refused for one in missed([attempt(2, "a", 401), attempt(1, "b", 0)])] == [False, True]
