"""How fast GitHub may be spoken to: its limits on writes, and what its answers ask for."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from app.errors import Transient
from app.github.auth import Sleep

WRITES_A_MINUTE = 80  # https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
UNNAMED_WAIT = 60.0  # seconds, where a secondary limit doesn't say how long
LONGEST_TURN = 90.0  # seconds


class Pace(Protocol):
    """Who may write next; one for each installation, or a budget shared by several processes."""

    async def turn(self) -> None:
        """Return when a write may be sent; raise `Transient` when that is too far off."""
        ...


class MinutePace:
    """At most `writes` in any sixty seconds of this process, first come, first served."""

    def __init__(
        self,
        writes: int = WRITES_A_MINUTE,
        now: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`now` is in seconds."""
        self._sent: deque[float] = deque(maxlen=writes)  # when each of the last writes was or will be sent
        self._now = now
        self._sleep = sleep

    async def turn(self) -> None:
        """Return when a write may be sent; raise `Transient` when that is too far off."""
        now = self._now()
        due = max(now, self._sent[0] + 60.0) if len(self._sent) == self._sent.maxlen else now
        if due - now > LONGEST_TURN:
            raise Transient("Too many writes to GitHub are waiting for their turn.", retry_after=due - now)
        self._sent.append(due)
        if due > now:
            await self._sleep(due - now)


def wait_asked(status: int, headers: Mapping[str, str], body: bytes, now: float) -> float | None:
    """Return the seconds that a rate-limited answer asks to wait, None when it isn't about a limit.

    `now` is in seconds since the epoch. In GitHub's order: `retry-after`, then the reset time, else a minute.
    """
    if status not in {403, 429}:
        return None
    if (asked := _number(headers.get("retry-after"))) is not None:
        return asked
    reset = _number(headers.get("x-ratelimit-reset"))
    if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return max(0.0, reset - now) + 1.0
    text = body[:2000].lower()
    limited = status == 429 or b"secondary rate limit" in text or b"abuse detection" in text
    return UNNAMED_WAIT if limited else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e12 else None
