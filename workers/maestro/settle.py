"""Bring a project to its end: merged, handed to a person, or cancelled; and say so."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.memory import Fate, Settled
from app.domain.ports import Fact, Postponed, Revoked
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.task import Task, TaskStatus
from app.errors import NotFound
from app.github import render
from workers.maestro.change import Change, Told
from workers.maestro.context import WAIT, Context, State
from workers.maestro.remember import outcome


async def settle(_: State, runtime: Runtime[Context]) -> Command[Literal["__end__"]]:
    """Close the issue and remove the branches, whose commits are in the base now."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    if not project.reverts and (await ctx.forge.issue(project.issue_number)).state == "open":
        await ctx.forge.close_issue(project.issue_number)
    branches = {project.branch, *(task.branch for task in tasks if task.result and task.result.commit)}
    if project.onto or project.reverts:
        branches.add(project.next_branch)
    await asyncio.gather(*(ctx.forge.delete_branch(branch) for branch in sorted(branches)))
    learned = [] if project.reverts else await outcome(ctx, project, tasks)
    return await _end(ctx, project, tasks, ProjectStatus.merged, *learned, reason=None)


async def escalate(_: State, runtime: Runtime[Context]) -> Command[Literal["__end__"]]:
    """Ask the person who labelled the issue: what was tried, what was learned, how to go on."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    round_ = f"{project.rounds}.{sum(task.round for task in tasks)}"
    round_ += f".{project.retries}" if project.retries else ""
    logs = f"{ctx.policy.public_url}/projects/{project.id}" if ctx.policy.public_url else None
    body = render.escalation(project, tasks, repository_url=ctx.url(project), logs=logs)
    await ctx.comment_once(project, "escalation", round_, body)
    return await _end(ctx, project, tasks, ProjectStatus.escalated, Settled(Fate.escalated, (), ctx.clock()))


async def cancel(_: State, runtime: Runtime[Context]) -> Command[Literal["settle", "__end__"]]:
    """Stop every agent at once; the branches stay, since their work was not merged."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    if project.pull_request is not None and not all(task.status.ended for task in tasks):
        await ctx.records.write(*_left(ctx, tasks))  # GitHub, which is asked next, may be away for hours
        tasks = await ctx.records.tasks()
    if await _merged_meanwhile(ctx, project):
        await ctx.move(project, Phase.settle)
        return Command(goto="settle")
    return await _end(ctx, project, tasks, ProjectStatus.cancelled, Settled(Fate.cancelled, (), ctx.clock()))


async def end_as_merged(ctx: Context, project: Project, _: Told) -> Change:
    """Have a run end once more, as merged, where a person finished and merged what it had left."""
    if not await _merged_meanwhile(ctx, project):
        return Change(project)
    assert project.pull_request  # noqa: S101 - nothing is merged without one
    merged = project.pull_request.model_copy(update={"merged": True})
    changes = {"phase": Phase.settle, "status": ProjectStatus.merged, "reason": None, "pull_request": merged}
    return Change(project.model_copy(update=changes))


async def _merged_meanwhile(ctx: Context, project: Project) -> bool:
    """Tell whether a person merged the pull request, which closes the issue too."""
    if project.pull_request is None or project.muted:
        return False
    try:
        return (await ctx.forge.pull_request(project.pull_request.number)).merged
    except NotFound:
        return False


async def _end(
    ctx: Context, project: Project, tasks: Sequence[Task], status: ProjectStatus, *facts: Fact, **changes: object
) -> Command[Any]:
    """Stop what is still at work (people may merge while a follow-up is), write the end, and say so."""
    left = _left(ctx, tasks)
    ended = await ctx.move(project, Phase.done, *facts, *left, status=status, finished_at=ctx.clock(), **changes)
    ctx.announce(ended)
    await ctx.memories.settle(project.repository.full_name)
    return WAIT


def _left(ctx: Context, tasks: Sequence[Task]) -> list[Fact]:
    """Return what stops the tasks that are still at work."""
    left = [stop(task, ctx) for task in tasks if not task.status.ended]
    # What a pause held has a message that nobody would look at any more: looked at now, it is done with.
    held = tuple(ctx.task_message(task).id for task in tasks if task.status is TaskStatus.blocked)
    due = [Postponed(held, 0.0, counted=False)] if held else []
    return [*left, Revoked(tuple(task.id for task in left)), *due]


def stop(task: Task, ctx: Context) -> Task:
    """Return the task as cancelled now."""
    return task.model_copy(update={"status": TaskStatus.cancelled, "completed_at": ctx.clock()})
