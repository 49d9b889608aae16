"""Bring the tasks' work together and judge the combination; what breaks it goes back to its agent."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.checks import CheckResult
from app.domain.ports import Checked, Clone
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.task import Task
from app.errors import BudgetExceeded, ModelError, ProjectHeld, Transient
from workers.maestro import review
from workers.maestro.context import Context, State
from workers.maestro.dispatch import Conflict, bring, combine, in_order
from workers.maestro.rework import mend, resolve
from workers.maestro.take_back import take_back
from workers.maestro.ways import settings_for
from workers.transcripts import with_logs

log = logging.getLogger(__name__)


async def integrate(
    _: State, runtime: Runtime[Context]
) -> Command[Literal["verify", "deliver", "dispatch", "escalate"]]:
    """Merge the tasks' branches in dependency order; a task that conflicts is sent back to fit in."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    if project.reverts and not tasks:
        return await take_back(ctx, project)
    clone = await ctx.clone(project)
    if len(tasks) > 1 and ctx.policy.push_task_branches:
        await clone.fetch()  # the tasks may have been done on other machines
    try:
        head = (await combine(clone, project.start, in_order(tasks)))[0]
    except Conflict as conflict:
        return await resolve(ctx, project, conflict.task, conflict.onto, conflict.paths)
    if project.pull_request and head == project.pull_request.head_sha:  # it is verified, and shown
        await ctx.move(project, Phase.deliver, head_sha=head, status=ProjectStatus.verifying)
        return Command(goto="deliver")
    await ctx.move(project, Phase.verify, head_sha=head, status=ProjectStatus.verifying)
    return Command(goto="verify")


async def verify(_: State, runtime: Runtime[Context]) -> Command[Literal["review", "dispatch", "escalate"]]:
    """Run the four checkpoints on the combination; when it is red, find the task that made it so."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    clone = await ctx.clone(project)
    await bring(clone, project, project.head_sha or "", in_order(tasks))
    results = await _known(ctx, clone, project, tasks)
    if not results:
        # Together, since parts that pass alone mostly pass together; an unfinished review is asked for again.
        judged, *_rest = await asyncio.gather(
            judge(ctx, clone, project, project.head_sha or ""), _reviewed_ahead(ctx, project)
        )
        results = list(judged)
        found = [Checked(project.head_sha or "", result, None, 1) for result in results]
        await ctx.records.write(*await with_logs(ctx.archive, project.id, found))
    failed = [result for result in results if result.conclusion == "failed"]
    if not failed or not tasks:  # nobody can mend what only takes something back: people see what it breaks
        await ctx.move(project, Phase.review)
        return Command(goto="review")
    try:
        culprit, onto = await _culprit(ctx, clone, project, tasks)
    except Conflict as conflict:  # on a base that has moved, the parts may fit less well than their whole
        return await resolve(ctx, project, conflict.task, conflict.onto, conflict.paths)
    return await mend(ctx, project, culprit, onto, failed)


async def _known(ctx: Context, clone: Clone, project: Project, tasks: Sequence[Task]) -> list[CheckResult]:
    """Return the only task's own results: its commit is the combination, judged against the same base."""
    if len(tasks) != 1 or tasks[0].base_sha != project.base_sha:
        return []
    if await settings_for(clone, project) != project.settings.concerning(tasks[0].footprint):
        return []  # it changed more than was expected, and was judged by the wrong section's commands
    return await ctx.records.checks(project.head_sha or "")


async def _reviewed_ahead(ctx: Context, project: Project) -> None:
    """Have the review recorded by the time its node asks for it."""
    if project.reverts:
        return
    try:
        await review.ask(ctx, project)
    except (Transient, ModelError, BudgetExceeded, ProjectHeld) as error:
        log.info("no review ahead", extra={"why": str(error)})


async def judge(ctx: Context, clone: Clone, project: Project, commit: str) -> tuple[CheckResult, ...]:
    """Run the four checkpoints on a commit, against the project's base."""
    name = f"{project.id.hex[:12]}-verify"
    async with clone.worktree(name, project.base_sha or "", at=commit) as tree:
        settings = await settings_for(clone, project)
        bench = ctx.checkers.bench(clone, tree, settings.checkpoints, settings.setup)
        return await asyncio.gather(bench.syntax(), bench.types(), bench.lint(), bench.tests())


async def _culprit(ctx: Context, clone: Clone, project: Project, tasks: Sequence[Task]) -> tuple[Task, str]:
    """Bisect the merges; return the first task that turns the combination red, and the commit before it."""
    ordered = in_order(tasks)
    steps = (await combine(clone, project.start, ordered))[1]
    low, high = 0, len(steps) - 1  # the last one is known to be red
    while low < high:
        middle = (low + high) // 2
        results = await judge(ctx, clone, project, steps[middle])
        if any(result.conclusion == "failed" for result in results):
            high = middle
        else:
            low = middle + 1
    before = steps[high - 1] if high else project.start
    return ordered[high], before
