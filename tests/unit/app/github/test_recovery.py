"""Missed deliveries are requested again, and only those."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from app.github.forges import GitHubForges
from app.github.recovery import missed, request_missed


class Stored:
    def __init__(self, *guids: str) -> None:
        self._guids = set(guids)

    async def known(self, guids: Iterable[str]) -> set[str]:
        return self._guids & set(guids)


def attempt(number: int, guid: str, status: int = 500, at: str = "2026-11-01T00:00:00Z") -> dict[str, Any]:
    return {"id": number, "guid": guid, "status_code": status, "event": "issues", "delivered_at": at}


async def test_what_failed_and_is_not_stored_is_requested_again(github: Any, forges: GitHubForges):
    attempts = [attempt(4, "lost"), attempt(3, "stored"), attempt(2, "fine", 202), attempt(1, "fine")]
    old = attempt(0, "old", at="2026-10-01T00:00:00Z")
    github.on("GET", "/app/hook/deliveries", [*attempts, old])
    github.on("POST", "/app/hook/deliveries/4/attempts", {}, 202)
    asked = await request_missed(forges.app, Stored("stored"), datetime(2026, 10, 31, tzinfo=UTC))
    assert [one.guid for one in asked] == ["lost"]
    assert len([one for one in github.requests if one.method == "POST"]) == 1


def test_a_delivery_is_requested_by_its_newest_attempt():
    found = missed([attempt(2, "a", at="2026-11-01T00:01:00Z"), attempt(1, "a"), attempt(5, "b")])
    assert [(one.guid, one.id) for one in found] == [("b", 5), ("a", 2)]


def test_a_delivery_that_keeps_failing_is_left_alone():
    assert missed([attempt(number, "a") for number in range(5)]) == []
