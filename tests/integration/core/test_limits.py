"""A limit of GitHub's is waited for as long as it lasts: nobody is bothered, and no worker is held."""

from app.domain.ports import Step
from app.domain.project import ProjectStatus
from app.errors import RateLimited, Transient
from tests.integration.core.world import World, plan, planned

HOUR = 3600.0


def limit() -> RateLimited:
    return RateLimited("GitHub asks to slow down.", retry_after=HOUR)


async def due_in(world: World) -> float:
    seconds: float = await world.pool.fetchval(
        "SELECT extract(epoch FROM max(due_at) - now())::float8 FROM agent_messages WHERE handled_at IS NULL"
    )
    return seconds


async def test_maestro_waits_for_a_limit_longer_than_it_retries_failures(world: World):
    """Twelve hours of limits, each waited for, and then the failures that it may still have."""
    world.configure("merge: auto\n")
    failures = [Transient("GitHub can't be reached.")] * 7
    world.thinker.answers[Step.plan] = [*(limit() for _ in range(12)), *failures, plan(planned("one", "one.py"))]
    world.times = 1
    await world.label()
    await world.run()
    assert due_in_about_an_hour(await due_in(world))
    assert await world.pool.fetchval("SELECT count(*) FROM leases WHERE expires_at > now()") == 0
    for _ in range(11):
        assert (await world.later()).status is not ProjectStatus.escalated
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert world.comments("escalation") == []


async def test_a_task_waits_for_a_limit_and_then_goes_on(world: World):
    """Its round isn't over, and isn't begun anew."""
    world.configure("merge: auto\n")
    world.times = 1
    left = [limit() for _ in range(12)]

    def deed(_: object, __: object, tree) -> None:
        if left:
            raise left.pop()
        tree.files["one.py"] = "X = 1\n"

    world.deeds["Do one"] = deed
    await world.label()
    await world.run()
    assert due_in_about_an_hour(await due_in(world))
    for _ in range(12):
        await world.later()
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert (await world.tasks())["one"].round == 0
    assert left == []


def due_in_about_an_hour(seconds: float) -> bool:
    return HOUR - 60 < seconds <= HOUR + 60
