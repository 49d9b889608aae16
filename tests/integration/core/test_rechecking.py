"""Checks that are asked for once more run anew and are shown anew; the buttons beside failing ones do what they say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.domain.checks import REVIEW_CHECK, Checkpoint, CheckResult, Conclusion
from app.domain.ports import CheckRun, Step
from app.domain.project import ProjectStatus
from tests.fakes import IN_PROGRESS, MAIN, finds, named, passes, write
from tests.integration.core.world import Killed, World, plan, planned
from workers.maestro.context import Context
from workers.maestro.recheck import recheck
from workers.maestro.reformat import concern_of_check, reformat

TESTS = "aurora / tests"


@asynccontextmanager
async def maestro(world: World) -> AsyncIterator[Context]:
    """Be Maestro, holding the project."""
    async with world.leases.hold(world.project_id, "project") as lease:
        assert lease
        context = world.maestro(lease, world.records(lease, world.project_id), await world.project())
        try:
            yield context
        finally:
            await context.close()


async def again(world: World, name: str | None, head: str | None, occurrence: str = "m1") -> list[CheckRun]:
    """Ask for checks once more, by a message that is handled as often as jobs run; return the new check runs."""
    before = len(world.forge.checks)
    for _ in range(world.times):
        async with maestro(world) as context:
            await recheck(context, await world.project(), name, head, occurrence)
    return world.forge.checks[before:]


async def results(world: World) -> dict[Checkpoint, CheckResult]:
    """Return what the tables hold of the head."""
    async with maestro(world) as context:
        found = await context.records.checks((await world.project()).head_sha or "")
    return {result.checkpoint: result for result in found}


@pytest.fixture
async def opened(world: World) -> World:
    """A pull request that waits for people."""
    assert (await world.start()).status is ProjectStatus.open
    return world


async def test_one_check_is_run_anew_and_shown_beside_the_first(opened: World):
    """Its result replaces the earlier one in the tables and in the pull request's text."""
    head = (await opened.project()).head_sha
    opened.checkers.verdict = finds("X", Checkpoint.tests)
    (run,) = await again(opened, TESTS, head)
    assert (run.name, run.head_sha, run.conclusion) == (TESTS, head, "failure")
    assert opened.forge.calls["begin_check"] == 1
    assert opened.checkers.fresh == opened.times
    assert (await results(opened))[Checkpoint.tests].conclusion is Conclusion.failed
    assert "| `aurora / tests` | **failed** |" in opened.forge.pulls[2].body
    await opened.tell("looked_at")
    await opened.run()
    project = await opened.project()
    assert "A checkpoint failed" in (project.reason or "")


async def test_each_asking_shows_another_run(opened: World):
    """The same one handled twice shows one."""
    head = (await opened.project()).head_sha
    opened.checkers.verdict = finds("X", Checkpoint.tests)
    assert [run.conclusion for run in await again(opened, TESTS, head, "m1")] == ["failure"]
    opened.checkers.verdict = passes
    assert await again(opened, TESTS, head, "m1") == []
    assert [run.conclusion for run in await again(opened, TESTS, head, "m2")] == ["success"]


async def test_the_suite_is_all_four(opened: World):
    """The review isn't asked for again: that costs money."""
    runs = await again(opened, None, (await opened.project()).head_sha)
    assert named(runs) == ["aurora / lint", "aurora / syntax", TESTS, "aurora / types"]
    assert len(opened.thinker.prompts(Step.review)) == 1


async def test_without_a_commit_those_that_block_are_run(opened: World):
    """Or all of the head's, when none does."""
    assert len(await again(opened, None, None, "m1")) == 4
    opened.checkers.verdict = finds("X", Checkpoint.types, Conclusion.not_run)
    assert len(await again(opened, None, None, "m2")) == 4
    opened.checkers.verdict = passes
    assert named(await again(opened, None, None, "m3")) == ["aurora / types"]


@pytest.mark.parametrize(("name", "head"), [("aurora / settings", None), ("build", None), (TESTS, "0" * 40)])
async def test_what_is_unknown_is_nothing_to_do(opened: World, name: str, head: str | None):
    """Names of other checks, commits of others."""
    assert await again(opened, name, head or (await opened.project()).head_sha) == []


async def test_a_tasks_commit_is_judged_against_its_own_base(world: World):
    """The combination's results stay as they are."""
    world.thinker.answers[Step.plan] = plan(planned("one", "one.py"), planned("two", "two.py"))
    assert (await world.start()).status is ProjectStatus.open
    task = (await world.tasks())["two"]
    assert task.result
    world.checkers.verdict = finds("X", Checkpoint.lint)
    (run,) = await again(world, "aurora / lint", task.result.commit)
    assert (run.head_sha, run.conclusion) == (task.result.commit, "failure")
    assert (await results(world))[Checkpoint.lint].conclusion is Conclusion.passed
    held = await world.pool.fetchval(
        "SELECT task_id FROM test_results WHERE commit_sha = $1 AND conclusion = 'failed'", task.result.commit
    )
    assert held == task.id


async def test_a_review_is_asked_for_anew(opened: World):
    """Once for each asking, and shown as a run of its own."""
    remark = {"severity": "advice", "message": "Shorter names", "path": "one.py", "line": 1}
    opened.thinker.answers[Step.review] = {"approved": True, "findings": [remark]}
    (run,) = await again(opened, REVIEW_CHECK, (await opened.project()).head_sha)
    assert (run.name, run.title) == (REVIEW_CHECK, "1 remark")
    assert len(opened.thinker.prompts(Step.review)) == 2
    review = (await opened.project()).review
    assert review
    assert [finding.message for finding in review.findings] == ["Shorter names"]


@pytest.mark.parametrize("effects", [1, 2, 3])
async def test_a_worker_that_dies_shows_nothing_twice(opened: World, effects: int):
    """Whatever was shown is what the tables hold, and no run stays in progress."""
    head = (await opened.project()).head_sha
    opened.effects.clear()
    opened.dies_after = effects
    opened.checkers.verdict = finds("X", Checkpoint.tests)
    before = len(opened.forge.checks)
    for name in (TESTS, "aurora / lint"):
        try:
            await again(opened, name, head)
        except Killed:
            opened.dead = False
            opened.checkers.verdict = passes
            await again(opened, name, head)
    tests, lint = opened.forge.checks[before:]
    assert lint.conclusion == "success"
    assert tests.conclusion == {1: "success"}.get(effects, "failure")
    shown = {"failure": Conclusion.failed, "success": Conclusion.passed}
    assert (await results(opened))[Checkpoint.tests].conclusion is shown[tests.conclusion]
    assert IN_PROGRESS not in {run.conclusion for run in opened.forge.checks}


async def test_the_formatter_is_applied_on_top_of_the_head(world: World):
    """Where nothing is to be formatted, there is no commit."""
    world.deeds[""] = write({"one.py": "PLAIN = 1\n"})
    project = await world.start()
    async with maestro(world) as context:
        assert await reformat(context, project) is None
    ugly = world.git.commit({**world.git.commits[project.head_sha or ""].files, "one.py": "UGLY = 1\n"}, [MAIN])
    async with maestro(world) as context:
        changed = project.model_copy(update={"head_sha": ugly})
        made = await reformat(context, changed)
        assert made == await reformat(context, changed)
    assert made
    commit = world.git.commits[made]
    assert (commit.parents, commit.message) == ((ugly,), "Apply the formatter")
    assert commit.files["one.py"] == "PRETTY = 1\n"


async def test_what_a_failing_check_found_is_a_concern(opened: World):
    """Pressing the button twice is one; a check that passes is none."""
    head = (await opened.project()).head_sha or ""
    opened.checkers.verdict = finds("X", Checkpoint.tests)
    (run,) = await again(opened, TESTS, head)
    assert [action.identifier for action in run.actions] == ["retry"]
    project = await opened.project()
    async with maestro(opened) as context:
        concern = await concern_of_check(context, project, TESTS, head, by="ann", run=5)
        assert await concern_of_check(context, project, "aurora / lint", head, by="ann", run=6) is None
    assert concern
    assert (concern.key, concern.author, concern.path, concern.line) == ("check.5", "ann", "a.py", 3)
    assert concern.text == "tests: tests failed\n- a.py:3: tests is wrong [X1]"
