"""Make the plan: requirements become a graph of tasks, each with a role and a footprint."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain import commands
from app.domain.plan import Kind, Plan, PlannedTask, check_plan, join_overlapping
from app.domain.ports import Clone, Step
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.repository_settings import PlanApproval
from app.domain.roles import AgentRole
from app.domain.task import PlanError, Task, serialise_overlaps, task_id, topological_order
from app.errors import BadAnswer
from app.github import render
from workers.agents.prompts import prompt_for
from workers.agents.roster import GENERALIST, assign
from workers.codegen.repository_map import repository_map
from workers.feedback import criteria
from workers.maestro.answers import PlanAnswer
from workers.maestro.context import WAIT, Context, State
from workers.maestro.recall import Recalled, recall, uses, without_marks
from workers.maestro.remember import decisions

TRIES = 3  # how often a plan that can't be carried out is sent back
ACCOMPANYING = frozenset({Kind.tests, Kind.documentation})
LARGE = 3  # a plan of more tasks is large
MAP_TOKENS = 1500
APPROVE = commands.Asked(commands.Name.approve)


async def plan(_: State, runtime: Runtime[Context]) -> Command[Literal["approve"]]:
    """Ask for a plan until it can be carried out; without one, the whole is one task."""
    ctx = runtime.context
    project = await ctx.records.project()
    clone = await ctx.clone(project)
    scope = f"plan{project.plans or ''}"  # another plan is another question
    recalled = await recall(ctx, project, clone, scope)
    wanted = await _plan(ctx, project, clone, scope, recalled)
    notes = project.notes
    named = recalled.cited(wanted) if wanted else ()
    if wanted is None:
        wanted = whole(project)
        notes = (*notes, "No usable plan came from the model, so all requirements were given to one agent.")
    number = project.plans + 1
    earlier = await ctx.records.tasks(superseded=True)
    tasks = lay_out(project, without_marks(wanted) if named else wanted, ctx, earlier)
    used = uses(ctx, project, number, recalled, named)
    await ctx.move(project, Phase.approve, *tasks, *used, notes=notes, plans=number, plan_comment=None)
    return Command(goto="approve")


async def _plan(ctx: Context, project: Project, clone: Clone, scope: str, recalled: Recalled) -> Plan | None:
    requirements = criteria(project.requirements)
    code = await repository_map(clone, project.base_sha or "", requirements, (), MAP_TOKENS)
    refusal = ""
    said = "\n".join(project.guidance)
    for attempt in range(TRIES):
        shown = {"requirements": requirements, "said": said, "map": code, "earlier work": recalled.text}
        prompt = prompt_for(Step.plan, None, **shown, refusal=refusal)
        call = ctx.call(Step.plan, f"{scope}.{attempt}")
        try:
            answer = await ctx.thinker.answer(call, ctx.journal, PlanAnswer, prompt)
            check_plan(answer, tuple(item.id for item in project.requirements))
            return join_overlapping(leave_to_makers(answer))
        except BadAnswer:
            return None
        except PlanError as error:
            refusal = str(error)
    return None


def leave_to_makers(plan: Plan) -> Plan:
    """Drop tasks that only test or describe what another task makes and whose files that one changes anyway.

    A plan in which that would make a circle is returned as it is.
    """
    makers = [task for task in plan.tasks if task.kind not in ACCOMPANYING]
    into = {task.key: _maker(task, makers) for task in plan.tasks}
    kept = tuple(
        task.model_copy(
            update={
                "dependencies": tuple(dict.fromkeys(into[need] for need in _needs(task, plan, into))),
                "requirements": tuple(
                    dict.fromkeys(
                        name for other in plan.tasks if into[other.key] == task.key for name in other.requirements
                    )
                ),
            }
        )
        for task in plan.tasks
        if into[task.key] == task.key
    )
    try:
        topological_order({task.key: task.dependencies for task in kept})
    except PlanError:
        return plan
    return Plan(tasks=kept)


def _maker(task: PlannedTask, makers: Sequence[PlannedTask]) -> str:
    """Return the key of the task to which the work of `task` is left, its own when it stays."""
    if task.kind not in ACCOMPANYING or not task.footprint:
        return task.key
    return next((maker.key for maker in makers if set(task.footprint) <= set(maker.footprint)), task.key)


def _needs(task: PlannedTask, plan: Plan, into: Mapping[str, str]) -> list[str]:
    """Return the keys on which a task and those left to it depend, without each other."""
    ours = [other for other in plan.tasks if into[other.key] == task.key]
    return [need for other in ours for need in other.dependencies if into[need] != task.key]


def whole(project: Project) -> Plan:
    """Return the plan of one task that does everything."""
    task = PlannedTask(
        key="t1",
        title=project.title[:200] or "Do what the issue asks",
        description="Meet all requirements.",
        requirements=tuple(item.id for item in project.requirements),
    )
    return Plan(tasks=(task,))


def lay_out(project: Project, wanted: Plan, ctx: Context, earlier: Sequence[Task] = ()) -> list[Task]:
    """Return the tasks with ids, roles, branches, and the order that their footprints demand.

    Their keys go on from those of the `earlier` tasks, of plans that are no more.
    """
    planned = wanted.tasks
    order = serialise_overlaps(wanted.nodes())
    used = max((int(task.key[1:]) for task in earlier if re.fullmatch(r"t\d+", task.key)), default=0)
    keys = {task.key: f"t{number}" for number, task in enumerate(planned, used + 1)}
    identity = {key: task_id(project.id, project.plans + 1, name) for key, name in keys.items()}
    return [
        Task(
            id=identity[task.key],
            project_id=project.id,
            key=keys[task.key],
            title=task.title,
            description=task.description,
            assigned_agent=_role(task, alone=len(planned) == 1),
            dependencies=tuple(identity[key] for key in order[task.key]),
            priority=task.priority,
            footprint=tuple(task.footprint),
            requirements=tuple(task.requirements),
            branch=branch(project, keys[task.key], task.title, alone=len(planned) == 1),
            created_at=ctx.clock(),
        )
        for task in planned
    ]


def _role(task: PlannedTask, *, alone: bool) -> AgentRole:
    """Choose the agent; whoever works alone must be allowed to change more than tests."""
    if alone and task.kind is Kind.tests:
        return GENERALIST
    return assign(task.kind, task.footprint, task.title)


def branch(project: Project, key: str, title: str, *, alone: bool) -> str:
    """Return the feature branch of a task; the only task of a project works on the integration branch itself."""
    if alone:
        return project.branch
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in title.lower()).split()
    return f"{project.branch}-{key}-{'-'.join(words)[:40].strip('-') or 'task'}"


async def approve(_: State, runtime: Runtime[Context]) -> Command[Literal["dispatch", "__end__"]]:
    """Wait for a person's word on the plan where the repository wants one."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    if needs_approval(project, len(tasks)) and not await _approved(ctx, project, tasks):
        shown, _written = await _show(ctx, project, tasks)
        waiting = await ctx.move(
            project, Phase.approve, status=ProjectStatus.waiting, reason="It waits for approval of the plan.",
            plan_comment=shown,
        )  # fmt: skip
        ctx.announce(waiting)
        return WAIT
    decided = await decisions(ctx, project, tasks)
    await ctx.move(project, Phase.dispatch, *decided, status=ProjectStatus.building, reason=None)
    return Command(goto="dispatch")


async def _approved(ctx: Context, project: Project, tasks: Sequence[Task]) -> bool:
    """Show the plan, and tell whether somebody with write permission has approved it since."""
    if project.approved == project.plans:
        return True
    shown, written = await _show(ctx, project, tasks)
    # Who was quicker than the row that says that the plan waits has approved it too.
    later = [] if written else [said for said in await ctx.comments_of_writers(project) if said.id > shown]
    return any(APPROVE in commands.read(said.body) for said in later)


async def _show(ctx: Context, project: Project, tasks: Sequence[Task]) -> tuple[int, bool]:
    """Show the plan in a comment of its own; return its id, and whether it was written now."""
    text = render.plan(project, tasks, await ctx.records.usual_cost())
    number = str(project.plans) if project.plans > 1 else ""
    return await ctx.comment_once(project, "plan", number, text)


def needs_approval(project: Project, tasks: int) -> bool:
    """Tell whether the repository wants to see such a plan first."""
    match project.settings.plan_approval:
        case PlanApproval.always:
            return True
        case PlanApproval.large:
            return tasks > LARGE
        case PlanApproval.never:
            return False
