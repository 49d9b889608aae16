"""Carry out what the table of `app.domain.conversation` says to the events that a project is told of."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.domain.commands import Asked, Misread, Name, load
from app.domain.conversation import Effect, Event, Happening, Stage, cell, questions, stage
from app.domain.messages import AgentMessage
from app.domain.ports import Obeyed
from app.domain.project import Phase, Project, ProjectStatus
from app.github import answers
from app.github.render import person
from workers.maestro import anew, pause, settle, wishes
from workers.maestro.change import Change, Told
from workers.maestro.context import Context, consistent

Act = Callable[[Context, Project, Told], Awaitable[Change]]


async def approve(_: Context, project: Project, told: Told) -> Change:
    """Note that the plan is approved, if it is the one that the person has seen."""
    if told.event is Happening.ticked and told.comment != project.plan_comment:
        return Change(project)
    if told.comment < (project.plan_comment or 0):
        return Change(project, (), answers.SEEN_BEFORE)
    return Change(project.model_copy(update={"approved": project.plans}))


async def ask(ctx: Context, project: Project, told: Told) -> Change:
    """Ask what is to become of an edit, once for each text of the issue."""
    await ctx.comment_once(project, "edited", str(told.payload.get("digest", "")), told.words)
    return Change(project)


async def nothing(_: Context, project: Project, __: Told) -> Change:
    """Do nothing here: whoever heard it has answered."""
    return Change(project)


ACTS: Mapping[Effect, Act] = {
    Effect.answer: nothing,
    Effect.approve: approve,
    Effect.replan: anew.replan,
    Effect.reread: anew.reread,
    Effect.mute: pause.mute,
    Effect.unmute: pause.unmute,
    Effect.pause: pause.by_person,
    Effect.pause_at_cap: pause.at_cap,
    Effect.resume: pause.resume,
    Effect.resume_at_midnight: pause.at_midnight,
    Effect.set_budget: pause.set_budget,
    Effect.retry: anew.retry,
    Effect.follow_up: wishes.change_too,
    Effect.follow_check: wishes.follow_check,
    Effect.ask_merge: wishes.ask_merge,
    Effect.update: wishes.update,
    Effect.reformat: wishes.reformat,
    Effect.recheck: wishes.recheck,
    Effect.revert: wishes.revert,
    Effect.settle_if_merged: settle.end_as_merged,
    Effect.reopen: anew.reopen,
    Effect.ask: ask,
}


async def steer(ctx: Context, messages: Sequence[AgentMessage]) -> Project:
    """Obey the messages in their order, each once; return the project as it is then."""
    project = await ctx.records.project()
    obeyed = await ctx.records.obeyed([message.id for message in messages])
    for message in messages:
        if message.id in obeyed:
            answer = obeyed[message.id]
        else:
            ctx.obeying = message.id
            change = await _obey(ctx, project, message)
            ctx.obeying = None
            answer = change.answer
            if change != Change(project):
                await ctx.records.write(consistent(change.project), *change.facts, Obeyed(message.id, answer))
                project = await ctx.records.project()
        if answer:
            comment, number = str(message.payload["comment"]), int(message.payload["number"])
            await ctx.comment_once(project, "answer", _occurrence(message, comment), answer, number)
    return project


def _occurrence(message: AgentMessage, comment: str) -> str:
    """Name the answer to a comment, and to each time that it was edited."""
    edit = message.payload.get("edit")
    return f"{comment}.{edit}" if edit else comment


async def _obey(ctx: Context, project: Project, message: AgentMessage) -> Change:
    change = Change(project)
    for told in _told(message):
        if isinstance(told, Misread):
            change = change.then(Change(change.project, (), told.problem))
        else:
            change = change.then(await obey(ctx, change.project, *told, message.payload))
    return change


def _told(message: AgentMessage) -> list[tuple[Event, str] | Misread]:
    """Return the events that a message tells of, with their arguments."""
    payload = message.payload
    if payload.get("commands"):
        found = load(payload["commands"])
        asked = [one for one in found if not (isinstance(one, Asked) and one.name in questions())]
        return [one if isinstance(one, Misread) else (one.name, one.argument) for one in _together(asked)]
    return [(Happening(payload.get("event", Happening.reported)), "")]


def _together(asked: Sequence[Asked | Misread]) -> list[Asked | Misread]:
    """Return what is asked for, with the wishes of one comment as one: they become one follow-up."""
    wishes = [one for one in asked if isinstance(one, Asked) and one.name is Name.fix]
    if len(wishes) < 2:
        return list(asked)
    first = asked.index(wishes[0])
    whole = replace(wishes[0], argument="\n\n".join(dict.fromkeys(wish.argument for wish in wishes)))
    return [*asked[:first], whole, *(one for one in asked[first + 1 :] if one not in wishes)]


async def obey(ctx: Context, project: Project, event: Event, argument: str, payload: dict[str, Any]) -> Change:
    """Return what one event does to the project, by the table."""
    at = Stage.cancelled if project.phase is Phase.cancel else stage(project)
    does = cell(event, at)
    words = answers.spoken(does.words, project, ctx.policy.label)
    change = Change(project, (), "" if Effect.ask in does.effects else words)
    for effect in does.effects:
        told = Told(event, at, payload.get("by"), argument, payload, words)
        change = change.then(await ACTS[effect](ctx, change.project, told))
    if does.next is not None and not change.answer:
        reason = {"reason": _why(event, payload)} if does.next is Phase.cancel else {}
        change = change.then(Change(change.project.model_copy(update={"phase": does.next, **reason})))
    return change


def _why(event: Event, payload: dict[str, Any]) -> str:
    """Say why a run is cancelled."""
    if event is Name.cancel:
        return f"{person(payload.get('by'))} cancelled it."
    return str(payload.get("why", "It was cancelled."))


def goes_on(project: Project) -> bool:
    """Tell whether the graph is to run: nothing holds the project, or what is to be done is to end it."""
    return project.status is not ProjectStatus.paused or project.phase is Phase.cancel
