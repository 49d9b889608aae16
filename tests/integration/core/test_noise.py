"""How much the app says on an issue: one comment, edited now and then, and another only when a person must act."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.domain.project import ProjectStatus
from tests.integration.core.world import World
from workers.maestro.context import Policy

EVERY = 5.0  # seconds


@pytest.fixture
def calm(world: World) -> World:
    """A world in which a progress comment is edited every 5 s at most, with the moments at which it was written."""
    world.policy = Policy(show_every=EVERY)
    world.configure("merge: auto\n")
    return world


def watch(world: World) -> list[datetime]:
    """Note when the app says something."""
    moments, comment, edit = list[datetime](), world.forge.comment, world.forge.edit_comment

    async def commented(number: int, body: str) -> int:
        moments.append(world.clock.now)
        return await comment(number, body)

    async def edited(identity: int, body: str) -> None:
        moments.append(world.clock.now)
        await edit(identity, body)

    world.forge.comment, world.forge.edit_comment = commented, edited  # type: ignore[method-assign]
    return moments


async def rest(world: World) -> None:
    """Let time pass until all that was put off is done."""
    while await world.pending():
        assert await world.pool.fetchval("SELECT count(*) FROM leases WHERE expires_at > now()") == 0
        assert await world.pool.fetchval(WAITING) <= 1, "one message at a time"
        world.clock.now += timedelta(seconds=EVERY)
        await world.later()


WAITING = "SELECT count(*) FROM agent_messages WHERE handled_at IS NULL AND payload ->> 'event' = 'show'"


async def test_a_calm_run_is_one_comment_edited_every_5_s_at_most_and_its_end_is_told(calm: World):
    moments = watch(calm)
    await calm.start()
    assert calm.labels == {"aurora", "aurora: done"}, "labels don't wait"
    await rest(calm)
    said = [one.body for _, one in calm.forge.said]
    assert len(said) == 1
    assert "### Merged in" in said[0]
    assert len(moments) >= 2
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) >= timedelta(seconds=EVERY)
    assert (await calm.project()).status is ProjectStatus.merged


async def test_the_last_state_is_shown_though_its_worker_died_before_it_could_be(calm: World):
    """The comment was written, and the process died before that was noted; then time passes."""
    calm.dies_after = 1
    await calm.label()
    await calm.until_settled()
    calm.clock.now += timedelta(seconds=EVERY)
    await rest(calm)
    assert ["### Merged in" in body for body in calm.comments("progress")] == [True]


async def test_nothing_is_written_while_nothing_changes(calm: World):
    """Whatever happens around it, and however much time passes."""
    calm.configure("merge: never\n")
    await calm.start()
    await rest(calm)
    moments = watch(calm)
    for _ in range(3):
        calm.clock.now += timedelta(minutes=1)
        await calm.tell("looked_at")
        await calm.run()
        await rest(calm)
    assert moments == []


async def test_a_comment_that_waits_is_edited_once_for_all_that_happened_meanwhile(calm: World):
    calm.configure("merge: never\n")
    await calm.start()
    await rest(calm)
    calm.clock.now += timedelta(minutes=1)
    moments = watch(calm)
    project = await calm.project()
    for reason in ("One.", "Two.", "Three."):
        await calm.pool.execute("UPDATE projects SET reason = $2 WHERE id = $1", project.id, reason)
        await calm.tell("show")
        await calm.run()
    assert len(moments) == 3, "each of these was due"
    calm.forge.issues[1] = replace(calm.forge.issues[1], state="closed")
    await calm.tell("cancelled", why="The issue was closed.")
    await calm.run()
    await rest(calm)
    assert len(moments) == 4
    assert "### Cancelled" in calm.comments("progress")[0]
