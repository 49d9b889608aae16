"""Follow-ups: what people, reviews and checks want changed becomes one more task on top of everything that was done."""

from collections.abc import Sequence

from app.domain.concerns import Concern, ConcernKind, title
from app.domain.ports import Fact
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.task import Task, TaskStatus, task_id
from workers.agents.roster import GENERALIST, assign
from workers.maestro.change import Change
from workers.maestro.context import Context


async def follow_up(
    ctx: Context, project: Project, concerns: Sequence[Concern], *facts: Fact, onto: str | None = None
) -> Project:
    """Add a task that answers the concerns, as `followed_up` does, and write it with `facts`."""
    change = await followed_up(ctx, project, concerns, onto=onto)
    return await ctx.move(change.project, change.project.phase, *change.facts, *facts)


async def followed_up(ctx: Context, project: Project, concerns: Sequence[Concern], onto: str | None = None) -> Change:
    """Return the project with a task that answers the concerns, to be dispatched next; what a task has is left out.

    One task for all of them, however many: a review of twelve comments is one follow-up. It begins on the head of the
    pull request where there is one, else on everything that is still being done. `onto` is the last commit that passed
    its checkpoints, where the head has gone on since.
    """
    known = {concern.key for task in await ctx.records.tasks(superseded=True) for concern in task.concerns}
    new = tuple(concern for concern in concerns if concern.key not in known)
    if not new:
        return Change(project)
    delivered = (onto or project.head_sha) if project.pull_request else None
    changes = {"onto": delivered, "rounds": 0, "merge_asked": None} if delivered else {}
    if any(concern.kind is not ConcernKind.check for concern in new):
        changes["check_fixes"] = 0  # what people wish for is other work, whose checks may be fixed anew
    changes |= {"phase": Phase.dispatch, "status": ProjectStatus.building, "reason": None}
    return Change(project.model_copy(update=changes), (await new_task(ctx, project, new),))


async def new_task(ctx: Context, project: Project, concerns: Sequence[Concern]) -> Task:
    """Return a task that answers the concerns on top of everything that is done or under way."""
    every = await ctx.records.tasks(superseded=True)
    key = f"f{1 + sum(task.key.startswith('f') for task in every)}"  # what was superseded keeps its key
    wanted = [task for task in every if not task.superseded and task.status is not TaskStatus.cancelled]
    paths = tuple(dict.fromkeys(concern.path for concern in concerns if concern.path))
    return Task(
        id=task_id(project.id, project.plans, key),
        project_id=project.id,
        key=key,
        title=title(concerns),
        description="Answer each numbered concern about the work that was done for this issue.",
        assigned_agent=assign("integration", paths) if paths else GENERALIST,
        dependencies=tuple(task.id for task in wanted),
        requirements=tuple(item.id for item in project.requirements),
        footprint=(),
        concerns=tuple(concerns),
        branch=f"{project.branch}-{key}",
        created_at=ctx.clock(),
    )
