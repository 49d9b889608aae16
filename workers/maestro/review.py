"""Read the whole change against the criteria; what is found is fixed once, and shown otherwise."""

from collections.abc import Sequence
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.ports import Step
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.review import Review
from app.domain.roles import AgentRole
from app.domain.task import REVIEW_KEY, Task, task_id
from app.errors import BadAnswer
from workers import feedback
from workers.agents.prompts import prompt_for
from workers.maestro.answers import ReviewAnswer
from workers.maestro.context import Context, State
from workers.maestro.dispatch import in_order


async def review(_: State, runtime: Runtime[Context]) -> Command[Literal["deliver", "dispatch"]]:
    """Have the code reviewer read the change; blocking findings become one follow-up task."""
    ctx = runtime.context
    project = await ctx.records.project()
    tasks = await ctx.records.tasks()
    found = await ask(ctx, project) if not project.reverts else None
    blocking = [finding for finding in found.findings if finding.blocks] if found else []
    if blocking and not any(task.key == REVIEW_KEY for task in tasks):
        task = follow_up(ctx, project, tasks, feedback.of_review(blocking))
        await ctx.move(project, Phase.dispatch, task, status=ProjectStatus.building)
        return Command(goto="dispatch")
    await ctx.move(project, Phase.deliver, review=found)
    return Command(goto="deliver")


async def ask(ctx: Context, project: Project, occurrence: str = "") -> Review | None:
    """Ask for a review of the present head, once for each occurrence; None when no usable one came."""
    clone = await ctx.clone(project)
    prompt = prompt_for(
        Step.review,
        requirements=feedback.criteria(project.requirements),
        diff=await clone.diff(project.base_sha or "", project.head_sha or ""),
    )
    scope = ".".join(part for part in ("review", (project.head_sha or "")[:12], occurrence) if part)
    call = ctx.call(Step.review, scope, AgentRole.code_reviewer)
    try:
        return await ctx.thinker.answer(call, ctx.journal, ReviewAnswer, prompt)
    except BadAnswer:
        return None


def follow_up(ctx: Context, project: Project, tasks: Sequence[Task], findings: str) -> Task:
    """Return a task that mends what the review found, on top of everything that was done."""
    last = in_order(tasks)[-1]
    return Task(
        id=task_id(project.id, project.plans, REVIEW_KEY),
        project_id=project.id,
        key=REVIEW_KEY,
        title="Address the review",
        description="Fix what the code review found in the change that was made for this issue.",
        assigned_agent=last.assigned_agent,
        dependencies=tuple(task.id for task in tasks),
        requirements=tuple(item.id for item in project.requirements),
        footprint=(),
        feedback=(findings,),
        branch=f"{project.branch}-review" if len(tasks) > 1 else project.branch,
        created_at=ctx.clock(),
    )
