"""What an exception means for the work at hand: its type, and whether trying again may help."""

from dataclasses import dataclass

import aiohttp
import asyncpg
import psycopg
from redis.exceptions import RedisError

from app.domain.recovery import ErrorType
from app.errors import (
    AuroraError,
    BudgetExceeded,
    DiskFull,
    EnvironmentFailed,
    ForgeError,
    GitError,
    ModelError,
    ModelUnavailable,
    ProjectHeld,
    RateLimited,
    SandboxUnavailable,
    Transient,
    is_disk_full,
)

# How often a job is tried again, each time after the retries within it and a longer delay: what comes back by itself
# is waited for (stores a quarter of an hour, GitHub three minutes), and a person hears of the rest soon.
MOST_RETRIES = {ErrorType.storage: 20, ErrorType.github: 8, ErrorType.timeout: 5, ErrorType.git: 3, ErrorType.model: 1}


FULL = "The worker's disk is full: make room under its data directory."


@dataclass(frozen=True)
class Failure:
    """An exception as the decision function sees it; the message may be shown to a person."""

    error_type: ErrorType
    message: str
    transient: bool
    retry_after: float | None = None  # seconds, where the other side named them
    is_limit: bool = False  # nothing failed: the work has to wait, however often


KINDS: tuple[tuple[type[Exception], ErrorType, bool], ...] = (
    (ModelUnavailable, ErrorType.model, True),
    (DiskFull, ErrorType.storage, True),
    (Transient, ErrorType.github, True),
    (BudgetExceeded, ErrorType.budget, False),
    (ProjectHeld, ErrorType.budget, False),
    (ModelError, ErrorType.model, False),
    (GitError, ErrorType.git, True),
    (ForgeError, ErrorType.github, False),
    (SandboxUnavailable, ErrorType.sandbox, False),
    (EnvironmentFailed, ErrorType.sandbox, False),
    (asyncpg.PostgresError, ErrorType.storage, True),
    (asyncpg.InterfaceError, ErrorType.storage, True),
    (asyncpg.InternalClientError, ErrorType.storage, True),  # of a connection that was cut while it wrote
    (psycopg.OperationalError, ErrorType.storage, True),
    (psycopg.InterfaceError, ErrorType.storage, True),
    (psycopg.errors.ReadOnlySqlTransaction, ErrorType.storage, True),
    (RedisError, ErrorType.storage, True),
    (aiohttp.ClientError, ErrorType.github, True),
    (TimeoutError, ErrorType.timeout, True),
    (OSError, ErrorType.storage, True),
    (AuroraError, ErrorType.internal, False),
)


def classify(error: Exception) -> Failure:
    """Return what the exception means; one that nobody foresaw is a defect of ours, and says no more than that."""
    if is_disk_full(error):
        return Failure(ErrorType.storage, FULL, transient=True)
    for kind, error_type, transient in KINDS:
        if isinstance(error, kind):
            text = str(error) if isinstance(error, AuroraError) else f"{kind.__name__}: the connection failed"
            named = getattr(error, "retry_after", None)
            return Failure(error_type, text, transient, named, isinstance(error, RateLimited))
    return Failure(ErrorType.internal, f"An internal error happened ({type(error).__name__}).", transient=False)
