"""The two jobs: they move only what a message says, only under the lease, and what fails is told as what it is."""

import asyncio
import errno

import pytest

from app.domain.ports import Step
from app.domain.project import ProjectStatus
from app.errors import DiskFull, GitError, ModelError, ModelUnavailable, SandboxUnavailable, Transient
from tests.fakes import Deed
from tests.integration.core.world import World, plan, planned

SECRET = "ghp_" + "a1B2" * 9


def raises(*errors: Exception | None) -> Deed:
    """Return the deed of raising one after the other, then doing the work."""
    left = list(errors)

    def deed(_: object, __: object, tree) -> None:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        tree.files["one.py"] = "X = 1\n"

    return deed


async def dispatched(world: World):
    """Bring the project so far that its only task is ready; return that."""
    world.configure("merge: auto\n")
    world.times = 1
    await world.label()
    await world.run(tasks=False)
    return (await world.tasks())["one"]


async def test_without_a_message_nothing_moves(world: World):
    """A ring alone is no reason: the message is what counts."""
    await world.label()
    world.rings.clear()
    world.tampered = True
    await world.pool.execute("UPDATE agent_messages SET handled_at = now()")
    await world.jobs.advance(world.project_id)
    assert (await world.project()).status is ProjectStatus.parsing
    assert world.forge.calls == {}


async def test_a_task_without_its_message_isn_t_begun(world: World):
    """It was taken back."""
    task = await dispatched(world)
    await world.pool.execute("UPDATE agent_messages SET handled_at = now() WHERE message_type = 'TASK'")
    await world.jobs.run_task(task.id)
    assert world.agents == {}
    assert (await world.tasks())["one"].status == "ready"


async def test_what_another_worker_holds_is_left_alone(world: World):
    """Both jobs return at once."""
    task = await dispatched(world)
    await world.tell("looked_at")
    async with world.leases.hold(task.id), world.leases.hold(world.project_id):
        await world.jobs.run_task(task.id)
        await world.jobs.advance(world.project_id)
        assert world.agents == {}
        assert await world.pending() == 2
    assert (await world.until_settled()).status is ProjectStatus.merged


async def test_a_task_of_a_project_that_ended_isn_t_begun(world: World):
    """Its message is put away."""
    task = await dispatched(world)
    world.tampered = True
    await world.pool.execute("UPDATE projects SET status = 'cancelled', phase = 'done'")
    await world.jobs.run_task(task.id)
    assert world.agents == {}
    assert await world.pending() == 0


async def test_what_passes_is_tried_again_from_the_last_saved_point(world: World):
    """With a wait between, and without losing an attempt."""
    world.deeds["Do one"] = raises(Transient("The model is overloaded."), GitError("fatal: early EOF"))
    task = await dispatched(world)
    await world.jobs.run_task(task.id)
    assert (await world.tasks())["one"].status == "running"
    assert await world.pool.fetchval("SELECT count(*) FROM agent_messages WHERE due_at > now()") == 1
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert (await world.tasks())["one"].attempts == 1
    assert [(kind, text) for kind, text, _ in await world.errors()] == [
        ("github", "The model is overloaded."),
        ("git", "fatal: early EOF"),
    ]


async def test_a_full_disk_is_waited_for_as_long_as_a_store(world: World):
    """More often than git's other complaints are tried again; then the work goes on where it was."""
    full = DiskFull("git add failed: No space left on device.")
    world.deeds["Do one"] = raises(*[full, OSError(errno.ENOSPC, "No space left on device")] * 4)
    await dispatched(world)
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert [kind for kind, *_ in await world.errors()] == ["storage"] * 8
    assert (await world.tasks())["one"].attempts == 1


async def test_a_model_that_stays_away_fails_the_task_after_one_more_try(world: World):
    """Each try has waited already; the person is told the reason, once."""
    world.deeds["Do one"] = raises(*[ModelUnavailable("The model is overloaded.")] * 9)
    await dispatched(world)
    assert (await world.until_settled()).status is ProjectStatus.escalated
    assert len(await world.errors()) == 2
    assert "The model is overloaded." in world.comments("escalation")[0]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelError("The provider refused the key for m (401): check OPENAI_API_KEY."), "model"),
        (SandboxUnavailable("No sandbox works here: tried bubblewrap."), "sandbox"),
    ],
)
async def test_what_a_person_must_change_is_told_at_once_in_its_own_words(world: World, error: Exception, kind: str):
    """No retry, no trace, one comment."""
    world.deeds["Do one"] = raises(error)
    await dispatched(world)
    assert (await world.until_settled()).status is ProjectStatus.escalated
    ((found, message, _),) = await world.errors()
    assert (found, message) == (kind, str(error))
    (said,) = world.comments("escalation")
    assert str(error) in said
    assert "Traceback" not in said


async def test_a_defect_in_a_task_shows_no_inside_and_keeps_a_trace_without_secrets(world: World):
    """For the operator, not for the issue."""
    world.deeds["Do one"] = raises(KeyError(SECRET))
    await dispatched(world)
    assert (await world.until_settled()).status is ProjectStatus.escalated
    every = "\n".join(one.body for _, one in world.forge.said)
    assert "internal error" in every
    assert SECRET not in every
    assert "Traceback" not in every
    ((kind, message, trace),) = await world.errors()
    assert kind == "internal"
    assert SECRET not in message + trace
    assert "Traceback" in trace


async def test_a_cancelled_task_stops_at_its_next_write_and_leaves_nothing(world: World):
    """The issue is closed while the agent works: nothing is pushed, no row is written."""
    task = await dispatched(world)
    begun, go_on = asyncio.Event(), asyncio.Event()
    build = world.build

    async def slow(*arguments) -> None:
        begun.set()
        await go_on.wait()
        await build(*arguments)

    world.build = slow  # type: ignore[method-assign]
    working = asyncio.create_task(world.jobs.run_task(task.id))
    await begun.wait()
    await world.tell("cancelled", why="The issue was closed.")
    await world.jobs.advance(world.project_id)
    go_on.set()
    await working
    assert (await world.project()).status is ProjectStatus.cancelled
    assert (await world.tasks())["one"].status == "cancelled"
    assert world.branches == {"main"}
    assert world.forge.checks == []
    await world.until_settled()


async def test_a_message_that_comes_while_the_job_lets_go_is_rung_for(world: World):
    """Its own ring found the lease taken, so the holder rings again."""
    world.thinker.answers[Step.parse] = {"questions": ["Which?"]}
    await world.start()
    await world.say("ann", "That one.")
    world.rings.clear()
    world.thinker.answers[Step.parse] = Transient("later")
    await world.jobs.advance(world.project_id)
    await world.pool.execute("UPDATE agent_messages SET due_at = now() - interval '1 second' WHERE handled_at IS NULL")
    await world.jobs.advance(world.project_id)
    assert await world.pending() == 1
    world.thinker.answers[Step.parse] = {"questions": ["Really?"]}
    await world.until_settled()
    assert len(world.comments("questions")) == 2


async def test_a_lost_ring_never_undoes_work_that_is_written_down(world: World):
    """Redis is away when the task's end is announced: the end stands, and Maestro is rung for later."""
    from redis.exceptions import ConnectionError as RedisConnectionError

    task = await dispatched(world)
    ring = world.ring

    async def away(_: object) -> None:
        raise RedisConnectionError("Connection refused.")

    world.ring = away  # type: ignore[method-assign]
    await world.jobs.run_task(task.id)
    world.ring = ring  # type: ignore[method-assign]
    assert (await world.tasks())["one"].status == "completed"
    assert (await world.until_settled()).status is ProjectStatus.merged


async def test_without_redis_maestro_s_moves_stand_too(world: World):
    """Whatever was dispatched is found by the reconciler."""
    from redis.exceptions import ConnectionError as RedisConnectionError

    world.configure("merge: auto\n")
    world.thinker.answers[Step.plan] = plan(planned("a", "a.py"), planned("b", "b.py"))
    world.times = 1
    await world.label()
    ring = world.ring

    async def away(_: object) -> None:
        raise RedisConnectionError("Connection refused.")

    world.ring = away  # type: ignore[method-assign]
    for subject, _ in list(world.rings):
        await world.jobs.advance(subject)
    world.ring = ring  # type: ignore[method-assign]
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert world.comments("escalation") == []


async def test_two_workers_on_one_project_do_its_work_once(world: World):
    """Eight jobs at the same time, for the project and its task."""
    task = await dispatched(world)
    await world.tell("looked_at")
    jobs = [world.jobs.run_task(task.id) for _ in range(4)] + [world.jobs.advance(world.project_id) for _ in range(4)]
    await asyncio.gather(*jobs)
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert len(world.agents["Do one"].visits) == 1
