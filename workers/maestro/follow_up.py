"""Follow-ups: what people, reviews and checks want changed becomes one more task on top of everything that was done."""

from collections.abc import Sequence
from uuid import uuid5

from app.domain.concerns import Concern, ConcernKind
from app.domain.ports import Fact
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.task import Task
from workers.agents.roster import GENERALIST, assign
from workers.maestro.context import Context

MOST_TITLE = 80  # characters


async def follow_up(ctx: Context, project: Project, concerns: Sequence[Concern], *facts: Fact) -> Project:
    """Add a task that answers the concerns, to be dispatched next; concerns that a task has already are left out.

    One task for all of them, however many: a review of twelve comments is one follow-up. It begins on the head of the
    pull request where there is one, else on everything that is still being done.
    """
    tasks = await ctx.records.tasks()
    known = {concern.key for task in tasks for concern in task.concerns}
    new = tuple(concern for concern in concerns if concern.key not in known)
    if not new:
        return project
    delivered = project.head_sha if project.pull_request else None
    changes = {"onto": delivered, "rounds": 0, "merge_asked": None} if delivered else {}
    if any(concern.kind is not ConcernKind.check for concern in new):
        changes["check_fixes"] = 0  # what people wish for is other work, whose checks may be fixed anew
    return await ctx.move(
        project, Phase.dispatch, _task(ctx, project, tasks, new), *facts, status=ProjectStatus.building, reason=None,
        **changes,
    )  # fmt: skip


def _task(ctx: Context, project: Project, tasks: Sequence[Task], concerns: tuple[Concern, ...]) -> Task:
    key = f"f{1 + sum(task.key.startswith('f') for task in tasks)}"
    paths = tuple(dict.fromkeys(concern.path for concern in concerns if concern.path))
    return Task(
        id=uuid5(project.id, key),
        project_id=project.id,
        key=key,
        title=_title(concerns),
        description="Answer each numbered concern about the work that was done for this issue.",
        assigned_agent=assign("integration", paths) if paths else GENERALIST,
        dependencies=tuple(task.id for task in tasks),
        requirements=tuple(item.id for item in project.requirements),
        footprint=(),
        concerns=concerns,
        branch=f"{project.branch}-{key}",
        created_at=ctx.clock(),
    )


def _title(concerns: Sequence[Concern]) -> str:
    if len(concerns) > 1:
        return f"Address {len(concerns)} remarks"
    words = " ".join(concerns[0].text.split())
    return words if len(words) <= MOST_TITLE else f"{words[: MOST_TITLE - 2]} …"
