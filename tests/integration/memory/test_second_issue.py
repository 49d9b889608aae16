"""The second issue in a repository profits from the first, and what helped it is worth more afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.commands import dump, read
from app.domain.memory import Fate, Kind
from app.domain.ports import Call, Prompt, Step, WorkEnd, WorkResult
from app.domain.project import ProjectStatus
from app.domain.repository_settings import MergePolicy
from tests.fakes import FakeWorktree, finds, write
from tests.integration.core.world import ISSUE, Killed, World, plan, planned
from tests.integration.memory.conftest import REPOSITORY, Mind
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


CONFLICT = "Do two: this conflicted in base.py with work done at the same time. Change these one after the other."
ABOUT = "Work at the same time on base.py conflicted"


@pytest.fixture
def asks(world: tuple[World, Mind]) -> World:
    """A world whose issue wants something that conflicted before."""
    made, _ = world
    wish = {"id": "REQ-001", "title": ABOUT, "criteria": ["these change one after the other"]}
    made.thinker.answers[Step.parse] = {"requirements": [wish]}
    return made


async def told_to_plan(mind: Mind) -> list[tuple[str, int, bool]]:
    """Return what plans were told: the kind, the number of the plan, and whether it helped."""
    rows = await mind.pool.fetch(
        "SELECT kind, round, cited FROM memory_uses JOIN working_memory ON id = memory_id"
        " WHERE agent = 'maestro' AND task_id = memory_uses.project_id ORDER BY round"
    )
    return [(row["kind"], row["round"], row["cited"]) for row in rows]


@pytest.mark.parametrize(("words", "score", "helped"), [("As [M1] says: in turn.", 1.0, 1), ("In turn.", 0.25, 0)])
async def test_a_plan_is_told_what_conflicted_and_what_helped_it_is_worth_more(
    world: tuple[World, Mind], asks: World, words: str, score: float, helped: int
):
    """Nothing but conflicts, as material; agents don't see the plan's marks."""
    _, mind = world
    memory = await mind.keep(CONFLICT, "base.py", Kind.conflict)
    await mind.keep(f"{ABOUT} is a lesson for agents.", "base.py", Kind.reflexion)
    asks.thinker.answers[Step.plan] = plan(planned("one", "one.py", description=words))
    assert (await asks.start()).status is ProjectStatus.merged
    (prompt,) = asks.thinker.prompts(Step.plan)
    shown = prompt.partition('<material name="earlier work">')[2].partition("</material>")[0].strip()
    assert shown == f"[M1] (conflict about base.py at {mind.base[:7]}) {CONFLICT}"
    task = (await asks.tasks())["one"]
    assert "[M" not in task.description
    assert "in turn." in task.description.lower()
    assert await told_to_plan(mind) == [("conflict", 1, bool(helped))]
    row = await mind.pool.fetchrow("SELECT score, helped FROM working_memory WHERE id = $1", memory)
    assert (row["score"], row["helped"]) == (score, helped)


async def test_a_plan_that_is_asked_for_again_after_a_crash_is_told_the_same(world: tuple[World, Mind], asks: World):
    """The worker dies while the model thinks; something else is learned before the next one asks."""
    _, mind = world
    await mind.keep(CONFLICT, "base.py", Kind.conflict)

    def dies(_: Call, __: Prompt) -> object:
        asks.thinker.answers[Step.plan] = plan(planned("one", "one.py"))
        raise Killed

    asks.thinker.answers[Step.plan] = dies
    with pytest.raises(Killed):
        await asks.start()
    await mind.keep(f"{ABOUT}, which nobody knew before.", "base.py", Kind.conflict)
    await mind.coordinator.settle(REPOSITORY)  # earlier answers don't count any more
    assert (await asks.until_settled()).status is ProjectStatus.merged
    first, second = asks.thinker.prompts(Step.plan)
    assert CONFLICT in first
    assert first == second
    assert await told_to_plan(mind) == [("conflict", 1, False)]


async def test_what_is_learned_after_the_plan_was_answered_isn_t_said_to_have_been_told(
    world: tuple[World, Mind], asks: World
):
    """The worker dies between the answer and the tasks."""
    _, mind = world

    def answers_and_dies(_: Call, __: Prompt) -> Mapping[str, object]:
        asks.dead = True
        return plan(planned("one", "one.py"))

    asks.thinker.answers[Step.plan] = answers_and_dies
    with pytest.raises(Killed):
        await asks.start()
    await mind.keep(CONFLICT, "base.py", Kind.conflict)
    assert (await asks.until_settled()).status is ProjectStatus.merged
    (prompt,) = asks.thinker.prompts(Step.plan)
    assert "earlier work" not in prompt
    assert await told_to_plan(mind) == []


async def test_another_plan_is_told_what_is_known_by_then(world: tuple[World, Mind], asks: World):
    """Such as after `/aurora revise`, whose words count too."""
    _, mind = world
    asks.configure("merge: auto\nplan_approval: always\n")
    assert (await asks.start()).status is ProjectStatus.waiting
    await mind.keep(CONFLICT, "base.py", Kind.conflict)
    text = "/aurora revise Leave base.py alone."
    comment = asks.forge.say(ISSUE, "ann", text)
    await asks.tell("said", comment=comment, number=ISSUE, by="ann", commands=dump(read(text)))
    await asks.run()
    first, second = asks.thinker.prompts(Step.plan)
    assert CONFLICT not in first
    assert CONFLICT in second
    assert await told_to_plan(mind) == [("conflict", 2, False)]
