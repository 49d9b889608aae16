"""The second issue in a repository profits from the first, and what helped it is worth more afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.memory import Fate
from app.domain.ports import Call, Prompt, Step, WorkEnd, WorkResult
from app.domain.project import ProjectStatus
from app.domain.repository_settings import MergePolicy
from tests.fakes import FakeWorktree, finds, write
from tests.integration.core.world import ISSUE, World, plan, planned
from tests.integration.memory.conftest import Mind
from workers.maestro.context import Policy

LESSON = "Module base defines BASE, and every module has to import it."


@pytest.fixture
async def world(make_mind: Callable[..., object]) -> tuple[World, Mind]:
    """A world that remembers."""
    mind: Mind = await make_mind()  # type: ignore[misc]  # an async factory
    made = World(mind.pool, memories=mind.coordinator, policy=Policy(merge=MergePolicy.auto))
    made.thinker.answers[Step.reflect] = {"cause": "The module lacked BASE.", "lesson": LESSON}
    made.thinker.answers[Step.plan] = plan(planned("one", "base.py"))
    return made, mind


def first_try_fails(call: Call, _: Prompt, tree: FakeWorktree) -> None:
    """Get it wrong, and then right."""
    tree.files["base.py"] = "WRONG = 1\n" if call.attempt == 1 else "BASE = 2\n"


def second_time(_: Call, prompt: Prompt, tree: FakeWorktree) -> WorkResult:
    """Do it, naming the memory that holds the lesson."""
    number = next(line.split("]")[0].split("[M")[1] for line in prompt.user.splitlines() if LESSON in line)
    tree.files["base.py"] = "BASE = 3\n"
    return WorkResult(WorkEnd.done, f"Set BASE in base.py. [M{number}]", 1)


async def test_a_lesson_is_told_to_the_next_project_which_says_that_it_helped(world: tuple[World, Mind]):
    first, mind = world
    first.checkers.verdict = finds("WRONG", Checkpoint.tests)
    first.deeds[""] = first_try_fails
    assert (await first.start()).status is ProjectStatus.merged

    first.forge.issues[ISSUE] = replace(first.forge.issues[ISSUE], state="open", title="Give base another BASE")
    first.thinker.answers[Step.parse] = {
        "requirements": [{"id": "REQ-001", "title": "Every module imports BASE of base", "criteria": ["BASE is 3"]}]
    }
    first.agents.clear()
    first.deeds[""] = second_time
    second = await first.start()
    assert second.status is ProjectStatus.merged
    (visit,) = first.agents["Do one"].visits
    told = visit[1].user
    assert "reflexion about base.py" in told
    assert "name its mark, such as [M1]" in told
    task = (await first.tasks())["one"]
    assert task.result
    assert task.result.summary == "Set BASE in base.py."
    rows = await mind.pool.fetch(
        "SELECT kind, score, helped FROM working_memory JOIN memory_uses ON memory_id = id WHERE cited"
    )
    assert [(row["kind"], row["score"], row["helped"]) for row in rows] == [("reflexion", 1.0, 1)]


async def test_a_project_leaves_its_decision_its_lesson_and_how_it_was_done(world: tuple[World, Mind]):
    first, mind = world
    first.checkers.verdict = finds("WRONG", Checkpoint.tests)
    first.deeds[""] = first_try_fails
    project = await first.start()
    rows = await mind.pool.fetch("SELECT kind, content, source FROM working_memory ORDER BY kind")
    assert [row["kind"] for row in rows] == ["decision", "pattern", "reflexion"]
    assert all(row["source"]["file"] == "base.py" and row["source"]["commit"] for row in rows)
    assert {row["source"]["project"] for row in rows} == {str(project.id)}
    assert rows[2]["source"]["symbol"] == "BASE"
    assert await mind.pool.fetchval("SELECT fate FROM memory_outcomes") == Fate.merged
    assert await mind.pool.fetchval("SELECT files FROM memory_outcomes") == ["base.py"]


async def test_work_that_conflicts_is_remembered(world: tuple[World, Mind]):
    first, mind = world
    first.thinker.answers[Step.plan] = plan(planned("one", "one.py"), planned("two", "two.py"))

    def both(call: Call, prompt: Prompt, tree: FakeWorktree) -> None:
        name = "one" if "Do one" in prompt.user else "two"
        done = tree.files.get("base.py", "") != "BASE = 1\n"
        write({f"{name}.py": "X = 1\n", **({} if done else {"base.py": f"BASE = '{name}'\n"})})(call, prompt, tree)

    first.deeds[""] = both
    await first.until_settled_from_start()
    rows = await mind.pool.fetch("SELECT content, file FROM working_memory WHERE kind = 'conflict'")
    assert [row["file"] for row in rows] == ["base.py"]
    assert "this conflicted in base.py" in rows[0]["content"]


async def test_what_an_escalated_project_was_told_is_worth_less(world: tuple[World, Mind]):
    first, mind = world
    memory = await mind.keep("Every module imports BASE of base.", "base.py")

    def never(_: Mapping[str, str], which: Checkpoint) -> Conclusion:
        return Conclusion.failed if which is Checkpoint.tests else Conclusion.passed

    first.checkers.verdict = never
    first.deeds[""] = lambda call, _, tree: tree.files.update({"base.py": f"BASE = {call.attempt}\n"})
    first.thinker.answers[Step.parse] = {
        "requirements": [{"id": "REQ-001", "title": "Every module imports BASE", "criteria": ["it holds"]}]
    }
    assert (await first.until_settled_from_start()).status is ProjectStatus.escalated
    assert await mind.score(memory) == -0.125
