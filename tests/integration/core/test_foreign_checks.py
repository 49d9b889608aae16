"""Other apps' checks of the pull request's head are awaited, read, and mended within bounds."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from app.domain.checks import Finding
from app.domain.messages import AgentMessage
from app.domain.ports import CheckSuite, ForeignCheck, Merge, MergeOutcome, Postponed
from app.domain.project import Project, ProjectStatus
from app.domain.repository_settings import MergePolicy
from tests.fakes import MAIN, START, write
from tests.integration.core.world import World
from workers.maestro import foreign
from workers.maestro.context import Context, Policy

AUTO = Policy(merge=MergePolicy.auto)
BROKEN = ForeignCheck(
    id=7, name="build", app="ci", conclusion="failure", title="1 error", summary="It doesn't compile.\x00\u202e",
    annotations=(Finding(path="one.py", line=3, message="no such name"),),
)  # fmt: skip
GREEN = ForeignCheck(id=8, name="build", app="ci", conclusion="success")
RUNNING = ForeignCheck(id=9, name="build", app="ci", conclusion=None)
MENDING = "The check build (ci) failed: 1 error"


def queued(app: str = "ci") -> CheckSuite:
    """Return the suite of an app that has begun nothing."""
    return CheckSuite(app, own=False, running=True, runs=0, created_at=START)


async def told(world: World) -> Project:
    """Tell that another app's checks have ended."""
    await world.tell("checks_completed")
    await world.run()
    return await world.project()


async def begin(world: World, *checks: ForeignCheck, base: tuple[ForeignCheck, ...] = ()) -> Project:
    """Run until the pull request is open, merged by itself unless a check keeps it; other apps say these things."""
    world.policy = AUTO
    world.forge.foreign = list(checks)
    world.forge.foreign_of[world.git.remote[MAIN]] = list(base)
    return await world.start()


async def test_a_failing_check_is_mended_by_a_follow_up_and_then_merged(world: World):
    """The agent is told what the check says and where; with a green check on the new head it is merged."""

    def mend(*arguments: Any) -> None:
        world.forge.foreign = [GREEN]
        write({"one.py": "X = 2\n"})(*arguments)

    world.deeds[MENDING] = mend
    project = await begin(world, BROKEN)
    assert project.status is ProjectStatus.merged
    assert project.check_fixes == 1
    (concern,) = (await world.tasks())[MENDING].concerns
    assert (concern.key, concern.author, concern.path, concern.line) == ("check.7", "ci", "one.py", 3)
    assert concern.text == (
        "The check build (ci) failed: 1 error\nIt doesn't compile.\n- one.py:3: no such name"
    )  # fmt: skip
    assert world.main["one.py"] == "X = 2\n"


async def test_a_check_that_keeps_failing_goes_to_a_person(world: World):
    """It is tried twice; then the pull request stays open and says which check fails."""
    visits = 0

    def fail_again(*arguments: Any) -> None:
        nonlocal visits
        visits += 1
        world.forge.foreign = [replace(BROKEN, id=10 + visits)]
        write({"one.py": f"X = {visits + 1}\n"})(*arguments)

    world.deeds[MENDING] = fail_again
    project = await begin(world, BROKEN)
    assert project.status is ProjectStatus.open
    assert project.reason == "It isn't merged by itself before `build` passes."
    assert (visits, project.check_fixes) == (foreign.MOST_FIXES, foreign.MOST_FIXES)


async def test_several_failing_checks_are_one_follow_up_once_all_have_ended(world: World):
    """While the same app still runs something, nothing is begun; what a person has to do isn't an agent's work."""
    others = [replace(BROKEN, id=20, name="docs"), replace(BROKEN, id=21, name="licence", conclusion="action_required")]
    project = await begin(world, BROKEN, *others, replace(RUNNING, name="slow"))
    assert project.status is ProjectStatus.open
    assert len(await world.tasks()) == 1
    world.forge.foreign = [BROKEN, *others, replace(GREEN, name="slow")]
    world.deeds["Address 2 remarks"] = write({"one.py": "X = 3\n"})
    project = await told(world)
    assert [one.key for one in (await world.tasks())["Address 2 remarks"].concerns] == ["check.7", "check.20"]
    assert project.status is ProjectStatus.open
    assert "`licence`" in (project.reason or "")


async def test_a_check_that_failed_before_the_change_is_noted_and_not_mended(world: World):
    """The pull request says so, and is merged."""
    project = await begin(world, BROKEN, base=(replace(BROKEN, id=1),))
    assert project.status is ProjectStatus.merged
    assert len(await world.tasks()) == 1
    (pull,) = world.forge.pulls.values()
    assert "The check `build` failed before this change too" in pull.body


async def test_a_cancelled_check_proves_nothing(world: World):
    """No agent works on it, and it isn't merged by itself."""
    project = await begin(world, replace(BROKEN, conclusion="cancelled"))
    assert project.status is ProjectStatus.open
    assert len(await world.tasks()) == 1
    assert "before `build` passes" in (project.reason or "")


async def test_running_checks_are_awaited(world: World):
    """It is merged as soon as they are green."""
    project = await begin(world, RUNNING)
    assert project.status is ProjectStatus.open
    assert project.reason == "It is merged as soon as `build` has passed."
    world.forge.foreign = [GREEN]
    assert (await told(world)).status is ProjectStatus.merged


async def test_what_waits_for_a_person_is_not_awaited(world: World):
    """A deployment that somebody has to allow doesn't keep it from being merged."""
    assert (await begin(world, replace(RUNNING, waiting=True))).status is ProjectStatus.merged


@pytest.mark.parametrize(
    ("suites", "minutes"),
    [([], 3), ([queued()], 31)],
    ids=["nothing there yet", "a suite without runs"],
)
async def test_nothing_there_just_after_a_push_is_not_green(world: World, suites: list[CheckSuite], minutes: int):
    """An app that checked the base is awaited for a while; then Maestro looks by itself, and it is merged."""
    world.forge.suites = suites
    project = await begin(world, base=(GREEN,))
    assert project.status is ProjectStatus.open
    assert project.reason == "It is merged as soon as `ci` has passed."
    assert await world.pending() == 1
    assert (await world.later()).status is ProjectStatus.open
    world.clock.now += timedelta(minutes=minutes)
    await told(world)
    assert (await world.later()).status is ProjectStatus.merged


async def test_an_app_that_never_checked_the_base_is_not_awaited(world: World):
    """GitHub makes suites for apps that never say anything."""
    world.forge.suites = [queued("mute")]
    assert (await begin(world)).status is ProjectStatus.merged


async def test_workflows_are_expected_to_run(world: World):
    """Their suites appear some seconds after the push only."""
    base = world.git.remote[MAIN]
    files = {**world.git.commits[base].files, ".github/workflows/ci.yml": "on: push\n"}
    world.git.remote[MAIN] = world.git.commit(files, [base], "Add a workflow")
    project = await begin(world)
    assert project.reason == "It is merged as soon as `github-actions` has passed."
    world.forge.suites = [CheckSuite("github-actions", own=False, running=True, runs=1, created_at=START)]
    world.clock.now += timedelta(minutes=5)
    project = await told(world)
    assert project.status is ProjectStatus.open  # between two jobs nothing that is listed runs
    world.forge.suites = [replace(world.forge.suites[0], running=False)]
    assert (await told(world)).status is ProjectStatus.merged


async def test_a_merge_that_a_required_check_forbids_is_tried_again(world: World):
    """Commit statuses aren't announced, so Maestro looks by itself."""
    refused = Merge(MergeOutcome.refused, reason='Required status check "ci/old" is expected.')
    world.forge.outcomes = [refused]
    project = await begin(world)
    assert project.status is ProjectStatus.open
    assert "is expected" in (project.reason or "")
    assert (await world.later()).status is ProjectStatus.merged


async def test_other_refusals_wait_for_people(world: World):
    """Nothing looks again by itself."""
    world.forge.outcomes = [Merge(MergeOutcome.refused, reason="At least 1 approving review is required")] * 9
    assert (await begin(world)).status is ProjectStatus.open
    assert await world.pending() == 0
    await world.later()


def looks(seconds: float, project: Project) -> tuple[UUID, float] | None:
    """Return id and delay of the next look at a commit of this age."""
    context = cast("Context", SimpleNamespace(clock=lambda: START + timedelta(seconds=seconds)))
    facts = foreign.look_again(context, project, START)
    if not facts:
        return None
    message, postponed = facts
    assert isinstance(message, AgentMessage)
    assert isinstance(postponed, Postponed)
    return message.id, postponed.seconds


async def test_looks_grow_rarer_and_each_is_one_message(world: World):
    """From a minute to an hour, for two weeks."""
    project = await begin(world, RUNNING)
    age, ages = 0.0, []
    for _ in range(10):
        found = looks(age, project)
        assert found
        assert looks(age + 1, project) == (found[0], pytest.approx(found[1] - 1))
        ages.append(round(found[1] + age - foreign.MARGIN))
        age += found[1]
    assert ages == [60, 120, 240, 480, 960, 1920, 3840, 7440, 11040, 14640]
    assert looks(15 * 24 * 3600.0, project) is None
