"""Maestro gives tasks out, brings their work together, and sends back what doesn't fit."""

from collections.abc import Mapping

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.ports import Call, Prompt, Step, WorkEnd, WorkResult
from app.domain.project import ProjectStatus
from tests.fakes import Deed, FakeWorktree, finds, write
from tests.integration.core.world import APPROVING, World, plan, planned

AUTO = "merge: auto\n"
AB = plan(planned("a", "a.py"), planned("b", "b.py"))
ABC = plan(planned("a", "a.py"), planned("b", "b.py"), planned("c", "c.py"))
REMARK = {"severity": "blocking", "message": "The name is wrong.", "path": "one.py", "line": 1}
BLOCKING = {"approved": False, "findings": [REMARK]}


def in_turn(*deeds: Deed) -> Deed:
    """Return the deed of doing one after the other, visit by visit; the last one again and again."""
    left = list(deeds)

    def deed(call: Call, prompt: Prompt, tree: FakeWorktree) -> WorkResult | None:
        return (left.pop(0) if len(left) > 1 else left[0])(call, prompt, tree)

    return deed


def gives_up(_: object, __: Prompt, ___: FakeWorktree) -> WorkResult:
    """Find no answer."""
    return WorkResult(WorkEnd.stuck, "I can't.", 1)


async def test_tasks_are_begun_most_urgent_first(world: World):
    """Priority orders what waits for nothing."""
    world.thinker.answers[Step.plan] = plan(planned("low", "l.py"), planned("high", "h.py", priority=9))
    await world.label()
    await world.run(tasks=False)
    begun = await world.pool.fetch("SELECT subject FROM agent_messages WHERE message_type = 'TASK' ORDER BY timestamp")
    tasks = await world.tasks()
    assert [row["subject"] for row in begun] == [tasks["high"].id, tasks["low"].id]


async def test_a_failed_task_stops_new_ones_and_goes_to_a_person_when_the_others_are_done(world: World):
    """What is under way is finished and kept; what depends on the failure isn't begun."""
    world.configure("max_attempts: 1\nmerge: auto\n")
    world.thinker.answers[Step.plan] = plan(*ABC["tasks"], planned("d", "d.py", after=["a"]))
    world.deeds["Do a"] = gives_up
    await world.label()
    await world.run(tasks=False)
    tasks = await world.tasks()
    await world.jobs.run_task(tasks["a"].id)
    await world.jobs.advance(world.project_id)
    assert (await world.project()).status is ProjectStatus.building
    assert world.comments("escalation") == []

    project = await world.until_settled()
    assert project.status is ProjectStatus.escalated
    statuses = {name: task.status.value for name, task in (await world.tasks()).items()}
    assert statuses == {"a": "failed", "b": "completed", "c": "completed", "d": "cancelled"}
    (said,) = world.comments("escalation")
    assert "I can't." in said
    assert world.labels == {"aurora", "aurora: escalated"}
    assert {name for name in world.branches if "-t2-" in name}, "finished work is kept on its branch"


def both_touch(path: str) -> Deed:
    """Return the deed of writing a shared file as well, unless it is there already; then add to it."""

    def deed(call: object, prompt: Prompt, tree: FakeWorktree) -> None:
        name = prompt.user.split("Do ")[1][0]
        tree.files[f"{name}.py"] = "X = 1\n"
        tree.files[path] = tree.files.get(path, "") + f"{name}\n"

    return deed


async def test_work_that_conflicts_is_sent_back_and_made_again_on_top(world: World):
    """The agent is told which file, and finds the other's work in its tree."""
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = AB
    world.deeds[""] = both_touch("shared.py")
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert world.main["shared.py"] == "a\nb\n"
    (_, again) = world.agents["Do b"].visits
    assert "conflicts" in again[1].user
    assert "shared.py" in again[1].user
    assert project.rounds == 1
    task = (await world.tasks())["b"]
    (row,) = await world.pool.fetch("SELECT * FROM agent_errors")
    assert (row["error_type"], row["task_id"], row["agent"]) == ("conflict", task.id, task.assigned_agent)
    assert (row["retry_count"], row["max_retries"]) == (0, 3)
    assert "shared.py" in row["message"]


async def test_dependencies_that_conflict_are_mended_before_what_needs_both_begins(world: World):
    """There is no tree to start from until they fit."""
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = plan(*AB["tasks"], planned("c", "c.py", after=["a", "b"]))
    world.deeds["Do a"] = world.deeds["Do b"] = both_touch("shared.py")
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert world.main["shared.py"] == "a\nb\n"
    assert len(world.agents["Do c"].visits) == 1


def crowded(most: int):
    """Fail the tests where more than so many of the tasks' files are together."""

    def judge(files: Mapping[str, str], which: Checkpoint) -> Conclusion:
        present = [path for path in files if path in {"a.py", "b.py", "c.py"} and "FITS" not in files[path]]
        return Conclusion.failed if which is Checkpoint.tests and len(present) > most else Conclusion.passed

    return judge


async def test_of_a_red_combination_the_task_that_made_it_so_is_found_and_sent_back(world: World):
    """Each passes alone: the second is the first that doesn't fit, and starts on top of what does."""
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = ABC
    world.checkers.verdict = crowded(1)
    for name in "abc":
        world.deeds[f"Do {name}"] = in_turn(write({f"{name}.py": "X = 1\n"}), write({f"{name}.py": "FITS = 1\n"}))
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert [len(world.agents[f"Do {name}"].visits) for name in "abc"] == [1, 2, 2]
    assert "tests is wrong" in world.agents["Do b"].visits[1][1].user
    assert project.rounds == 2
    assert [(kind, text) for kind, text, _ in await world.errors()] == [
        ("tests", "With the other tasks: tests failed")
    ] * 2  # fmt: skip


async def test_parts_that_never_fit_go_to_a_person_after_three_rounds(world: World):
    """Each time another way, and never together: bounded."""
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = AB
    tries = iter(range(99))
    world.deeds["Do b"] = lambda _, __, tree: tree.files.update({"b.py": f"X = {next(tries)}\n"})

    def together(files: Mapping[str, str], which: Checkpoint) -> Conclusion:
        red = which is Checkpoint.tests and {"a.py", "b.py"} <= set(files) and not world.building
        return Conclusion.failed if red else Conclusion.passed

    world.checkers.verdict = together
    project = await world.until_settled_from_start()
    assert project.status is ProjectStatus.escalated
    assert "don't fit together after 3 rounds" in world.comments("escalation")[0]
    assert [kind for kind, *_ in await world.errors()] == ["tests"] * 4, "three rounds, and the one that was too many"
    learned = await world.pool.fetch("SELECT content, source FROM working_memory WHERE kind = 'reflexion'")
    ((said, source),) = [tuple(row) for row in learned]
    assert "tests failed" in said
    assert "together with other work" in said
    assert (source["file"], source["task"]) == ("a.py", (await world.tasks())["b"].key), "where it failed"


@pytest.mark.parametrize("rounds", [1, 2])
async def test_a_conclusion_that_could_not_be_reached_sends_nothing_back(world: World, rounds: int):
    """Not run isn't failed: the pull request is opened, and never merged by itself."""
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = AB if rounds == 2 else plan(planned("one", "one.py"))
    world.checkers.verdict = finds("X", Checkpoint.tests, Conclusion.not_run)
    project = await world.start()
    assert project.status is ProjectStatus.open
    assert project.rounds == 0
    assert world.forge.merges == []
    assert "could not be run" in (project.reason or "")


async def test_what_the_review_blocks_on_is_fixed_once_on_top_of_the_work(world: World):
    """One follow-up task with the findings; its commit is reviewed too, and merged."""
    world.configure(AUTO)
    world.thinker.answers[Step.review] = [BLOCKING, APPROVING]
    world.deeds["Address the review"] = write({"one.py": "BETTER = 1\n"})
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert world.main["one.py"] == "BETTER = 1\n"
    (visit,) = world.agents["Address the review"].visits
    assert "The name is wrong." in visit[1].user
    assert world.branches == {"main"}


async def test_the_review_of_many_tasks_is_fixed_on_top_of_all_of_them(world: World):
    """The follow-up starts from the combination."""
    world.configure(AUTO)
    world.thinker.answers[Step.plan] = AB
    world.thinker.answers[Step.review] = [BLOCKING, APPROVING]
    world.deeds["Address the review"] = lambda _, __, tree: tree.files.update(
        {"both.py": tree.files["a.py"] + tree.files["b.py"]}
    )
    assert (await world.start()).status is ProjectStatus.merged
    assert world.main["both.py"] == "X = 1\nX = 1\n"


async def test_what_the_review_still_finds_afterwards_is_shown(world: World):
    """No second follow-up: the remarks are on the check run for the people."""
    world.configure(AUTO)
    world.thinker.answers[Step.review] = BLOCKING
    world.deeds["Address the review"] = write({"one.py": "OTHER = 1\n"})
    assert (await world.start()).status is ProjectStatus.merged
    (run,) = [check for check in world.forge.checks if check.name == "aurora / review"]
    assert run.conclusion == "neutral"
    assert "The name is wrong." in run.summary


async def test_a_fix_of_the_review_that_does_not_succeed_does_not_sink_the_work(world: World):
    """What passed is delivered without it, and the finding is shown."""
    world.configure(AUTO)
    world.thinker.answers[Step.review] = BLOCKING
    world.deeds["Address the review"] = write({})
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert any("could not be fixed" in note for note in project.notes)
    (run,) = [check for check in world.forge.checks if check.name == "aurora / review"]
    assert "The name is wrong." in run.summary


async def test_the_only_task_can_be_sent_back_after_its_branch_moved_on(world: World):
    """A follow-up was pushed onto the branch that the first task made; both are ours."""
    world.configure(AUTO)
    world.thinker.answers[Step.review] = [BLOCKING, APPROVING]
    world.deeds["Address the review"] = write({"two.py": "CLASH = 1\n"})
    world.deeds["Do one"] = in_turn(write({"one.py": "X = 1\n"}), write({"one.py": "FITS = 1\n"}))

    def judge(files: Mapping[str, str], which: Checkpoint) -> Conclusion:
        red = which is Checkpoint.tests and "two.py" in files and "X" in files["one.py"] and not world.building
        return Conclusion.failed if red else Conclusion.passed

    world.checkers.verdict = judge
    project = await world.until_settled_from_start()
    assert project.status in {ProjectStatus.merged, ProjectStatus.escalated}
    assert not [text for kind, text, _ in await world.errors() if kind == "git"]
