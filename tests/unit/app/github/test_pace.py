"""GitHub's limits are kept to: what its answers ask for, and what is left of the hour."""

from collections.abc import Mapping

import pytest

from app.errors import RateLimited
from app.github.pace import Pace, Quota, quota, wait_asked


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Board:
    """What all processes of an installation see."""

    def __init__(self, time: Time) -> None:
        self.time, self.until, self.asked, self.waits = time, 0.0, 0, [0.0]

    async def take(self, _installation: int, patience: float) -> float:
        wait = max(self.waits.pop(0) if len(self.waits) > 1 else self.waits[0], await self.blocked(5))
        if wait > patience:
            raise RateLimited("Later.", wait)
        return wait

    async def block(self, _installation: int, seconds: float) -> None:
        self.until = max(self.until, self.time.now + seconds)

    async def blocked(self, _installation: int) -> float:
        self.asked += 1
        return max(0.0, self.until - self.time.now)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def board(time: Time) -> Board:
    return Board(time)


@pytest.fixture
def pace(time: Time, board: Board) -> Pace:
    return Pace(5, board, sleep=time.sleep, now=lambda: time.now)


@pytest.fixture
def other(time: Time, board: Board) -> Pace:
    """The same in another process."""
    return Pace(5, board, sleep=time.sleep, now=lambda: time.now)


def hour(remaining: int, reset: float) -> Mapping[str, str]:
    return {
        "x-ratelimit-limit": "5000",
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(reset)),
    }


async def test_a_write_waits_for_its_turn(pace: Pace, board: Board, time: Time):
    board.waits = [7.0]
    await pace.write()
    assert time.now == 1007


async def test_a_turn_that_fell_into_a_time_of_silence_is_taken_anew(pace: Pace, board: Board, time: Time):
    board.waits = [7.0, 0.0]

    async def sleep(seconds: float) -> None:
        await time.sleep(seconds)
        if time.now == 1007:
            await board.block(5, 5.0)  # somebody was told meanwhile

    await Pace(5, board, sleep=sleep, now=lambda: time.now).write()
    assert time.now == 1012


async def test_the_waits_of_one_write_are_bounded_together(pace: Pace, board: Board, time: Time):
    async def sleep(seconds: float) -> None:
        await time.sleep(seconds)
        await board.block(5, 8.0)

    await board.block(5, 8.0)
    with pytest.raises(RateLimited):
        await Pace(5, board, sleep=sleep, now=lambda: time.now).write()
    assert time.now <= 1020


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"retry-after": "30"}),
        (403, {"retry-after": "30"}),
        (403, hour(0, 1029)),
        (200, hour(0, 1029)),  # the last one that was allowed
    ],
)
async def test_what_one_process_is_told_another_keeps_to(
    pace: Pace, other: Pace, time: Time, status: int, headers: Mapping[str, str]
):
    await other.read()
    await pace.heard(status, headers, b"")
    time.now += 1
    for request in (pace.read, pace.write, other.read, other.write):
        with pytest.raises(RateLimited) as raised:
            await request()
        assert raised.value.retry_after == pytest.approx(29)
    time.now += 29
    for request in (pace.read, pace.write, other.read, other.write):
        await request()
    assert time.now == 1030


async def test_a_short_silence_is_waited_out(pace: Pace, time: Time):
    assert await pace.heard(429, {"retry-after": "4"}, b"") == 4.0
    await pace.read()
    assert time.now == 1004


async def test_others_are_asked_after_once_a_second(pace: Pace, board: Board, time: Time):
    for _ in range(30):
        await pace.read()
        time.now += 0.1
    assert board.asked <= 4


async def test_reads_slow_down_before_the_hour_is_used_up(pace: Pace, time: Time):
    """Each takes one; GitHub says what is left, and something is left until the reset."""
    reset, remaining = time.now + 600.0, 60
    while remaining:
        await pace.read()
        if time.now >= reset:
            break
        remaining -= 1
        await pace.heard(200, hour(remaining, reset), b"")
    assert 0 < remaining < 10


async def test_reads_at_once_are_spread_too(pace: Pace, time: Time):
    await pace.heard(200, hour(100, time.now + 300), b"")
    times = []
    for _ in range(4):
        await pace.read()
        times.append(time.now)
    assert times == [1000, 1003, 1006, 1009]


@pytest.mark.parametrize(
    ("left", "spacing"),
    [
        (Quota(5000, 4000, 3600), 0.0),
        (Quota(5000, 500, 3600), 0.0),
        (Quota(5000, 360, 3600), 10.0),
        (Quota(5000, 1, 3600), 20.0),  # no longer than one request waits
        (Quota(5000, 0, 10), 10.0),
        (Quota(5000, 1, 0), 0.0),
        (Quota(60, 30, 3600), 0.0),
    ],
)
def test_what_is_left_is_spread_over_the_rest_of_the_hour(left: Quota, spacing: float):
    assert left.spacing() == spacing


def test_the_reset_is_counted_by_githubs_clock():
    """This machine may be an hour off."""
    headers = {**hour(7, 1_000_000_030), "date": "Sun, 09 Sep 2001 01:46:40 GMT"}
    assert quota(headers, now=1_000_003_600) == Quota(5000, 7, 30)
    assert wait_asked(403, {**headers, "x-ratelimit-remaining": "0"}, b"", now=1_000_003_600) == 31


@pytest.mark.parametrize(
    "headers", [{}, {"x-ratelimit-limit": "many"}, {**hour(1, 9), "x-ratelimit-resource": "search"}]
)
def test_an_answer_may_say_nothing_of_the_hour(headers: Mapping[str, str]):
    assert quota(headers, 0.0) is None


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
