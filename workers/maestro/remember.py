"""What a project leaves for later ones: its decisions, its conflicts, how what was merged was done, its outcome."""

import logging
from collections.abc import Sequence
from datetime import datetime

from app.domain.checks import CheckResult
from app.domain.concerns import narrative
from app.domain.memory import Fate, Kind, Memory, Settled, Source
from app.domain.ports import Clone, Fact
from app.domain.project import Project
from app.domain.task import Task, TaskStatus
from app.errors import GitError
from workers.agents.reflexion import plain_lesson
from workers.codegen.cite import cite
from workers.maestro.context import Context

log = logging.getLogger(__name__)

MOST_FILES = 200  # of a change, to see later whether it was taken back


async def decisions(ctx: Context, project: Project, tasks: Sequence[Task]) -> list[Memory]:
    """Return what was decided: what each task does, and where."""
    clone = await ctx.clone(project)
    found = []
    for task in tasks:
        wishes = [item for item in project.requirements if item.id in task.requirements]
        done = "; ".join(criterion for item in wishes for criterion in item.criteria)
        text = (
            f"Planned for issue #{project.issue_number}, {project.title}: {task.title}. {task.description} "
            f"In {', '.join(task.footprint)}. Done when: {done}"
        )
        source = await cite(clone, project.base_sha or "", task.footprint, text, project=project.id, task=task.key)
        found.append(Memory(Kind.decision, text, source, ctx.clock()))
    return found


def conflict(task: Task, onto: str, paths: Sequence[str], at: datetime) -> Memory:
    """Return that a task's work didn't fit with what was merged before it."""
    text = (
        f"{task.title}: this conflicted in {', '.join(paths)} with work done at the same time. "
        "Change these one after the other."
    )
    return Memory(Kind.conflict, text, Source(paths[0] if paths else "", onto, task.project_id, task.key), at)


async def misfit(ctx: Context, project: Project, task: Task, onto: str, failed: Sequence[CheckResult]) -> Memory:
    """Return what the last round teaches in which a task still broke what it was brought together with."""
    happened = "alone this passed its checkpoints, and together with other work it didn't"
    text = f"{task.title}: {happened}. {plain_lesson(failed)}"
    found = [finding.path for result in failed for finding in result.new_findings if finding.path]
    clone = await ctx.clone(project)
    source = await cite(clone, onto, [*found, *task.footprint], text, project=project.id, task=task.key)
    return Memory(Kind.reflexion, text, source, ctx.clock())


def resolved(project: Project, commit: str, paths: Sequence[str], at: datetime) -> Memory:
    """Return that a project's work met somebody else's in these files, and was brought together with it."""
    text = (
        f"{project.title}: this met other work in {', '.join(paths)}, and both changes had to be merged by hand. "
        "More than one change at a time happens here: keep yours small and in one place."
    )
    return Memory(Kind.conflict, text, Source(paths[0], commit, project.id), at)


async def outcome(ctx: Context, project: Project, tasks: Sequence[Task]) -> list[Fact]:
    """Return what a merged project teaches: how it was done, and what became of it."""
    at = ctx.clock()
    changed = any(task.follows_up and task.status is TaskStatus.completed for task in tasks)
    fate = Fate.changed if changed else Fate.merged
    clone = await ctx.clone(project)
    try:
        files = await _changed(clone, project.base_sha or "", project.head_sha or "")
        patterns = [memory for task in tasks for memory in await _pattern(clone, project, task, at)]
    except GitError as error:  # done on another machine, and never fetched here
        log.info("what was merged can't be looked at, so less is remembered", extra={"why": str(error)})
        return [Settled(fate, (), at)]
    return [*patterns, Settled(fate, tuple(files[:MOST_FILES]), at)]


async def _pattern(clone: Clone, project: Project, task: Task, at: datetime) -> list[Memory]:
    """Return how a task was done that is part of what was merged."""
    result = task.result
    if task.status is not TaskStatus.completed or not result or not result.commit:
        return []
    if not (how := narrative(result.summary)):
        return []
    files = await _changed(clone, task.base_sha or "", result.commit)
    text = f"{task.title}: {how}"
    source = await cite(clone, project.head_sha or "", files, text, project=project.id, task=task.key)
    return [Memory(Kind.pattern, text, source, at)]


async def _changed(clone: Clone, base: str, commit: str) -> list[str]:
    return [change.path for change in await clone.changes(base, commit)]
