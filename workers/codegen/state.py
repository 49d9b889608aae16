"""What the code-generation graph saves, and what its nodes work with."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID, uuid5

from app import metrics
from app.domain.checks import CheckResult
from app.domain.memory import Kind, Memory, Used
from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import (
    Agent,
    Archive,
    Call,
    Checked,
    Clock,
    Clone,
    Effects,
    Fact,
    Forge,
    Forgetful,
    Handled,
    Journal,
    Memories,
    Records,
    Step,
    Thinker,
    Unkept,
    Workbench,
    Worktree,
)
from app.domain.project import Project
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus
from workers.codegen.cite import cite
from workers.transcripts import with_logs

log = logging.getLogger(__name__)


class State(TypedDict, total=False):
    """The saved state of a task's round; small, since the tables and the journal hold the rest."""

    spec: str  # the user prompt of the first visit
    attempt: int  # 1-based
    visit: int  # how often generate was entered in this round: names the journal's scope
    regenerations: int  # within the attempt, for broken syntax and lint that no formatter fixes
    fixes: int  # within the attempt, for type errors
    report: str  # what the next visit is told of the last one
    lessons: list[str]
    summary: str
    made: str  # what the last visit made of the tree, before it was formatted: a fingerprint
    idle: int  # visits in a row that left the tree as it was
    visited: str  # when the last visit ended, in ISO 8601
    patch: bytes  # everything uncommitted, against the base
    results: list[dict[str, Any]]  # of the last checkpoints that ran, in order
    attempts_before: int  # in earlier rounds of the task
    told: list[str]  # ids of the memories in the spec, in their order there
    cited: list[str]  # those that the agent named as of help in this attempt


@dataclass
class Context:
    """One task in the hands of the holder of its lease."""

    project: Project
    task: Task
    worktree: Worktree
    bench: Workbench
    clone: Clone
    agent: Agent
    thinker: Thinker
    journal: Journal
    records: Records
    effects: Effects
    forge: Forge
    clock: Clock
    memories: Memories = field(default_factory=Forgetful)
    archive: Archive = field(default_factory=Unkept)
    push: bool = True  # whether the feature branch is pushed before it is integrated
    public_url: str | None = None

    def call(self, step: Step, attempt: int, scope: str) -> Call:
        """Name a model call of this task."""
        return Call(self.project.id, self.task.id, self.task.assigned_agent, step, attempt, scope)

    def scope(self, name: str) -> str:
        """Return a journal scope of this round."""
        return f"r{self.task.round}.{name}"

    async def save(self, *facts: Fact, **changes: object) -> None:
        """Write changes of the task, with facts, in one transaction."""
        self.task = self.task.model_copy(update=changes)
        await self.records.write(self.task, *facts)

    async def finish(self, status: TaskStatus, result: TaskResult, *facts: Fact, **changes: object) -> None:
        """Write the task's end and tell Maestro, in one transaction with noting that its TASK message is done."""
        kind = MessageType.RESULT if status is TaskStatus.completed else MessageType.ERROR
        message = result_message(self.task, kind, self.clock())
        handled = Handled((uuid5(self.task.id, f"TASK:{self.task.round}"),))
        await self.save(*facts, handled, message, status=status, result=result, completed_at=self.clock(), **changes)
        count(self.task)

    async def checked(self, commit: str | None, results: Sequence[CheckResult], attempt: int) -> list[Checked]:
        """Return the facts that these results are, with their logs; without a commit they are of a failed attempt."""
        round_ = self.task.round if commit is None else None
        found = [Checked(commit, result, self.task.id, attempt, round=round_) for result in results]
        return await with_logs(self.archive, self.project.id, found)

    async def remember(self, kind: Kind, text: str, commit: str, paths: Sequence[str]) -> Memory:
        """Return the fact that `text` is worth knowing later, about what is in these files at a commit."""
        source = await cite(self.clone, commit, paths, text, project=self.project.id, task=self.task.key)
        return Memory(kind, text, source, self.clock())

    def used(self, state: State) -> Used:
        """Return the fact of what the agent was told, and what of it helped."""
        told = tuple(UUID(one) for one in state.get("told", ()))
        named = tuple(UUID(one) for one in state.get("cited", ()))
        return Used(self.task.id, self.task.round, self.task.assigned_agent, told, named, self.clock())


def count(task: Task) -> None:
    """Measure a task that has ended."""
    if task.started_at and task.completed_at:
        seconds = (task.completed_at - task.started_at).total_seconds()
        metrics.TASK_SECONDS.labels(task.assigned_agent, task.status).observe(max(seconds, 0.0))
    metrics.TASK_ATTEMPTS.labels(task.status).observe(task.attempts)
    log.info("task ended", extra={"status": task.status, "attempts": task.attempts})


def result_message(task: Task, kind: MessageType, at: datetime) -> AgentMessage:
    """Tell Maestro that a round of a task is over; one message for each round."""
    return AgentMessage(
        id=uuid5(task.id, f"RESULT:{task.round}"),
        sender=task.assigned_agent,
        recipient=AgentRole.maestro,
        message_type=kind,
        payload={"project": str(task.project_id), "task": str(task.id)},
        timestamp=at,
        correlation_id=task.project_id,
    )


def results_of(state: State) -> list[CheckResult]:
    """Return the results of the last checkpoints that ran."""
    return [CheckResult.model_validate(result) for result in state.get("results", [])]
