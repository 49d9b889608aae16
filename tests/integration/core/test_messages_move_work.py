"""Messages are how work moves: one that is gone stops it, whatever else the tables say."""

from collections.abc import Awaitable, Callable

import pytest

from app.domain.checks import Checkpoint
from app.domain.messages import MessageType
from app.domain.ports import Step
from app.domain.project import ProjectStatus
from app.domain.task import TaskStatus
from app.storage.board import Board
from tests.fakes import finds
from tests.integration.core.world import World, requirement


async def ring_for_everything(world: World) -> None:
    """Do every job that anything in the tables could be rung for."""
    for _ in range(3):
        for task in (await world.tasks()).values():
            await world.jobs.run_task(task.id)
        await world.jobs.advance(world.project_id)
        world.rings.clear()


async def remove(world: World, kind: MessageType) -> str:
    """Remove the one pending message of a kind; return its row as it was, to be put back."""
    (row,) = await world.pool.fetch(
        "WITH gone AS (DELETE FROM agent_messages WHERE message_type = $1 AND handled_at IS NULL RETURNING *) "
        "SELECT to_jsonb(gone) AS row FROM gone",
        kind,
    )
    return row["row"]


async def put_back(world: World, row: object) -> None:
    await world.pool.execute(
        "INSERT INTO agent_messages SELECT * FROM jsonb_populate_record(NULL::agent_messages, $1)", row
    )


async def given_out(world: World) -> None:
    """Maestro has given the task out, and nobody has begun it."""
    await world.label()
    await world.run(tasks=False)
    world.rings.clear()


async def built(world: World) -> None:
    """The task's agent is done, and Maestro hasn't heard of it."""
    await given_out(world)
    (task,) = (await world.tasks()).values()
    await world.jobs.run_task(task.id)


async def failed(world: World) -> None:
    """The task's agent has given up, and Maestro hasn't heard of it."""
    world.configure("merge: auto\nmax_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    await built(world)


async def labelled(world: World) -> None:
    """The issue has its label, and Maestro hasn't heard of it."""
    await world.label()


async def answered(world: World) -> None:
    """What the model needed to know was asked, and somebody has answered."""
    world.thinker.answers[Step.parse] = [{"questions": ["Which colour?"]}, requirement(1)]
    await world.start()
    await world.say("ann", "Blue, please.")


async def approved(world: World) -> None:
    """The plan was shown, and somebody has approved it."""
    world.configure("merge: auto\nplan_approval: always\n")
    await world.start()
    await world.say("ann", "/aurora approve")


async def ticked(world: World) -> None:
    """The same by the box in the plan."""
    world.configure("merge: auto\nplan_approval: always\n")
    project = await world.start()
    await world.tell("ticked", comment=project.plan_comment, by="ann")


@pytest.mark.parametrize(
    ("come_to", "kind", "of_project", "of_task", "goes_on"),
    [
        (given_out, MessageType.TASK, ProjectStatus.building, TaskStatus.ready, ProjectStatus.merged),
        (built, MessageType.RESULT, ProjectStatus.building, TaskStatus.completed, ProjectStatus.merged),
        (failed, MessageType.ERROR, ProjectStatus.building, TaskStatus.failed, ProjectStatus.escalated),
        (labelled, MessageType.CONTEXT, ProjectStatus.parsing, None, ProjectStatus.merged),
        (answered, MessageType.CONTEXT, ProjectStatus.waiting, None, ProjectStatus.merged),
        (approved, MessageType.CONTEXT, ProjectStatus.waiting, TaskStatus.pending, ProjectStatus.merged),
        (ticked, MessageType.CONTEXT, ProjectStatus.waiting, TaskStatus.pending, ProjectStatus.merged),
    ],
)
async def test_without_its_message_the_work_stops_and_with_it_it_goes_on(
    world: World,
    come_to: Callable[[World], Awaitable[None]],
    kind: MessageType,
    of_project: ProjectStatus,
    of_task: TaskStatus | None,
    goes_on: ProjectStatus,
):
    world.configure("merge: auto\n")
    world.times = 1
    await come_to(world)
    before = world.visible()
    gone = await remove(world, kind)
    await ring_for_everything(world)
    assert [task.status for task in (await world.tasks()).values()] == ([of_task] if of_task else [])
    assert (await world.project()).status is of_project
    assert world.visible() == before

    await put_back(world, gone)
    assert (await world.until_settled()).status is goes_on


def test_every_kind_of_message_is_tried():
    """One that is added has to move something too."""
    (tried,) = (m.args[1] for m in test_without_its_message_the_work_stops_and_with_it_it_goes_on.pytestmark)
    assert {kind for _, kind, *_ in tried} == set(MessageType)


async def test_the_conversation_of_a_project_can_be_read_in_order(world: World):
    """What Maestro and the agents said to each other, linked by the project."""
    world.configure("merge: auto\n")
    project = await world.start()
    view = await Board(world.pool).project(project.id)
    assert view is not None
    assert {message.correlation_id for message in view.messages} == {project.id}
    said = sorted(view.messages, key=lambda message: message.timestamp)
    kinds = [message.message_type for message in said]
    assert kinds.index(MessageType.TASK) < kinds.index(MessageType.RESULT)
    assert kinds[0] is MessageType.CONTEXT
    for message in said:
        assert (message.sender == "maestro") is (message.message_type in {MessageType.TASK, MessageType.CONTEXT})
