"""How a project ends otherwise: a person stops it, or it asks for one."""

import pytest

from app.domain.commands import dump, read
from app.domain.ports import Step
from app.domain.project import Phase, ProjectStatus
from app.errors import ForgeError, ModelError, Transient
from tests.fakes import MAIN
from tests.integration.core.test_commands_obeyed import command
from tests.integration.core.test_maestro_delivering import looked_at, opened
from tests.integration.core.world import ISSUE, World, plan, planned, reword


async def test_a_closed_issue_stops_everything_and_keeps_the_branches(world: World):
    """Its tasks do nothing more, even those that are rung for."""
    world.thinker.answers[Step.plan] = plan(planned("a", "a.py"), planned("b", "b.py"))
    await world.label()
    await world.run(tasks=False)
    tasks = await world.tasks()
    await world.jobs.run_task(tasks["a"].id)
    await world.tell("cancelled", why="The issue was closed.")
    await world.run()
    project = await world.until_settled()
    assert project.status is ProjectStatus.cancelled
    assert project.reason == "The issue was closed."
    statuses = {name: task.status.value for name, task in (await world.tasks()).items()}
    assert statuses == {"a": "completed", "b": "cancelled"}
    assert "Do b" not in world.agents
    assert any("-t1-" in name for name in world.branches)
    assert world.labels == {"aurora"}
    assert world.comments("escalation") == []
    assert await world.pool.fetchval("SELECT fate FROM memory_outcomes") == "cancelled"


async def test_an_issue_closed_by_merging_the_pull_request_is_no_cancellation(world: World):
    """A person merged, GitHub closed the issue for them."""
    await world.start()
    (pull,) = world.forge.pulls.values()
    world.forge.merge_by_hand(pull.number)
    reword(world, state="closed")
    await world.tell("cancelled", why="The issue was closed.")
    await world.run()
    assert (await world.project()).status is ProjectStatus.merged
    assert world.branches == {"main"}


@pytest.mark.parametrize("ending", ["escalated", "cancelled"])
@pytest.mark.parametrize("merged", [True, False])
async def test_work_that_a_person_finished_and_merged_is_merged(world: World, ending: str, merged: bool):
    """After the app had given up, or was told to; what is closed without that stays as it ended."""
    pull = await opened(world)
    if ending == "cancelled":
        assert (await command(world, "/aurora cancel")).status is ProjectStatus.cancelled
    else:
        world.forge.review(pull.number, "ada", "approved", pull.head_sha)
        world.git.onto(MAIN, one_py="MINE = 1\n")
        assert (await looked_at(world)).status is ProjectStatus.escalated
    before = (await world.project(), world.labels, world.branches)
    world.git.remote[pull.head] = both = world.git.commit(
        {"one.py": "BOTH = 1\n"}, [world.git.remote[pull.head], world.git.remote[MAIN]], "Bring main in"
    )
    if merged:
        world.forge.merge_by_hand(pull.number)
        reword(world, state="closed")
    else:
        world.forge.pulls[pull.number].state = "closed"
    await world.tell("pull_closed", why=f"Pull request #{pull.number} was closed.")
    await world.run()
    project = await world.until_settled()
    if not merged:
        assert (project, world.labels, world.branches) == before
        return
    assert (project.status, project.reason, project.pull_request.merged) == (ProjectStatus.merged, None, True)
    assert (world.labels, world.branches) == ({"aurora", "aurora: done"}, {MAIN})
    assert await world.pool.fetchval("SELECT fate FROM memory_outcomes") == "merged"
    await command(world, "/aurora revert", pull.number)
    last = await world.pool.fetchrow("SELECT status, reverts FROM projects WHERE run = 2")
    assert (last["status"], last["reverts"]) == ("open", project.id)
    assert world.clone.taken_back == [(project.base_sha, both)], "what was merged, not what the app had verified last"


async def test_a_cancellation_waits_for_github_and_isn_t_made_an_escalation(world: World):
    """Whether somebody merged is known only when GitHub answers again; until then no agent works."""
    await world.start()
    comment = world.forge.say(ISSUE, "ann", "/aurora fix greet")
    await world.tell("said", comment=comment, number=ISSUE, by="ann", commands=dump(read("/aurora fix greet")))
    await world.run(tasks=False)
    assert {task.status.ended for task in (await world.tasks()).values()} == {True, False}
    world.forge.fail["pull_request"] = Transient("GitHub can't be reached.")
    await world.tell("cancelled", why="The issue was closed.")
    await world.run(tasks=False)
    for _ in range(12):
        await world.later()
    project = await world.project()
    assert "greet" not in world.agents
    assert (project.phase, project.reason) == (Phase.cancel, "The issue was closed.")
    assert {task.status.ended for task in (await world.tasks()).values()} == {True}
    assert world.comments("escalation") == []
    del world.forge.fail["pull_request"]
    project = await world.until_settled()
    assert (project.status, project.reason) == (ProjectStatus.cancelled, "The issue was closed.")


async def test_a_cancellation_comes_before_everything_else_that_waits(world: World):
    """An answer and a closing arrive together: it ends."""
    world.thinker.answers[Step.parse] = {"questions": ["Which?"]}
    await world.start()
    await world.say("ann", "The first.")
    await world.tell("cancelled", why="The issue was closed.")
    await world.run()
    assert (await world.project()).status is ProjectStatus.cancelled
    assert len(world.thinker.asked) == 1


async def test_after_the_end_nothing_moves_any_more(world: World):
    """Late reviews, comments and closings of an ended run."""
    world.configure("merge: auto\n")
    await world.start()
    before = world.visible()
    for event in ("looked_at", "said", "cancelled"):
        await world.tell(event)
    await world.run()
    assert world.visible() == before
    assert (await world.project()).status is ProjectStatus.merged


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModelError("The model gpt-9 has no price: set AURORA_MODEL_PRICES."), "AURORA_MODEL_PRICES"),
    ],
)
@pytest.mark.parametrize("step", [Step.parse, Step.plan, Step.review])
async def test_a_model_that_can_t_be_used_is_told_once_in_words_that_help(
    world: World, error: Exception, words: str, step: Step
):
    """Whichever of Maestro's steps asks for it."""
    world.thinker.answers[step] = error
    assert (await world.start()).status is ProjectStatus.escalated
    (said,) = world.comments("escalation")
    assert words in said
    assert "@ann" in said
    assert len(await world.errors()) == 1


async def test_a_defect_of_ours_is_called_one_and_shows_no_inside(world: World):
    """The trace is kept for the operator, without secrets; the comment says only that it happened."""
    secret = "ghp_" + "a1B2" * 9
    world.thinker.answers[Step.plan] = ZeroDivisionError(f"token {secret}")
    assert (await world.start()).status is ProjectStatus.escalated
    (said,) = world.comments("escalation")
    assert "internal error" in said
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said
    assert secret not in said
    ((kind, _, trace),) = await world.errors()
    assert kind == "internal"
    assert "Traceback" in trace
    assert "[secret]" in trace
    assert secret not in trace


async def test_what_passes_is_waited_out_and_nobody_is_bothered(world: World):
    """Two failures, then an answer."""
    world.configure("merge: auto\n")
    world.thinker.answers[Step.plan] = [
        Transient("GitHub can't be reached."), Transient("again"), plan(planned("one", "one.py"))
    ]  # fmt: skip
    world.times = 1
    await world.label()
    await world.run()
    assert (await world.project()).status is ProjectStatus.planning
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert [kind for kind, _, _ in await world.errors()] == ["github", "github"]
    assert world.comments("escalation") == []


async def test_what_doesn_t_pass_goes_to_a_person_after_eight_retries(world: World):
    """Bounded, with the last reason."""
    world.thinker.answers[Step.plan] = Transient("The model is down.")
    world.times = 1
    await world.label()
    assert (await world.until_settled()).status is ProjectStatus.escalated
    assert len(await world.errors()) == 9
    assert "The model is down." in world.comments("escalation")[0]


async def test_a_named_wait_is_kept_to(world: World):
    """A rate limit that ends in an hour isn't knocked at every second."""
    world.thinker.answers[Step.parse] = Transient("GitHub asks to slow down.", retry_after=3600)
    world.times = 1
    await world.label()
    await world.run()
    due = await world.pool.fetchval(
        "SELECT extract(epoch FROM max(due_at) - now()) FROM agent_messages WHERE handled_at IS NULL"
    )
    assert due > 3500


async def test_asking_a_person_is_tried_for_as_long_as_it_takes(world: World):
    """GitHub is down when it would be told: it is told when GitHub is up again, once."""
    world.thinker.answers[Step.plan] = ModelError("The key was refused.")
    world.forge.fail["comment"] = Transient("GitHub is out of order.")
    world.times = 1
    await world.label()
    for _ in range(8):
        await world.later()
    assert (await world.project()).status is not ProjectStatus.escalated
    del world.forge.fail["comment"]
    assert (await world.until_settled()).status is ProjectStatus.escalated
    assert len(world.comments("escalation")) == 1
    assert "The key was refused." in world.comments("escalation")[0]


async def test_a_progress_comment_that_somebody_deleted_stops_nothing(world: World):
    """The work matters more than telling of it."""
    world.configure("merge: auto\n")
    world.thinker.answers[Step.plan] = [Transient("later"), plan(planned("one", "one.py"))]
    world.times = 1
    await world.label()
    await world.run()
    world.forge.said.clear()
    assert (await world.until_settled()).status is ProjectStatus.merged


@pytest.mark.parametrize(
    "error", [ForgeError("GitHub refused the request (HTTP 403): protected", 403), Transient("GitHub is down.")]
)
async def test_work_that_was_merged_is_never_called_escalated(world: World, error: Exception):
    """Tidying up fails, for good or for long: what was delivered stays delivered."""
    world.configure("merge: auto\n")
    world.forge.fail["delete_branch"] = error
    await world.start()
    if isinstance(error, Transient):
        for _ in range(6):
            await world.later()
        assert (await world.project()).status is not ProjectStatus.escalated
        del world.forge.fail["delete_branch"]
    project = await world.until_settled()
    assert world.forge.merges
    assert project.status is ProjectStatus.merged
    assert world.labels == {"aurora", "aurora: done"}
    assert world.comments("escalation") == []
    assert world.issue_state == "closed"
    world.forge.fail.clear()


async def test_a_last_word_that_was_lost_is_said_when_another_worker_looks(world: World):
    """Merged and written down, but the comment could not be brought up to date at once."""
    world.configure("merge: auto\n")
    world.times = 1
    world.forge.fail["edit_comment"] = Transient("GitHub is out of order.")
    await world.label()
    await world.run()
    del world.forge.fail["edit_comment"]
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert "Merged in" in world.comments("progress")[0]
    assert ISSUE in world.forge.issues
