"""Hold a project at a cap or at a person's word, say so, and go on; and whatever else people command."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never
from uuid import uuid5

from app.domain.budget import Cap, Refusal, midnight
from app.domain.commands import Asked, Misread, Name, load
from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Fact, Postponed
from app.domain.project import STATUS_OF, Pause, Project, ProjectStatus
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskStatus
from app.github import render
from workers.maestro.context import Context

UNDERSTOOD, NOT_UNDERSTOOD = "+1", "confused"  # reactions
FOR_EVER = 10 * 365 * 86_400.0  # seconds: until somebody wakes it
MARGIN = timedelta(seconds=5)  # after midnight, since clocks differ


async def steer(ctx: Context, messages: Sequence[AgentMessage]) -> bool:
    """Pause, go on and obey as the messages say, in their order; return whether the graph is to run."""
    project = await ctx.records.project()
    for message in messages:
        match message.payload.get("event"):
            case "said" if message.payload.get("commands"):
                project = await _obey(ctx, project, message)
            case "blocked" if refusal := _new_refusal(project, message):
                project = await pause(ctx, project, Pause(refusal=refusal))
            case "day_over" if project.pause is not None and project.pause.ends_with_the_day:
                project = await resume(ctx, project)
    if project.status is ProjectStatus.paused:
        ctx.announce(project)
        return False
    return True


def _new_refusal(project: Project, message: AgentMessage) -> Refusal | None:
    """Return why a task was refused a call, None where the project was paused since, or had been before."""
    known = project.status is ProjectStatus.paused or message.payload["pauses"] < project.pauses
    refusal = message.payload.get("refusal")
    return None if known or refusal is None else Refusal.model_validate(refusal)


async def pause(ctx: Context, project: Project, why: Pause, *facts: Fact) -> Project:
    """Hold the project where it is, and ask where a person can do something; nothing that is recorded is lost."""
    refusal, number = why.refusal, project.pauses + 1
    if refusal is not None:
        text = render.paused(project, refusal, await ctx.records.calls(), ctx.policy.most_budget_usd)
        await ctx.comment_once(project, "paused", str(number), text)
    reason = str(refusal) if refusal else _by_person(why.by)
    if why.ends_with_the_day:
        over = midnight(ctx.clock().date()) + MARGIN
        message = _message(ctx, project, f"day_over:{number}", "day_over")
        facts = (*facts, message, Postponed((message.id,), (over - ctx.clock()).total_seconds(), counted=False))
    held = await ctx.move(
        project, project.phase, *facts, status=ProjectStatus.paused, pause=why, pauses=number, reason=reason
    )
    ctx.announce(held)
    return held


async def resume(ctx: Context, project: Project, **changes: object) -> Project:
    """Let the project go on from its phase; the graph wakes the tasks that wait."""
    status = STATUS_OF.get(project.phase, ProjectStatus.verifying)
    return await ctx.move(project, project.phase, status=status, pause=None, reason=None, **changes)


def waking(ctx: Context, tasks: Sequence[Task]) -> list[Fact]:
    """Return what lets tasks that were refused a call go on: they are ready again, and their messages due."""
    blocked = [task for task in tasks if task.status is TaskStatus.blocked]
    messages = [ctx.task_message(task) for task in blocked]
    due = [Postponed(tuple(message.id for message in messages), 0.0, counted=False)] if messages else []
    return [*(task.model_copy(update={"status": TaskStatus.ready}) for task in blocked), *messages, *due]


async def _obey(ctx: Context, project: Project, message: AgentMessage) -> Project:
    """Do what a comment commands, and say what can't be done."""
    found = load(message.payload["commands"])
    answers = [one.problem for one in found if isinstance(one, Misread)]
    for one in found:
        if isinstance(one, Asked):
            project, answer = await _do(ctx, project, one, str(message.payload["by"]))
            answers += [answer] if answer else []
    understood = any(isinstance(one, Asked) for one in found)
    comment, number = int(message.payload["comment"]), int(message.payload["number"])
    await ctx.forge.react(number, UNDERSTOOD if understood else NOT_UNDERSTOOD, comment)
    if answers:
        await ctx.comment_once(project, "answer", str(comment), "\n\n".join(answers))
    return project


async def _do(ctx: Context, project: Project, asked: Asked, by: str) -> tuple[Project, str | None]:
    """Obey one command; return the project as it is then, and what has to be said."""
    paused = project.status is ProjectStatus.paused
    match asked.name:
        case Name.approve:
            return project, None  # the graph looks for it where it waits for it
        case Name.pause if paused:
            said = _by_person(by)  # no day ends this one
            return await ctx.move(project, project.phase, pause=Pause(by=by), reason=said), None
        case Name.pause:
            return await pause(ctx, project, Pause(by=by)), None
        case Name.resume:
            return await resume(ctx, project) if paused else project, None
        case Name.budget:
            return await _set_budget(ctx, project, float(asked.argument))
        case _:
            assert_never(asked.name)


async def _set_budget(ctx: Context, project: Project, usd: float) -> tuple[Project, str | None]:
    """Set the project's cap as far as the operator allows; where that is what it waited for, it goes on."""
    allowed = min(usd, ctx.policy.most_budget_usd)
    answer = render.most_budget(allowed) if allowed < usd else None
    refusal = project.pause.refusal if project.pause else None
    changes = {"budget_usd": allowed, "budget_set": True}
    if refusal is None or refusal.cap is not Cap.project:
        return await ctx.move(project, project.phase, **changes), answer
    if allowed >= refusal.least:
        return await resume(ctx, project, **changes), answer
    project = await ctx.move(project, project.phase, **changes)
    return project, "\n\n".join(filter(None, [answer, render.too_little(refusal)]))


def _by_person(login: str | None) -> str:
    return f"{render.person(login)} paused it."


def _message(ctx: Context, project: Project, name: str, event: str) -> AgentMessage:
    return AgentMessage(
        id=uuid5(project.id, name),
        sender=AgentRole.maestro,
        recipient=AgentRole.maestro,
        message_type=MessageType.CONTEXT,
        payload={"project": str(project.id), "event": event},
        timestamp=ctx.clock(),
        correlation_id=project.id,
    )
