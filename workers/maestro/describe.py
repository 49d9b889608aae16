"""What the pull request says: title and text, made from the tables and the change."""

from collections.abc import Sequence

from app.domain.ports import Clone
from app.domain.project import Project
from app.domain.task import Task, TaskStatus
from app.github import pull_request as wording
from workers.maestro.context import Context

MOST_SHOWN = 4  # files as evidence of a requirement, of each task


async def describe(ctx: Context, project: Project, clone: Clone) -> tuple[str, str]:
    """Return title and text for the present head."""
    head = project.head_sha or ""
    tasks = await ctx.records.tasks()
    results = await ctx.records.checks(head)
    changed = [change.path for change in await clone.changes(project.base_sha or "", head)]
    evidence = await _evidence(clone, tasks)
    return wording.title(project, changed), wording.body(project, tasks, results, evidence=evidence, changed=changed)


async def retell(ctx: Context, project: Project) -> None:
    """Have the pull request say what has become true since it was written."""
    if project.pull_request is not None:
        title, body = await describe(ctx, project, await ctx.clone(project))
        await ctx.forge.edit_pull_request(project.pull_request.number, title, body)


async def _evidence(clone: Clone, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return, by requirement, the files in which it can be seen, tests first."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task.status is TaskStatus.completed and task.result and task.result.commit and task.base_sha:
            changed = [change.path for change in await clone.changes(task.base_sha, task.result.commit)]
            shown = sorted(changed, key=lambda path: ("test" not in path.lower(), path))
            for requirement in task.requirements:
                known = found.setdefault(requirement, [])  # a follow-up often changes what the task before it did
                known += [named for path in shown[:MOST_SHOWN] if (named := f"`{path}`") not in known]
    return found
