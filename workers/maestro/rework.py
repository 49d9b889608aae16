"""Give a task back to its agent: what doesn't fit with the others' work is made again on top of it."""

from collections.abc import Sequence
from typing import Any

from langgraph.types import Command

from app.domain.checks import CheckResult
from app.domain.ports import Fact
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.task import Task, TaskStatus
from workers import feedback
from workers.maestro.context import Context
from workers.maestro.errors import of_combination, of_conflict
from workers.maestro.remember import conflict, misfit

MOST_ROUNDS = 3  # how often a project sends work back before a person is asked


async def resolve(ctx: Context, project: Project, task: Task, onto: str, paths: Sequence[str]) -> Command[Any]:
    """Send back a task whose work conflicts in `paths` with what was merged before it."""
    memory = conflict(task, onto, paths, ctx.clock())
    error = of_conflict(ctx, project, paths, MOST_ROUNDS, task)
    return await _send_back(ctx, project, task, onto, feedback.of_conflict(paths), memory, error)


async def mend(ctx: Context, project: Project, task: Task, onto: str, failed: Sequence[CheckResult]) -> Command[Any]:
    """Send back the task that made the combination red; what can't be mended so is worth knowing later."""
    learned = [await misfit(ctx, project, task, onto, failed)] if _is_over(project) else []
    errors = of_combination(ctx, project, task, failed, MOST_ROUNDS)
    return await _send_back(ctx, project, task, onto, feedback.of_checks(failed), *learned, *errors)


def _is_over(project: Project) -> bool:
    return project.rounds >= MOST_ROUNDS


async def _send_back(ctx: Context, project: Project, task: Task, onto: str, reason: str, *facts: Fact) -> Command[Any]:
    """Give a task back to its agent with the reason, on top of what it has to fit with; bounded."""
    if _is_over(project):
        text = f"The parts of this work don't fit together after {MOST_ROUNDS} rounds.\n\n{reason}"
        return await ctx.escalate(project, text, *facts)
    again = task.model_copy(
        update={
            "status": TaskStatus.pending,
            "round": task.round + 1,
            "feedback": (*task.feedback, reason),
            "base_sha": onto,
            "completed_at": None,
        }
    )
    await ctx.move(project, Phase.dispatch, again, *facts, rounds=project.rounds + 1, status=ProjectStatus.building)
    return Command(goto="dispatch")
