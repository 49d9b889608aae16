"""The code-generation graph: where each failure leads, within which bounds, and that it resumes anywhere."""

import functools
from typing import Any

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.ports import Call, Prompt, Step, WorkEnd, WorkResult
from app.domain.project import ProjectStatus
from app.domain.task import Task
from app.storage.projects import ProjectReader
from tests.fakes import FakeWorktree, Files
from tests.integration.core.world import Killed, World
from workers.codegen import graph as codegen
from workers.saver import open_saver, prepare_saver

WORDS = {"BROKEN": Checkpoint.syntax, "MISTYPED": Checkpoint.types, "MESSY": Checkpoint.lint, "WRONG": Checkpoint.tests}


def judge(files: Files, which: Checkpoint) -> Conclusion:
    """Fail the checkpoint that a word in a file stands for."""
    found = {checkpoint for word, checkpoint in WORDS.items() if any(word in text for text in files.values())}
    return Conclusion.failed if which in found else Conclusion.passed


async def build(world: World, *texts: str | WorkResult | None, attempts: int = 5) -> Task:
    """Have the agent write one text after the other, visit by visit; return the task in the end."""
    world.configure(f"merge: auto\nmax_attempts: {attempts}\n")
    world.checkers.verdict = judge
    left = list(texts)

    def deed(_: Call, __: Prompt, tree: FakeWorktree) -> WorkResult | None:
        text = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(text, str):
            tree.files["one.py"] = text
        return text if isinstance(text, WorkResult) else None

    world.deeds["Do one"] = deed
    await world.start()
    return (await world.tasks())["one"]


def visits(world: World) -> list[tuple[int, str]]:
    """Return the attempt and the scope of each of the agent's visits."""
    return [(call.attempt, call.scope) for call, _ in world.agents["Do one"].visits]


def told(world: World, visit: int) -> str:
    """Return what the agent was told in a visit."""
    return world.agents["Do one"].visits[visit][1].user


async def test_what_passes_is_committed_at_the_first_attempt(world: World):
    """Four checkpoints, one commit, one visit."""
    task = await build(world, "GOOD")
    assert (task.status, task.attempts) == ("completed", 1)
    assert len(visits(world)) == 1
    assert world.checkers.judged[:4] == list(Checkpoint)


async def test_what_an_agent_says_closes_no_issue_by_its_commit(world: World):
    """A commit that reaches the default branch would, and would notify and keep workflows from running too."""
    world.deeds["Do one"] = lambda _, __, tree: (
        tree.files.update({"one.py": "GOOD"}),
        WorkResult(WorkEnd.done, "Fixes #5, says @octocat [skip ci]", 1),
    )[1]
    await world.start()
    task = (await world.tasks())["one"]
    assert task.result
    message = world.forge.git.commits[task.result.commit or ""].message
    assert "octocat" in message
    assert not any(words in message for words in ("#5", "@octocat", "[skip ci]"))


@pytest.mark.parametrize("word", ["BROKEN", "MISTYPED", "MESSY"])
async def test_what_is_broken_mistyped_or_messy_goes_back_within_the_attempt(world: World, word: str):
    """The agent gets the findings and mends them; no attempt is used up, nothing is learned."""
    task = await build(world, word, "GOOD")
    assert (task.status, task.attempts) == ("completed", 1)
    assert visits(world) == [(1, "r0.a1.v0"), (1, "r0.a1.v1")]
    assert f"a.py:3: {WORDS[word]} is wrong [X1]" in told(world, 1)
    assert "still wrong" not in told(world, 0)
    assert world.thinker.prompts(Step.reflect) == []
    (row,) = await world.pool.fetch("SELECT * FROM agent_errors")
    assert (row["error_type"], row["message"], row["task_id"]) == (WORDS[word], f"{WORDS[word]} failed", task.id)
    assert (row["agent"], row["retry_count"], row["max_retries"]) == (task.assigned_agent, 0, 3)


async def test_after_broken_syntax_nothing_else_is_asked(world: World):
    """Types, lint and tests of what doesn't parse say nothing."""
    await build(world, "BROKEN MISTYPED MESSY WRONG", "GOOD")
    assert world.checkers.judged[:2] == [Checkpoint.syntax, Checkpoint.syntax]


async def test_the_formatter_comes_before_lint_and_what_it_did_is_judged_again(world: World):
    """A formatter that breaks something would go unseen otherwise; its work is in the commit."""
    task = await build(world, "UGLY")
    assert task.status == "completed"
    order = [one.value for one in world.checkers.judged[:6]]
    assert order == ["syntax", "types", "syntax", "types", "lint", "tests"]
    assert world.main["one.py"] == "PRETTY"


async def test_a_failed_test_ends_the_attempt_and_is_learned_from(world: World):
    """The next attempt starts from the tree as it is, with the lesson and the failure."""
    task = await build(world, "WRONG", "GOOD")
    assert (task.status, task.attempts) == ("completed", 2)
    assert visits(world) == [(1, "r0.a1.v0"), (2, "r0.a2.v1")]
    assert "It was wrong. Do it right." in told(world, 1)
    assert "tests is wrong" in told(world, 1)
    assert len(world.thinker.prompts(Step.reflect)) == 1
    assert task.result
    assert task.result.lessons == ("It was wrong. Do it right.",)
    ((kind, message, _),) = await world.errors()
    assert kind == "tests"
    assert message == "tests failed"


async def test_the_results_of_an_attempt_that_failed_are_kept_apart_from_those_of_the_commit(world: World):
    """By task, round and attempt; what is asked about a commit is answered by its own alone."""
    task = await build(world, "WRONG 1", "MISTYPED", "WRONG 2", "GOOD")
    assert task.result
    rows = await world.pool.fetch("SELECT * FROM test_results ORDER BY attempt, checkpoint")
    kept = [(row["round"], row["attempt"], row["checkpoint"], row["conclusion"]) for row in rows if row["round"] == 0]
    four = sorted(Checkpoint)
    assert kept == [(0, attempt, one, "failed" if one == "tests" else "passed") for attempt in (1, 2) for one in four]
    assert all(row["commit_sha"] is None and row["task_id"] == task.id for row in rows if row["round"] == 0)
    judged = [(row["commit_sha"], row["conclusion"]) for row in rows if row["round"] is None]
    assert judged == [(task.result.commit, "passed")] * 4
    project = await world.project()
    said = await ProjectReader(world.pool).checks(project)
    assert [result.conclusion for result in said] == [Conclusion.passed] * 4
    assert len(said) == len(Checkpoint)
    unbuilt = await ProjectReader(world.pool).checks(project.model_copy(update={"head_sha": "f" * 40}))
    assert [result.conclusion for result in unbuilt] == [Conclusion.passed] * 4, "of the commit that was checked last"


async def test_the_results_of_the_last_attempt_are_those_of_its_commit(world: World):
    """It is pushed for people to look at, so nothing is kept of it a second time."""
    task = await build(world, "WRONG 1", "WRONG 2", attempts=2)
    assert task.result
    rows = await world.pool.fetch("SELECT DISTINCT commit_sha, attempt FROM test_results ORDER BY attempt")
    assert [tuple(row) for row in rows] == [(None, 1), (task.result.commit, 2)]


@pytest.mark.parametrize(("word", "visits_each"), [("BROKEN", 4), ("MISTYPED", 4), ("MESSY", 4), ("WRONG", 1)])
async def test_each_way_back_is_bounded_within_an_attempt(world: World, word: str, visits_each: int):
    """Three regenerations or fixes, then the attempt has failed; after the attempts, a person."""
    task = await build(world, *(f"{word} {n}" for n in range(visits_each * 2)), attempts=2)
    assert (task.status, task.attempts) == ("failed", 2)
    assert [attempt for attempt, _ in visits(world)] == [1] * visits_each + [2] * visits_each
    assert len(world.thinker.prompts(Step.reflect)) == 2
    assert [kind for kind, *_ in await world.errors()] == [WORDS[word]] * visits_each * 2
    counted = await world.pool.fetch("SELECT retry_count, max_retries FROM agent_errors ORDER BY timestamp")
    sent_back = [(number, 3) for number in range(visits_each - 1)]
    assert [tuple(row) for row in counted] == [*sent_back, (0, 1), *sent_back, (1, 1)]


@pytest.mark.parametrize("word", ["BROKEN", "MISTYPED", "MESSY"])
async def test_the_very_same_change_again_ends_the_attempt(world: World, word: str):
    """Who makes no progress is not asked twice more for it; the next attempt knows why."""
    task = await build(world, word, attempts=2)
    assert (task.status, task.attempts) == ("failed", 2)
    assert [attempt for attempt, _ in visits(world)] == [1, 1, 2, 2]
    assert "same change again" in told(world, 2)
    assert "is wrong" in told(world, 2)
    assert len(await world.errors()) == 4, "sent back, and ended by it, twice"


async def test_fixes_and_regenerations_are_counted_apart_and_anew_in_each_attempt(world: World):
    """Three type errors and three syntax errors fit into one attempt."""
    texts = ["MISTYPED", "BROKEN"] * 3
    task = await build(world, *texts, "WRONG", *texts, "GOOD")
    assert (task.status, task.attempts) == ("completed", 2)
    assert len(visits(world)) == 14


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (WorkResult(WorkEnd.stuck, "Only prose came.", 3), "got stuck: Only prose came."),
        (WorkResult(WorkEnd.exhausted, "", 40), "ran out of its limits after 40 steps"),
        (WorkResult(WorkEnd.done, "Nothing to do.", 1), "changed nothing"),
        (None, "changed nothing"),
    ],
)
async def test_work_that_ends_without_a_change_costs_the_attempt(world: World, result: WorkResult | None, words: str):
    """The reason is learned from and told to the next attempt; no checkpoint is run for it."""
    task = await build(world, result, "GOOD")
    assert (task.status, task.attempts) == ("completed", 2)
    assert words in world.thinker.prompts(Step.reflect)[0]
    assert words in told(world, 1)
    assert len(world.checkers.judged) == 4


async def test_the_last_attempt_is_pushed_with_all_four_check_runs(world: World):
    """Also those checkpoints that had not been reached; the failing ones carry the place."""
    task = await build(world, "MISTYPED WRONG", attempts=1)
    assert task.result
    assert world.git.remote[task.branch] == task.result.commit
    runs = {run.name: run for run in world.forge.checks}
    assert {name: run.conclusion for name, run in runs.items()} == {
        "aurora / syntax": "success", "aurora / types": "failure",
        "aurora / lint": "success", "aurora / tests": "failure",
    }  # fmt: skip
    assert [(note.path, note.line) for note in runs["aurora / tests"].annotations] == [("a.py", 3)]
    assert (await world.project()).status is ProjectStatus.escalated
    assert "types is wrong" in world.comments("escalation")[0]


async def test_a_tool_that_broke_is_an_error_once_however_often_it_broke_over_the_same(world: World):
    """What the loop recorded of the visit tells of it, with the time at which it happened."""
    await world.label()
    await world.run(tasks=False)
    task = (await world.tasks())["one"]
    told = {"name": "read_file", "text": "The tool broke.", "ok": False, "broken": "Traceback: too long"}
    told |= {"end": "done", "summary": "Done.", "steps": 1}  # by which the visit is replayed
    for position in range(3):
        await world.pool.execute(
            "INSERT INTO journal (subject, scope, position, project_id, kind, content, patch, epoch)"
            " VALUES ($1, 'r0.a1.v0', $2, $3, 'tool', $4, $5, 1)",
            task.id, position, world.project_id, told, b'{"one.py": "GOOD"}',
        )  # fmt: skip
    assert (await world.until_settled()).status is ProjectStatus.open
    (row,) = await world.pool.fetch("SELECT * FROM agent_errors")
    assert (row["error_type"], row["message"], row["stack_trace"]) == ("tool", "The tool broke.", "Traceback: too long")
    assert row["timestamp"] == await world.pool.fetchval(
        "SELECT min(created_at) FROM journal WHERE subject = $1", task.id
    )


async def test_without_any_change_nothing_is_pushed(world: World):
    """There is no commit to look at; the comment says why."""
    task = await build(world, None, attempts=2)
    assert task.status == "failed"
    assert task.branch not in world.branches
    assert world.forge.checks == []
    assert "changed nothing" in world.comments("escalation")[0]


async def test_a_checkpoint_that_could_not_run_sends_nothing_back(world: World):
    """Asking the agent again wouldn't make it run."""
    world.configure("merge: auto\n")
    world.checkers.verdict = lambda _, __: Conclusion.not_run
    assert (await world.start()).status is ProjectStatus.open
    assert len(world.agents["Do one"].visits) == 1


NODES = sorted(codegen.NODES)
STORY = ("BROKEN", "MISTYPED", "UGLY MESSY", "WRONG", "GOOD")


def mortal(world: World, monkeypatch: pytest.MonkeyPatch, node: str, when: str) -> None:
    """Make the process die once before or after a node does its work."""
    left = [node]

    def wrap(name: str, work: Any) -> Any:
        @functools.wraps(work)
        async def wrapped(state: Any, runtime: Any) -> Any:
            if when == "before" and name in left:
                left.remove(name)
                raise Killed(name)
            outcome = await work(state, runtime)
            if when == "after" and name in left:
                left.remove(name)
                raise Killed(name)
            return outcome

        return wrapped

    wrapped = {name: wrap(name, work) for name, work in codegen.NODES.items()}
    monkeypatch.setattr(codegen, "NODES", wrapped)
    world.graph = codegen.build(world.saver)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("node", NODES)
async def test_a_task_resumes_where_its_worker_died(world: World, monkeypatch, node: str, when: str):
    """In whatever node: the same commit as undisturbed, and the model asked for nothing twice."""
    mortal(world, monkeypatch, node, when)
    world.times = 1
    gives_up = node == "give_up"
    died = False
    try:
        await build(world, *(STORY[:4] if gives_up else STORY), attempts=1 if gives_up else 5)
    except Killed:
        died = True
    project = await world.until_settled()
    assert died
    assert project.status is (ProjectStatus.escalated if gives_up else ProjectStatus.merged)
    assert len(visits(world)) == (4 if gives_up else 5)
    assert len(world.thinker.prompts(Step.reflect)) == 1
    task = (await world.tasks())["one"]
    assert task.result
    assert world.git.commits[task.result.commit or ""].files["one.py"] == STORY[3 if gives_up else 4]
    assert [branch for branch, _ in world.git.pushes] == ["aurora/1.1"]
    found = sorted(kind for kind, *_ in await world.errors())
    assert found == ["lint", "syntax", "tests", "types"], "one for each failure, however often a node ran"
    kept = [tuple(row) for row in await world.pool.fetch("SELECT attempt, checkpoint FROM test_results ORDER BY 1, 2")]
    four = sorted(Checkpoint)
    assert kept == [(attempt, one) for attempt in ((1,) if gives_up else (1, 2)) for one in four]


@pytest.mark.parametrize("node", ["generate", "commit"])
async def test_the_saved_state_is_in_postgresql(world: World, database_url: str, monkeypatch, node: str):
    """The same with the saver that is used in earnest."""
    await prepare_saver(database_url)
    async with open_saver(database_url, 2) as saver:
        world.saver = saver  # type: ignore[assignment]
        mortal(world, monkeypatch, node, "after")
        world.times = 1
        with pytest.raises(Killed):
            await build(world, "WRONG", "GOOD")
        assert (await world.until_settled()).status is ProjectStatus.merged
        assert len(visits(world)) == 2


async def test_visits_that_change_nothing_end_before_all_attempts_are_used(world: World):
    """Five attempts are allowed; three that leave the files as they were are enough."""
    world.deeds[""] = lambda *_: None
    project = await world.start()
    assert project.status is ProjectStatus.escalated
    (task,) = (await world.tasks()).values()
    assert task.attempts == 3
    assert task.result
    assert "3 visits of the agent in a row changed nothing in the files." in (task.result.failure or "")
