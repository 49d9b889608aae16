"""Say once that something is away and once that it is back, and how long to wait in between."""

import logging
import time

import psycopg
from redis.exceptions import RedisError

from app.errors import Transient
from app.storage.pool import STORE_AWAY

log = logging.getLogger(__name__)

# What comes back by itself: to be waited for, and no defect of ours.
AWAY = (*STORE_AWAY, psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction, RedisError, Transient)

SHORTEST, LONGEST = 0.2, 5.0  # seconds


class Outage:
    """One thing that may be away."""

    def __init__(self, what: str) -> None:
        """Name it, for the log."""
        self._what = what
        self._since: float | None = None
        self._tries = 0

    def goes_on(self, error: BaseException) -> float:
        """Note a failure; return the seconds to wait before the next try."""
        if self._since is None:
            self._since = time.monotonic()
            log.warning(
                "%s is away", self._what, extra={"why": f"{type(error).__name__}: {error}"},
                exc_info=None if isinstance(error, AWAY) else error,
            )  # fmt: skip
        self._tries += 1
        return min(SHORTEST * 2.0 ** min(self._tries, 10), LONGEST)

    def is_over(self) -> None:
        """Note that it works."""
        if self._since is not None:
            log.info("%s is back", self._what, extra={"seconds": round(time.monotonic() - self._since, 1)})
        self._since, self._tries = None, 0
