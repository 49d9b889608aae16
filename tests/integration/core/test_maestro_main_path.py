"""Maestro from the label to the end, on real tables, with every job run twice."""

import pytest

from app.domain.ports import Step
from app.domain.project import ProjectStatus
from tests.integration.core.world import World, plan, planned

AUTO = "merge: auto\n"


async def test_an_issue_becomes_a_merged_pull_request(world: World):
    """One task: its work is in the base, the issue closed and labelled, no branch left, five check runs."""
    world.configure(AUTO)
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert world.main["one.py"] == "X = 1\n"
    assert world.issue_state == "closed"
    assert world.labels == {"aurora", "aurora: done"}
    assert world.branches == {"main"}
    assert len(world.forge.checks) == 5
    assert {run.conclusion for run in world.forge.checks} == {"success"}
    assert [call.step for call, _ in world.thinker.asked] == [Step.parse, Step.plan, Step.review]


def three_tasks(world: World) -> None:
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = plan(
        planned("c", "c.py", after=["a", "b"]), planned("a", "a.py"), planned("b", "b.py")
    )


async def test_tasks_are_given_out_as_their_dependencies_are_met(world: World):
    """First those that wait for nothing, at once; then the one that starts on top of both."""
    three_tasks(world)
    world.deeds["Do c"] = lambda _, __, tree: tree.files.update({"c.py": tree.files["a.py"] + tree.files["b.py"]})
    await world.label()
    await world.run(tasks=False)
    statuses = {name: task.status.value for name, task in (await world.tasks()).items()}
    assert statuses == {"a": "ready", "b": "ready", "c": "pending"}
    project = await world.until_settled()
    assert project.status is ProjectStatus.merged
    assert world.main["c.py"] == "X = 1\nX = 1\n"


EFFECTS = 23  # of the run with three tasks


async def test_the_effects_after_which_a_crash_is_tried_are_all_there_are(world: World):
    """A new effect has to be tried too."""
    three_tasks(world)
    await world.start()
    assert len(world.effects) == EFFECTS


@pytest.mark.parametrize("number", range(1, EFFECTS + 1))
async def test_a_crash_after_any_effect_leads_to_the_same_end(world: World, number: int):
    """Done but not recorded: found again and adopted, and in the end everything is there once."""
    world.times, world.dies_after = 1, number
    three_tasks(world)
    await world.label()
    project = await world.until_settled()
    assert project.status is ProjectStatus.merged
    assert len(world.effects) >= number
    assert sorted(world.main) == [".github/aurora.yml", "README.md", "a.py", "b.py", "base.py", "c.py"]
    assert len(world.forge.checks) == 17
    assert len(world.thinker.asked) == 3
    assert [len(agent.visits) for agent in world.agents.values()] == [1, 1, 1]


@pytest.mark.parametrize("name", ["comment", "create_check", "open_pull_request", "merge", "close_issue"])
async def test_a_lost_answer_is_looked_for_and_not_written_again(world: World, name: str):
    """GitHub did it, and only its answer was lost."""
    three_tasks(world)
    world.forge.lose[name] = 1
    await world.start()
    project = await world.until_settled()
    assert project.status is ProjectStatus.merged
    assert len(world.forge.checks) == 17
    assert len(world.forge.merges) == 1
