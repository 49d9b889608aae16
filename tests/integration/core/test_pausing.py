"""A project that reaches a cap, or that somebody holds, waits without a worker and goes on where it was."""

from contextlib import suppress
from typing import Any

import pytest

from app.domain.budget import Cap, Refusal
from app.domain.commands import dump, read
from app.domain.ports import Step
from app.domain.project import ProjectStatus
from app.domain.task import TaskStatus
from app.errors import BudgetExceeded
from app.storage import projects
from tests.fakes import write
from tests.integration.core.world import ISSUE, Killed, World, plan, planned
from workers.maestro.context import Policy


@pytest.fixture(autouse=True)
def generous(world: World) -> None:
    """People may raise the cap of a run to 100 dollars."""
    world.policy = Policy(most_budget_usd=100.0)


async def command(world: World, text: str) -> None:
    """Comment as somebody who may write, as the intake tells it to Maestro."""
    comment = world.forge.say(ISSUE, "ann", text)
    found = read(text)
    async with world.pool.acquire() as connection:
        for one in found:
            if getattr(one, "name", "") in {"pause", "resume"}:
                await projects.hold(connection, world.project_id, held=getattr(one, "name", "") == "pause")
    await world.tell("said", comment=comment, number=ISSUE, by="ann", commands=dump(found))
    await world.run()


def calls(world: World) -> list[Step]:
    return [call.step for call, _ in world.thinker.asked]


async def test_at_its_cap_a_project_pauses_and_says_what_was_spent_and_what_goes_on(world: World):
    """Enough for reading the issue, and not for the plan."""
    project = await world.start(budget=0.012)
    assert project.status is ProjectStatus.paused
    assert project.spent_usd <= 0.012
    (said,) = world.comments("paused")
    assert "@ann, this run waits. The next plan call could cost $0.01. The cap for this run is $0.012" in said
    assert "| parse | `fake` | 1 | 15 |" in said
    assert "- `/aurora budget 2`" in said
    assert "to $100.00 at most" in said
    assert world.labels == {"aurora", "aurora: waiting"}
    assert "Paused" in world.comments("progress")[0]
    assert not await world.pending()
    assert [kind for kind, *_ in await world.errors()] == ["budget"]


async def test_a_raised_cap_lets_it_go_on_and_nothing_recorded_is_asked_again(world: World):
    await world.start(budget=0.012)
    await command(world, "/aurora budget 3")
    project = await world.until_settled()
    assert (project.status, project.budget_usd) == (ProjectStatus.open, 3.0)
    assert calls(world).count(Step.parse) == 1
    assert len(world.comments("paused")) == 1


async def test_a_task_that_reaches_the_cap_waits_without_a_worker_and_without_an_attempt(world: World):
    project = await world.start(budget=0.018)
    assert project.status is ProjectStatus.paused
    (task,) = (await world.tasks()).values()
    assert (task.status, task.attempts) == (TaskStatus.blocked, 0)
    (said,) = world.comments("paused")
    assert "The next generate call" in said
    for _ in range(3):  # whatever rings, nothing is done meanwhile
        await world.jobs.run_task(task.id)
    before = len(world.agents["Do one"].visits)
    await command(world, "/aurora budget 5")
    project = await world.until_settled()
    assert project.status is ProjectStatus.open
    (task,) = (await world.tasks()).values()
    assert (task.status, task.attempts) == (TaskStatus.completed, 1)
    assert len(world.agents["Do one"].visits) == before + 1


async def test_a_paused_project_is_ended_like_any_other(world: World):
    await world.start(budget=0.018)
    await world.tell("cancelled", why="The issue was closed.")
    await world.run()
    assert (await world.project()).status is ProjectStatus.cancelled
    (task,) = (await world.tasks()).values()
    assert task.status is TaskStatus.cancelled
    await world.jobs.run_task(task.id)
    assert not await world.pool.fetchval("SELECT count(*) FROM agent_messages WHERE handled_at IS NULL")


async def test_a_person_pauses_all_tasks_at_their_next_call_and_resumes_them(world: World):
    """One is held before its call, one before its job began."""
    world.thinker.answers[Step.plan] = plan(planned("one", "one.py"), planned("two", "two.py"))
    await world.label()
    await world.run(tasks=False)

    def paused_meanwhile(*given: Any) -> None:
        write({"one.py": "X = 1\n"})(*given)

    world.deeds["Do one"] = paused_meanwhile
    await command(world, "/aurora pause")
    project = await world.later()
    assert project.status is ProjectStatus.paused
    assert project.reason == "`ann` paused it."
    assert {task.status for task in (await world.tasks()).values()} == {TaskStatus.blocked}
    assert world.agents == {}
    assert world.comments("paused") == []
    await command(world, "/aurora resume")
    assert (await world.until_settled()).status is ProjectStatus.open


async def test_nobody_raises_the_cap_over_the_operator_s(world: World):
    world.policy = Policy(most_budget_usd=5.0)
    await world.start(budget=0.012)
    await command(world, "/aurora budget 50")
    (answer,) = world.comments("answer")
    assert "A run may cost $5.00 at most: that is the operator's to decide" in answer
    project = await world.until_settled()
    assert (project.status, project.budget_usd) == (ProjectStatus.open, 5.0)


async def test_a_cap_that_is_still_too_low_is_set_and_said(world: World):
    await world.start(budget=0.012)
    await command(world, "/aurora budget 0.013")
    project = await world.project()
    assert (project.status, project.budget_usd) == (ProjectStatus.paused, 0.013)
    assert "the next call needs $0.015" in world.comments("answer")[0]


async def test_what_looks_like_a_command_is_answered_with_the_nearest(world: World):
    await world.start(budget=0.012)
    await command(world, "/aurora resum")
    assert "Did you mean `/aurora resume`?" in world.comments("answer")[0]
    assert (await world.project()).status is ProjectStatus.paused


async def test_the_day_s_cap_ends_with_the_day(world: World):
    """And a person's word goes before the day's end."""
    refusal = Refusal(cap=Cap.day, step="plan", limit=1, spent=1, reserved=0, needed=0.5)  # type: ignore[arg-type]
    answer = world.thinker.answers[Step.plan]
    world.thinker.answers[Step.plan] = [BudgetExceeded(refusal), answer]
    project = await world.start()
    assert project.status is ProjectStatus.paused
    (said,) = world.comments("paused")
    assert "the whole installation today (UTC)" in said
    assert "It goes on by itself when the day is over" in said
    assert "AURORA_BUDGET_DAY" in said
    assert "by itself" in world.comments("progress")[0]
    due = await world.pool.fetchval(
        "SELECT due_at - now() > interval '1 hour' FROM agent_messages WHERE handled_at IS NULL"
    )
    assert due
    assert (await world.until_settled()).status is ProjectStatus.open


async def test_a_day_s_cap_that_is_too_low_for_the_call_is_not_waited_out(world: World):
    """Every day would end in the same refusal, and one more comment."""
    refusal = Refusal(cap=Cap.day, step="plan", limit=1, spent=0, reserved=0, needed=2)  # type: ignore[arg-type]
    world.thinker.answers[Step.plan] = [BudgetExceeded(refusal), world.thinker.answers[Step.plan]]
    project = await world.start()
    assert project.status is ProjectStatus.paused
    assert not await world.pool.fetchval("SELECT count(*) FROM agent_messages WHERE handled_at IS NULL")
    (said,) = world.comments("paused")
    assert "when the day is over" not in said
    assert "The operator decides this cap (`AURORA_BUDGET_DAY`). Once it is raised, go on with" in said
    assert "when the day is over" not in world.comments("progress")[0]


async def test_what_was_open_and_goes_on_has_no_end_meanwhile(world: World):
    """Its end is dated anew when it is open again."""
    await world.start()
    opened = await world.until_settled()
    assert (opened.status, opened.finished_at is None) == (ProjectStatus.open, False)
    await command(world, "/aurora pause")
    paused = await world.project()
    assert (paused.status, paused.finished_at) == (ProjectStatus.paused, None)
    await command(world, "/aurora resume")
    again = await world.until_settled()
    assert (again.status, again.finished_at is None) == (ProjectStatus.open, False)


async def test_a_pause_by_a_person_outlasts_the_day(world: World):
    refusal = Refusal(cap=Cap.day, step="plan", limit=1, spent=1, reserved=0, needed=0.5)  # type: ignore[arg-type]
    world.thinker.answers[Step.plan] = [BudgetExceeded(refusal)]
    await world.start()
    await command(world, "/aurora pause")
    assert (await world.until_settled()).status is ProjectStatus.paused


async def test_near_its_cap_the_progress_comment_says_so_once_without_a_new_comment(world: World):
    await world.label(budget=0.025)
    await world.run()
    await world.until_settled()
    shown = world.comments("progress")[0]
    assert "of this run's cap is spent" in shown
    told = await world.pool.fetchval("SELECT count(*) FROM agent_messages WHERE payload ->> 'event' = 'nearly_spent'")
    assert told == 1


@pytest.mark.parametrize("dies_after", range(1, 9))
async def test_a_worker_that_dies_around_a_pause_changes_nothing(world: World, dies_after: int):
    """After each effect in turn; the next worker goes on."""
    world.dies_after = dies_after
    await world.label(budget=0.018)
    for _ in range(4):
        try:
            await world.run()
            await world.later()
        except Killed:
            continue
    assert (await world.project()).status is ProjectStatus.paused
    assert len(world.comments("paused")) == 1
    with suppress(Killed):
        await command(world, "/aurora budget 5")
    assert (await world.until_settled()).status is ProjectStatus.open
    assert await world.pool.fetchval("SELECT reserved_usd FROM projects") == 0
