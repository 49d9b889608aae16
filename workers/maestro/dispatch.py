"""Give out the tasks whose dependencies are met, and go on when all of them are done."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.ports import Clone
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.task import REVIEW_KEY, Task, TaskStatus, topological_order
from app.errors import GitError, MergeConflict
from workers.maestro.context import WAIT, Context, State
from workers.maestro.pause import waking
from workers.maestro.rework import resolve

UNDER_WAY = frozenset({TaskStatus.ready, TaskStatus.running, TaskStatus.blocked})
UNFIXED = "What the code review found could not be fixed; it stands in the check `aurora / review`."


async def dispatch(
    _: State, runtime: Runtime[Context]
) -> Command[Literal["integrate", "dispatch", "escalate", "__end__"]]:
    """Send each task that can begin to its agent; integrate when all are completed, escalate when one failed."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    if given_up := [task for task in tasks if task.follows_up and task.status is TaskStatus.failed]:
        project, tasks = await _go_without(ctx, project, given_up)
    if all(task.status in {TaskStatus.completed, TaskStatus.cancelled} for task in tasks):
        await ctx.move(project, Phase.integrate, status=ProjectStatus.verifying)
        return Command(goto="integrate")
    failed = [task for task in tasks if task.status is TaskStatus.failed]
    under_way = any(task.status in UNDER_WAY for task in tasks)
    if failed and not under_way:
        return await ctx.escalate(project, _failures(failed))
    try:
        starting = [] if failed else await _start(ctx, project, tasks)
    except Conflict as conflict:
        return await resolve(ctx, project, conflict.task, conflict.onto, conflict.paths)
    messages = [ctx.task_message(task) for task in starting]
    if facts := [*starting, *messages, *waking(ctx, tasks)]:
        await ctx.records.write(*facts)
    ctx.announce(project)
    return WAIT


async def _go_without(ctx: Context, project: Project, fixes: Sequence[Task]) -> tuple[Project, list[Task]]:
    """Leave out follow-ups that didn't succeed: the work passed without them, and what they were for is told."""
    left_out = [fix.model_copy(update={"status": TaskStatus.cancelled}) for fix in fixes]
    notes = (UNFIXED,) if any(fix.key == REVIEW_KEY for fix in fixes) else ()
    project = await ctx.move(project, Phase.dispatch, *left_out, notes=(*project.notes, *notes))
    return project, await ctx.records.tasks()


def _failures(failed: Sequence[Task]) -> str:
    """Say which tasks could not be done, and why."""
    return "\n\n".join(
        f"Task {task.key}, {task.title}: {task.result.failure if task.result else 'it failed'}" for task in failed
    )


async def _start(ctx: Context, project: Project, tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that can begin, each based on the work that it depends on, most urgent first."""
    clone = await ctx.clone(project)
    can_begin = sorted(startable(tasks), key=lambda task: -task.priority)
    if ctx.policy.push_task_branches and any(task.dependencies for task in can_begin):
        await clone.fetch()  # what they depend on may have been done on other machines
    return [
        task.model_copy(update={"status": TaskStatus.ready, "base_sha": await _base(clone, project, task, tasks)})
        for task in can_begin
    ]


def startable(tasks: Sequence[Task]) -> list[Task]:
    """Return the pending tasks whose dependencies are completed, or left out."""
    done = {task.id for task in tasks if task.status in {TaskStatus.completed, TaskStatus.cancelled}}
    return [task for task in tasks if task.status is TaskStatus.pending and done.issuperset(task.dependencies)]


async def _base(clone: Clone, project: Project, task: Task, tasks: Sequence[Task]) -> str:
    """Return the commit that the task starts from: what it was sent back to, or base and dependencies."""
    if task.base_sha:
        return task.base_sha
    needed = dependencies_of(task, tasks)
    return (await combine(clone, project.start, needed))[0]


async def bring_base(clone: Clone, project: Project, task: Task, tasks: Sequence[Task]) -> str:
    """Return the commit that the task starts from, having it here even if another machine made it."""
    base = task.base_sha or project.start
    await bring(clone, project, base, dependencies_of(task, tasks), in_order(tasks))
    return base


async def bring(clone: Clone, project: Project, commit: str, *chains: Sequence[Task]) -> None:
    """Have a commit here even if another machine made it.

    A merge of a chain of tasks that was made there and never pushed is made again: the same merges give the same
    commits.
    """
    if await _has(clone, commit):
        return
    await clone.fetch()
    for chain in chains:
        if not await _has(clone, commit):
            with suppress(Conflict):
                await combine(clone, project.start, chain)


async def _has(clone: Clone, commit: str) -> bool:
    try:
        await clone.tree(commit)
    except GitError:
        return False
    return True


def dependencies_of(task: Task, tasks: Sequence[Task]) -> list[Task]:
    """Return everything that the task depends on, directly or not, in the order in which it is merged."""
    by_id = {other.id: other for other in tasks}
    needed, queue = set(), list(task.dependencies)
    while queue:
        identity = queue.pop()
        if identity not in needed:
            needed.add(identity)
            queue += by_id[identity].dependencies
    return [other for other in in_order(tasks) if other.id in needed]


def in_order(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks so that each follows its dependencies."""
    by_id = {str(task.id): task for task in tasks}
    order = topological_order({str(task.id): [str(need) for need in task.dependencies] for task in tasks})
    return [by_id[identity] for identity in order]


class Conflict(Exception):
    """A task's work doesn't merge with what came before it."""

    def __init__(self, task: Task, onto: str, paths: tuple[str, ...]) -> None:
        """Name the task, the commit that it was to be merged into, and the paths in conflict."""
        super().__init__(f"{task.key} conflicts in {', '.join(paths)}")
        self.task, self.onto, self.paths = task, onto, paths


async def combine(clone: Clone, base: str, tasks: Sequence[Task]) -> tuple[str, list[str]]:
    """Merge the tasks' commits onto `base` one after the other; return the last commit and one for each task.

    Raises `Conflict` naming the first task that doesn't fit.
    """
    head, steps = base, []
    for task in tasks:
        commit = task.result.commit if task.result else None
        if commit and task.status is not TaskStatus.cancelled:
            try:
                head = await clone.merge(head, commit, f"Merge {task.key}: {task.title}")
            except MergeConflict as conflict:
                raise Conflict(task, head, conflict.paths) from conflict
        steps.append(head)
    return head, steps
