"""Messages are how work moves: one that is gone stops it, whatever else the tables say."""

import pytest

from app.domain.messages import MessageType
from app.domain.project import ProjectStatus
from app.domain.task import TaskStatus
from app.storage.board import Board
from tests.integration.core.world import World


async def ring_for_everything(world: World) -> None:
    """Do every job that anything in the tables could be rung for."""
    for _ in range(3):
        for task in (await world.tasks()).values():
            await world.jobs.run_task(task.id)
        await world.jobs.advance(world.project_id)
        world.rings.clear()


async def remove(world: World, kind: MessageType) -> str:
    """Remove the pending message of a kind; return its row as it was, to be put back."""
    row = await world.pool.fetchval(
        "WITH gone AS (DELETE FROM agent_messages WHERE message_type = $1 AND handled_at IS NULL RETURNING *) "
        "SELECT to_jsonb(gone) FROM gone",
        kind,
    )
    assert row is not None
    return row


async def put_back(world: World, row: object) -> None:
    await world.pool.execute(
        "INSERT INTO agent_messages SELECT * FROM jsonb_populate_record(NULL::agent_messages, $1)", row
    )


@pytest.mark.parametrize("kind", [MessageType.TASK, MessageType.RESULT])
async def test_without_its_message_the_work_stops_and_with_it_it_goes_on(world: World, kind: MessageType):
    world.configure("merge: auto\n")
    world.times = 1
    await world.label()
    await world.run(tasks=False)
    (task,) = (await world.tasks()).values()
    if kind is MessageType.RESULT:
        world.rings.clear()
        await world.jobs.run_task(task.id)
    stands = TaskStatus.ready if kind is MessageType.TASK else TaskStatus.completed
    gone = await remove(world, kind)
    await ring_for_everything(world)
    (task,) = (await world.tasks()).values()
    assert task.status is stands
    assert (await world.project()).status is ProjectStatus.building
    assert not world.forge.pulls

    await put_back(world, gone)
    assert (await world.until_settled()).status is ProjectStatus.merged


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
