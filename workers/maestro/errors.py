"""What went wrong between the parts of a project, as it is stored; written with what follows from it, so once."""

from collections.abc import Sequence

from app.domain.checks import CheckResult
from app.domain.project import Project
from app.domain.recovery import MOST_TRACE, AgentError, ErrorType
from app.domain.roles import AgentRole
from app.domain.task import Task
from app.logs import redact
from workers.maestro.context import Context

MOST_PATHS = 20


def of_conflict(
    ctx: Context, project: Project, paths: Sequence[str], most: int, task: Task | None = None
) -> AgentError:
    """Return the error that a conflict is: of a task's work, else of the whole work with what people did."""
    return AgentError(
        task_id=task.id if task else project.id,
        agent=task.assigned_agent if task else AgentRole.maestro,
        error_type=ErrorType.conflict,
        message=f"This conflicts with other work in {', '.join(paths[:MOST_PATHS]) or 'the same lines'}.",
        stack_trace=None,
        timestamp=ctx.clock(),
        retry_count=project.rounds if task else 0,
        max_retries=most,
    )


def of_combination(
    ctx: Context, project: Project, task: Task, failed: Sequence[CheckResult], most: int
) -> list[AgentError]:
    """Return the errors of the task that made the combination red."""
    at = ctx.clock()
    return [
        AgentError(
            task_id=task.id,
            agent=task.assigned_agent,
            error_type=ErrorType(result.checkpoint.value),
            message=redact(f"With the other tasks: {result.title}"),
            stack_trace=redact(result.log[-MOST_TRACE:]) or None,
            timestamp=at,
            retry_count=project.rounds,
            max_retries=most,
        )
        for result in failed
    ]
