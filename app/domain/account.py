"""The account of a project: what its model calls used, and how fast it could have been at best."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from app.domain.ports import ModelCall
from app.domain.task import Task


@dataclass(frozen=True)
class Account:
    """Sums over all model calls of a project."""

    calls: int
    tokens: int
    usd: float
    model_seconds: float
    critical_path_seconds: float


def account(tasks: Sequence[Task], calls: Sequence[ModelCall]) -> Account:
    """Return the sums, and the model seconds of the longest chain of work.

    Maestro's own calls come one after another; tasks only follow those that they depend on.
    """
    seconds: dict[UUID | None, float] = {}
    for call in calls:
        seconds[call.task_id] = seconds.get(call.task_id, 0.0) + call.seconds
    by_id = {task.id: task for task in tasks}

    @cache
    def chain(identity: UUID) -> float:
        before = max((chain(need) for need in by_id[identity].dependencies), default=0.0)
        return before + seconds.get(identity, 0.0)

    return Account(
        calls=len(calls),
        tokens=sum(call.input_tokens + call.output_tokens for call in calls),
        usd=sum(call.usd for call in calls),
        model_seconds=sum(seconds.values()),
        critical_path_seconds=seconds.get(None, 0.0) + max((chain(identity) for identity in by_id), default=0.0),
    )
