"""Every cell of the table, carried out on real rows: next phase, effects and wording are those that it names."""

import itertools
from typing import Any
from uuid import uuid4

import pytest

from app.domain.commands import Asked, Name, dump
from app.domain.conversation import Effect, Event, Happening, Stage, cell, stage
from app.domain.messages import AgentMessage, notice
from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef
from app.domain.task import TaskStatus
from app.storage import rows
from app.storage.pool import sql
from app.storage.records import send
from tests.fakes import MAIN, FakePull
from tests.integration.core.world import ISSUE, World
from workers.maestro.steer import steer

STANDS: dict[Stage, tuple[ProjectStatus, Phase]] = {
    Stage.reading: (ProjectStatus.parsing, Phase.parse),
    Stage.asking: (ProjectStatus.waiting, Phase.parse),
    Stage.planning: (ProjectStatus.planning, Phase.plan),
    Stage.approving: (ProjectStatus.waiting, Phase.approve),
    Stage.building: (ProjectStatus.building, Phase.dispatch),
    Stage.verifying: (ProjectStatus.verifying, Phase.verify),
    Stage.changing: (ProjectStatus.building, Phase.dispatch),
    Stage.open: (ProjectStatus.open, Phase.deliver),
    Stage.paused: (ProjectStatus.paused, Phase.dispatch),
    Stage.merged: (ProjectStatus.merged, Phase.done),
    Stage.escalated: (ProjectStatus.escalated, Phase.done),
    Stage.cancelled: (ProjectStatus.cancelled, Phase.done),
}
PULL = 2
DECIDES = {  # effects that say themselves where the project goes on; None: it stays where it is
    Effect.replan: {Phase.parse},
    Effect.reread: {Phase.parse, None},
    Effect.retry: {Phase.dispatch, Phase.integrate, Phase.parse, None},
    Effect.reopen: {Phase.deliver},
    Effect.settle_if_merged: {Phase.settle, None},
    Effect.update: {Phase.verify, None},
    Effect.follow_up: {Phase.dispatch},
    Effect.follow_check: {Phase.dispatch, None},
    Effect.reformat: {Phase.verify, None},
}
COMMENTS = itertools.count(1000)
ARGUMENTS = {Name.budget: "3", Name.revise: "leave it", Name.fix: "also this"}


async def put(world: World, at: Stage) -> Project:
    """Have the project stand in a stage, with what it has by then."""
    status, phase = STANDS[at]
    late = at in {Stage.verifying, Stage.changing, Stage.open, Stage.merged, Stage.escalated, Stage.cancelled}
    shown = late and at is not Stage.verifying
    head = world.git.remote.setdefault("aurora/1.1", world.git.commit({"one.py": "X = 1\n"}, [world.git.remote[MAIN]]))
    world.forge.pulls[PULL] = FakePull(PULL, "T", "", "aurora/1.1", MAIN, head, merged=at is Stage.merged)
    project = (await world.project()).model_copy(update={
        "status": status, "phase": phase, "base_branch": MAIN, "base_sha": world.git.remote[MAIN], "plans": 1,
        "head_sha": head if late else None, "onto": None, "reason": None, "pause": None, "muted": False,
        "pull_request": PullRequestRef(number=PULL, url="u", head_sha=head) if shown else None,
        "plan_comment": 50, "approved": None, "merge_asked": None, "guidance": (),
    })  # fmt: skip
    await world.pool.execute(sql("projects.save"), *rows.project_parameters(project))
    task = TaskStatus.failed if at is Stage.escalated else TaskStatus.completed if late else TaskStatus.running
    await world.pool.execute(
        "UPDATE tasks SET status = $1, superseded = false, started_at = now(), concerns = '[]'", task
    )
    await world.pool.execute("DELETE FROM tasks WHERE key LIKE 'f%'")
    return await world.project()


def told(world: World, event: Event) -> AgentMessage:
    """Return the message that tells of an event."""
    payload: dict[str, Any] = {"event": event, "by": "ann", "digest": "d", "head": world.git.remote["aurora/1.1"]}
    if isinstance(event, Name):
        payload |= {"event": "said", "commands": dump([Asked(event, ARGUMENTS.get(event, ""))])}
        payload |= {"comment": next(COMMENTS), "number": ISSUE}
    if event is Happening.ticked:
        payload["comment"] = 50
    if event is Happening.blocked:
        payload |= {"pauses": 0, "refusal": None}
    if event in {Happening.action_format, Happening.action_retry, Happening.rerun}:
        payload |= {"check": "aurora / lint", "run": 9, "guid": "g"}
    return notice(uuid4(), world.project_id, world.clock(), **payload)


@pytest.mark.parametrize("event", [*Name, *Happening])
async def test_an_event_does_in_every_stage_what_its_row_says(world: World, event: Event):
    """Twice, since a worker may die after it: the second time nothing changes and nothing is said."""
    world.times = 1
    await world.label()
    await world.run(tasks=False)  # what tasks come to, `put` says
    for at in Stage:
        before = await put(world, at)
        assert stage(before) is at
        comments = len(world.comments("answer"))
        message, does = told(world, event), cell(event, at)
        await steered(world, message)
        after, said = await world.project(), world.comments("answer")[comments:]
        allowed = {does.next} if does.next else {None}
        for effect in does.effects:
            allowed = DECIDES.get(effect, allowed) if not does.next else allowed | {None}
        assert (after.phase if after.phase is not before.phase else None) in allowed | (
            {None} if before.phase in allowed else set()
        ), (at, before.phase, after.phase)
        if does.words and Effect.ask not in does.effects:
            assert len(said) == 1, at
            assert "{" not in said[0]
            assert "#?" not in said[0]
        elif not does.effects:
            assert not said, at
        if not does.effects and not does.next:
            assert lasting(after) == lasting(before), at
        visible = world.visible()
        await steered(world, message)
        assert await world.project() == after, at
        assert world.visible() == visible, at


def lasting(project: Project) -> Project:
    """Return the project without what intake and every event may change."""
    return project.model_copy(update={"held": False, "finished_at": None})


async def steered(world: World, message: AgentMessage) -> None:
    """Tell the project of one message, and let nothing else happen."""
    async with world.pool.acquire() as connection:
        await send(connection, message)
    async with world.leases.hold(world.project_id, "project") as lease:
        assert lease
        context = world.maestro(lease, world.records(lease, world.project_id), await world.project())
        await steer(context, [message])
        await context.flush()
        await context.close()
