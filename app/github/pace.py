"""How fast GitHub may be spoken to: its limits on writes, and what its answers ask for."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

from app import metrics
from app.errors import RateLimited
from app.github.auth import Sleep

PATIENCE = 20.0  # seconds that one request waits for a limit by itself; longer waits are the caller's
UNNAMED_WAIT = 60.0  # seconds, where a secondary limit doesn't say how long
LOW = 0.1  # share of the hour's requests, below which reads are spread over the rest of the hour
SHORTEST = 0.001  # seconds that are worth waiting
LEARN = 1.0  # seconds between looks at what other processes were told


class Turns(Protocol):
    """The budget that all processes of an installation share."""

    async def take(self, installation: int, patience: float) -> float:
        """Return in how many seconds a write may be sent; raise `RateLimited` when that is beyond `patience`."""
        ...

    async def block(self, installation: int, seconds: float) -> None:
        """Keep all processes from GitHub for `seconds`."""
        ...

    async def blocked(self, installation: int) -> float:
        """Return for how many more seconds GitHub wants to hear nothing."""
        ...


@dataclass(frozen=True)
class Quota:
    """What is left of the hour's requests."""

    limit: int
    remaining: int
    resets_in: float  # seconds

    def spacing(self) -> float:
        """Return the seconds between reads that make what is left last, 0 while there is plenty."""
        if self.remaining >= self.limit * LOW or self.resets_in <= 0:
            return 0.0
        return min(self.resets_in / max(self.remaining, 1), PATIENCE)


class Pace:
    """When one identity may send its next request, here and, with shared turns, in all processes."""

    def __init__(
        self,
        installation: int,
        turns: Turns | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is in seconds since the epoch; without `turns` writes aren't counted (a process that only reads)."""
        self._installation = installation
        self._turns = turns
        self._sleep = sleep
        self._now = now
        self._name = str(installation) if installation else "app"
        self._blocked_until = 0.0
        self._learned_at = 0.0
        self._quota: Quota | None = None
        self._next_read = 0.0

    async def write(self) -> None:
        """Return when a write may be sent; raise `RateLimited` when that is too far off."""
        if self._turns is None:
            return await self.read()
        patience = PATIENCE
        while (wait := await self._turns.take(self._installation, patience)) > 0:
            await self._wait(wait, "write")
            patience -= wait
            if not await self._turns.blocked(self._installation):
                return None
        return None

    async def read(self) -> None:
        """Return when a read may be sent; raise `RateLimited` when that is too far off."""
        patience = PATIENCE
        while True:
            await self._learn()
            now = self._now()
            due = max(now, self._blocked_until, self._next_read)
            if due - now > patience:
                raise RateLimited("GitHub asks to slow down.", retry_after=due - now)
            self._next_read = due + (self._quota.spacing() if self._quota else 0.0)
            if due - now < SHORTEST:
                return
            await self._wait(due - now, "read")
            patience -= due - now
            if self._blocked_until - self._now() < SHORTEST:
                return

    async def heard(self, status: int, headers: Mapping[str, str], body: bytes) -> float | None:
        """Note what an answer says about limits, for everybody; return the wait where it refuses the request."""
        now = self._now()
        wait = wait_asked(status, headers, body, now)
        until = now + max(wait or 0.0, self._count(quota(headers, now)))
        if until > max(now, self._blocked_until + LEARN):
            self._block(until)
            metrics.GITHUB_LIMITED.labels(self._name).inc()
            if self._turns is not None:
                await self._turns.block(self._installation, until - now)
        return wait

    def _count(self, told: Quota | None) -> float:
        """Remember what is left; return the seconds until there is something again."""
        if told is None:
            return 0.0
        self._quota = told
        metrics.GITHUB_REMAINING.labels(self._name).set(told.remaining)
        return 0.0 if told.remaining else told.resets_in + 1.0

    async def _learn(self) -> None:
        """Ask, now and then, what other processes were told."""
        if self._turns is None or self._now() - self._learned_at < LEARN:
            return
        self._learned_at = self._now()
        seconds = await self._turns.blocked(self._installation)
        if seconds > 0:
            self._block(self._now() + seconds)

    def _block(self, until: float) -> None:
        self._blocked_until = max(self._blocked_until, until)
        metrics.GITHUB_BLOCKED_UNTIL.labels(self._name).set(self._blocked_until)

    async def _wait(self, seconds: float, kind: str) -> None:
        metrics.GITHUB_WAITED.labels(self._name, kind).inc(seconds)
        await self._sleep(seconds)


def quota(headers: Mapping[str, str], now: float) -> Quota | None:
    """Return what an answer says about the hour's requests, None when it says nothing."""
    numbers = [number_in(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")]
    limit, remaining, reset = numbers
    if limit is None or remaining is None or reset is None or headers.get("x-ratelimit-resource", "core") != "core":
        return None
    return Quota(int(limit), int(remaining), max(0.0, reset - _githubs_time(headers, now)))


def wait_asked(status: int, headers: Mapping[str, str], body: bytes, now: float) -> float | None:
    """Return the seconds that a rate-limited answer asks to wait, None when it isn't about a limit.

    `now` is in seconds since the epoch. In GitHub's order: `retry-after`, then the reset time, else a minute.
    """
    if status not in {403, 429}:
        return None
    if (asked := number_in(headers.get("retry-after"))) is not None:
        return asked
    reset = number_in(headers.get("x-ratelimit-reset"))
    if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return max(0.0, reset - _githubs_time(headers, now)) + 1.0
    text = body[:2000].lower()
    limited = status == 429 or b"secondary rate limit" in text or b"abuse detection" in text
    return UNNAMED_WAIT if limited else None


def number_in(text: str | None) -> float | None:
    """Return the number of a header, None when it isn't one."""
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e12 else None


def _githubs_time(headers: Mapping[str, str], now: float) -> float:
    """Return the time by which GitHub gives its reset: this machine's clock may be wrong."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return now
