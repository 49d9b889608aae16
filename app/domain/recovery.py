"""What follows an error: try again, learn from it, or ask a person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.domain.roles import AgentRole


class ErrorType(StrEnum):
    """What went wrong (the names are a contract)."""

    syntax = "syntax"
    types = "types"
    lint = "lint"
    tests = "tests"
    model = "model"
    tool = "tool"
    sandbox = "sandbox"
    git = "git"
    github = "github"
    storage = "storage"
    timeout = "timeout"
    budget = "budget"
    conflict = "conflict"
    internal = "internal"


ESCALATED = frozenset({ErrorType.budget, ErrorType.sandbox, ErrorType.internal})  # another attempt would end the same

MOST_TRACE = 4000  # characters of a trace or a checkpoint's output, from the end: the cause stands there


@dataclass(frozen=True)
class AgentError:
    """One row of `agent_errors`."""

    task_id: UUID
    agent: AgentRole
    error_type: ErrorType
    message: str
    stack_trace: str | None
    timestamp: datetime
    retry_count: int
    max_retries: int


@dataclass(frozen=True)
class Retry:
    """Do the same again after `delay` seconds."""

    delay: float


@dataclass(frozen=True)
class Reflect:
    """Write down what was learned and start the next attempt with it."""


@dataclass(frozen=True)
class Escalate:
    """Ask a person."""


Decision = Retry | Reflect | Escalate

FIRST_DELAY = 1.0  # seconds
LONGEST_DELAY = 60.0  # seconds


def backoff(retry: int, jitter: float, retry_after: float | None = None) -> float:
    """Return the seconds to wait before retry number `retry` (0-based); `jitter` is in [0, 1).

    Exponential with full jitter in the upper half, and never less than what the other side asked for.
    """
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(retry, 10))
    return max(ceiling * (0.5 + jitter / 2), retry_after or 0.0)


def decide(
    error: AgentError,
    attempt: int,
    max_attempts: int,
    jitter: float,
    *,
    transient: bool,
    retry_after: float | None = None,
) -> Decision:
    """Choose what follows `error` in the 1-based `attempt`; pure.

    `retry_after` is in seconds, where the other side named it.
    """
    if transient and error.retry_count < error.max_retries:
        return Retry(backoff(error.retry_count, jitter, retry_after))
    if transient or error.error_type in ESCALATED or attempt >= max_attempts:
        return Escalate()
    return Reflect()
