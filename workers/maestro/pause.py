"""Hold a project at a cap or at a person's word, say so, and go on."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid5

from app.domain.budget import Cap, Refusal, midnight
from app.domain.conversation import Happening
from app.domain.messages import notice
from app.domain.ports import Fact, Postponed
from app.domain.project import STATUS_OF, Pause, Project, ProjectStatus
from app.domain.task import Task, TaskStatus
from app.github import pausing
from app.github.render import person
from workers.maestro.change import Change, Told
from workers.maestro.context import Context

FOR_EVER = 10 * 365 * 86_400.0  # seconds: until somebody wakes it
MARGIN = timedelta(seconds=5)  # after midnight, since clocks differ
SUSPENDED = "The app is suspended in this repository."


async def pause(ctx: Context, project: Project, why: Pause, *facts: Fact) -> Project:
    """Hold the project where it is, and ask where a person can do something; nothing that is recorded is lost."""
    change = await hold(ctx, project, why)
    held = await ctx.move(change.project, project.phase, *change.facts, *facts)
    ctx.announce(held)
    return held


async def hold(ctx: Context, project: Project, why: Pause) -> Change:
    """Return the project as paused; what it waits for is said in a comment where a cap is the reason."""
    refusal, number = why.refusal, project.pauses + 1
    if refusal is not None:
        text = pausing.paused(project, refusal, await ctx.records.calls(), ctx.policy.most_budget_usd)
        await ctx.comment_once(project, "paused", str(number), text)
    facts: tuple[Fact, ...] = ()
    if why.ends_with_the_day:
        over = midnight(ctx.clock().date()) + MARGIN
        message = notice(uuid5(project.id, f"day_over:{number}"), project.id, ctx.clock(), Happening.day_over)
        facts = (message, Postponed((message.id,), (over - ctx.clock()).total_seconds(), counted=False))
    reason = str(refusal) if refusal else SUSPENDED if project.muted else _by_person(why.by)
    changes = {"status": ProjectStatus.paused, "pause": why, "pauses": number, "reason": reason}
    return Change(project.model_copy(update=changes), facts)


def go_on(project: Project, **changes: object) -> Project:
    """Return the project as it goes on from its phase; the graph wakes the tasks that wait."""
    status = STATUS_OF.get(project.phase, ProjectStatus.verifying)
    return project.model_copy(update={"status": status, "pause": None, "reason": None, **changes})


def waking(ctx: Context, tasks: Sequence[Task]) -> list[Fact]:
    """Return what lets tasks that were refused a call go on: they are ready again, and their messages due."""
    blocked = [task for task in tasks if task.status is TaskStatus.blocked]
    messages = [ctx.task_message(task) for task in blocked]
    due = [Postponed(tuple(message.id for message in messages), 0.0, counted=False)] if messages else []
    return [*(task.model_copy(update={"status": TaskStatus.ready}) for task in blocked), *messages, *due]


# --- effects


async def by_person(ctx: Context, project: Project, told: Told) -> Change:
    """Pause at somebody's word; what was paused at a cap stays so until somebody says otherwise.

    What is paused already when the app is suspended, which is nobody's word, stays so after that.
    """
    if project.status is ProjectStatus.paused and told.by is None:
        return Change(project)
    if project.status is ProjectStatus.paused:
        return Change(project.model_copy(update={"pause": Pause(by=told.by), "reason": _by_person(told.by)}))
    return await hold(ctx, project, Pause(by=told.by))


async def at_cap(ctx: Context, project: Project, told: Told) -> Change:
    """Pause where a task was refused a call, unless the project was paused since, or had been before."""
    known = project.status is ProjectStatus.paused or told.payload["pauses"] < project.pauses
    refusal = told.payload.get("refusal")
    if known or refusal is None:
        return Change(project)
    return await hold(ctx, project, Pause(refusal=Refusal.model_validate(refusal)))


async def resume(_: Context, project: Project, __: Told) -> Change:
    """Go on after a pause."""
    return Change(go_on(project) if project.status is ProjectStatus.paused else project)


async def at_midnight(_: Context, project: Project, __: Told) -> Change:
    """Go on where the cap was that of a day."""
    return Change(go_on(project) if project.pause is not None and project.pause.ends_with_the_day else project)


async def set_budget(ctx: Context, project: Project, told: Told) -> Change:
    """Set the project's cap as far as the operator allows; where that is what it waited for, it goes on."""
    usd = float(told.argument)
    allowed = min(usd, ctx.policy.most_budget_usd)
    answer = pausing.most_budget(allowed) if allowed < usd else ""
    refusal = project.pause.refusal if project.pause else None
    changes = {"budget_usd": allowed, "budget_set": True}
    if refusal is None or refusal.cap is not Cap.project:
        return Change(project.model_copy(update=changes), (), answer)
    if allowed >= refusal.least:
        return Change(go_on(project, **changes), (), answer)
    too_little = Change(project.model_copy(update=changes), (), pausing.too_little(refusal))
    return Change(project, (), answer).then(too_little)


async def mute(_: Context, project: Project, __: Told) -> Change:
    """Say nothing more on GitHub: the app may not."""
    return Change(project.model_copy(update={"muted": True}))


async def unmute(_: Context, project: Project, __: Told) -> Change:
    """Speak again, and go on where nothing but that held the project."""
    by_nobody = project.pause is not None and project.pause.refusal is None and project.pause.by is None
    goes_on = project.muted and project.status is ProjectStatus.paused and by_nobody
    return Change((go_on(project) if goes_on else project).model_copy(update={"muted": False}))


def _by_person(login: str | None) -> str:
    return f"{person(login)} paused it."
