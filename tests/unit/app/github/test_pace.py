"""Writes keep to GitHub's pace."""

import pytest

from app.errors import Transient
from app.github.pace import MinutePace, wait_asked


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_no_more_writes_than_allowed_fall_into_any_minute():
    time = Time()
    pace = MinutePace(writes=3, now=lambda: time.now, sleep=time.sleep)
    sent = []
    for _ in range(8):
        await pace.turn()
        sent.append(time.now)
    assert sent == [0, 0, 0, 60, 60, 60, 120, 120]


async def test_a_turn_that_is_too_far_off_is_refused_with_the_time_to_wait():
    async def later(_seconds: float) -> None:
        """The others wait elsewhere."""

    pace = MinutePace(writes=2, now=lambda: 0.0, sleep=later)
    for _ in range(4):
        await pace.turn()
    with pytest.raises(Transient) as raised:
        await pace.turn()
    assert raised.value.retry_after == 120


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait"),
    [
        (403, {"retry-after": "7"}, b"", 7.0),
        (429, {}, b"", 60.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "130"}, b"", 31.0),
        (403, {"x-ratelimit-remaining": "12", "x-ratelimit-reset": "130"}, b"", None),
        (403, {}, b"You have exceeded a secondary rate limit", 60.0),
        (403, {"retry-after": "soon"}, b"", None),
        (200, {"retry-after": "7"}, b"", None),
    ],
)
def test_the_wait_that_an_answer_asks_for(status: int, headers: dict[str, str], body: bytes, wait: float | None):
    assert wait_asked(status, headers, body, now=100.0) == wait
