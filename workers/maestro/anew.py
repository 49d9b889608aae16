"""Begin something again: the plan with new words, tasks that failed, a run whose pull request is open once more."""

from collections.abc import Sequence

from app.domain.commands import Name
from app.domain.conversation import HAS_PULL, NO_PLAN, Stage
from app.domain.ports import Discarded, Fact, Revoked
from app.domain.project import EARLY, Phase, Project, ProjectStatus
from app.domain.task import Task, TaskStatus
from app.github import answers
from workers import feedback
from workers.maestro.change import Change, Told
from workers.maestro.context import Context
from workers.maestro.follow_up import followed_up
from workers.maestro.settle import stop

AGAIN = frozenset({TaskStatus.failed, TaskStatus.cancelled})


async def replan(ctx: Context, project: Project, told: Told) -> Change:
    """Note what was said, and let go of the plan; what was made for it stays on its branches and counts for nothing."""
    if project.reverts or (told.event is Name.revise and project.pull_request):
        why = HAS_PULL if project.pull_request else NO_PLAN
        return Change(project, (), answers.spoken(why, project, ctx.policy.label))
    if other := await another_run(ctx, project):
        return Change(project, (), other)
    words = (f"{told.by}: {told.argument}",) if told.argument else ()
    tasks = await ctx.records.tasks()
    begun = [task for task in tasks if task.started_at is not None]
    past = [(task if task.status.ended else stop(task, ctx)).model_copy(update={"superseded": True}) for task in begun]
    facts: tuple[Fact, ...] = (
        *past,
        Revoked(tuple(task.id for task in tasks if not task.status.ended)),
        Discarded(tuple(task.id for task in tasks if task.started_at is None)),
    )
    changes = {
        "phase": Phase.parse, "status": ProjectStatus.parsing, "guidance": (*project.guidance, *words), "reason": None,
        "approved": None, "plan_comment": None, "requirements": (), "head_sha": None, "onto": None, "review": None,
        "rounds": 0, "base_moves": 0, "retries": project.retries + 1, "finished_at": None,
    }  # fmt: skip
    return Change(project.model_copy(update=changes), facts)


async def another_run(ctx: Context, project: Project) -> str:
    """Return what to say where this run has ended and another one of the issue is under way, else nothing."""
    last = await ctx.records.last_run()
    return "" if last.id == project.id or last.status.ended else answers.runs_already(last)


async def reread(ctx: Context, project: Project, told: Told) -> Change:
    """Read the issue anew where nothing has been made yet; a paused project stays paused."""
    if project.phase not in EARLY:
        return Change(project)
    change = await replan(ctx, project, told)
    held = {"status": project.status, "reason": project.reason} if project.status is ProjectStatus.paused else {}
    return Change(change.project.model_copy(update=held), change.facts)


async def retry(ctx: Context, project: Project, told: Told) -> Change:
    """Ready the tasks that failed or were stopped, with what was learned and said; without any, go back further."""
    if other := await another_run(ctx, project):
        return Change(project, (), other)
    tasks = await ctx.records.tasks()
    name = told.argument.lower() if told.event is Name.retry else ""
    chosen = [task for task in tasks if task.status in AGAIN and name in {"", task.key, task.key.lstrip("t")}]
    if name and not chosen:
        return Change(project, (), answers.no_such_task(name, [task for task in tasks if task.status in AGAIN]))
    if not chosen and told.at in {Stage.building, Stage.changing}:
        return Change(project, (), answers.nothing_failed(tasks))
    hint = told.argument if told.event is Name.fix else ""
    if not chosen and tasks and hint:
        return await followed_up(ctx, _revived(project, Phase.dispatch), [told.wish])
    if not chosen:
        back = _revived(project, Phase.integrate if tasks or project.reverts else Phase.parse)
        guidance = (*project.guidance, f"{told.by}: {hint}") if hint else project.guidance
        return Change(back.model_copy(update={"guidance": guidance}))
    return Change(_revived(project, Phase.dispatch), tuple(_again(task, hint) for task in chosen))


def _again(task: Task, hint: str) -> Task:
    """Return the task as one that can begin anew, knowing what the last round taught."""
    taught = feedback.of_lessons(task.result.lessons) if task.result and task.result.lessons else ""
    said = [words for words in (taught, hint) if words]
    changes = {"status": TaskStatus.pending, "round": task.round + 1, "completed_at": None}
    return task.model_copy(update={**changes, "feedback": (*task.feedback, *said)})


def _revived(project: Project, phase: Phase) -> Project:
    status = {Phase.parse: ProjectStatus.parsing, Phase.dispatch: ProjectStatus.building}
    changes = {
        "phase": phase, "status": status.get(phase, ProjectStatus.verifying), "reason": None, "finished_at": None,
        "rounds": 0, "base_moves": 0, "retries": project.retries + 1,
    }  # fmt: skip
    return project.model_copy(update=changes)


async def reopen(ctx: Context, project: Project, _: Told) -> Change:
    """Take up a run that ended because its pull request was closed, now that it is open again."""
    if project.pull_request is None or await another_run(ctx, project):
        return Change(project)
    pull = await ctx.forge.pull_request(project.pull_request.number)
    if pull.state != "open":
        return Change(project)
    tasks: Sequence[Task] = [task for task in await ctx.records.tasks() if task.status is TaskStatus.completed]
    return Change(_revived(project, Phase.deliver if tasks or project.reverts else Phase.parse))
