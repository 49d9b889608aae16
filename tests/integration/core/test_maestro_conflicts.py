"""What the base, or a person, changed in the same lines is brought together with the work, or goes to a person."""

from contextlib import suppress
from typing import Any

import pytest

from app.domain.ports import Call, Prompt, Step
from app.domain.project import Project, ProjectStatus
from app.errors import Transient
from tests.fakes import MAIN, FakePull, write
from tests.integration.core.test_commands_obeyed import command
from tests.integration.core.world import Killed, World, advance_once_more, plan, planned
from workers.maestro.merging import LOSING, PROTECTED, TOO_MUCH, UNUSABLE

PATH, BEFORE = "calls.py", "f(a)\n"
OURS, THEIRS, BOTH = "f(a, b)\n", "f(a, c)\n", "f(a, b, c)\n"


def merged(text: str, path: str = PATH) -> dict[str, Any]:
    """Return what the merge step answers."""
    return {"files": [{"path": path, "content": text}]}


async def opened(world: World, text: str = OURS, **more: Any) -> FakePull:
    """Work on a line of a file until the pull request waits for people."""
    world.git.onto(MAIN, calls_py=BEFORE)
    world.thinker.answers[Step.plan] = plan(planned("one", PATH))
    world.deeds["Do one"] = write({PATH: text})
    assert (await world.start(**more)).status is ProjectStatus.open
    (pull,) = world.forge.pulls.values()
    return pull


async def approved(world: World, pull: FakePull) -> Project:
    """Approve what the branch is at, and let that have its effects."""
    world.forge.review(pull.number, "ada", "approved", world.git.remote[pull.head])
    await world.tell("looked_at")
    await world.run()
    return await world.project()


def pushed_over(world: World, pull: FakePull) -> str:
    """Push a commit of one's own to the branch, in place of what was there."""
    base = world.git.remote[MAIN]
    files = {**world.git.commits[base].files, PATH: THEIRS}
    world.git.remote[pull.head] = world.git.commit(files, [base], "By a person")
    return world.git.remote[pull.head]


async def test_a_base_that_changed_the_same_line_is_resolved_verified_and_merged(world: World):
    """Each job runs twice, and the model is asked once; the approval has to be of the new head."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = merged(BOTH)
    project = await approved(world, pull)
    assert project.status is ProjectStatus.open
    assert world.git.commits[project.head_sha or ""].files[PATH] == BOTH
    assert {run.name for run in world.forge.checks if run.head_sha == project.head_sha} >= {"aurora / tests"}
    assert (await approved(world, pull)).status is ProjectStatus.merged
    assert world.main[PATH] == BOTH
    (prompt,) = world.thinker.prompts(Step.merge)
    for shown in ("REQ-001", BEFORE, OURS, THEIRS, "By a person", PATH):
        assert shown.strip() in prompt
    world.assert_nothing_doubled()


async def test_who_wanted_it_merged_is_told_that_it_has_changed_since(world: World):
    """Nobody has seen what a model made of both sides: the word has to be given again, and is enough then."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = merged(BOTH)
    project = await command(world, "/aurora merge", pull.number)
    assert project.status is ProjectStatus.open
    assert "changed after `/aurora merge` was written" in (project.reason or "")
    assert "changed after `/aurora merge` was written" in world.comments("progress")[0]
    assert (await command(world, "/aurora merge", pull.number)).status is ProjectStatus.merged


async def test_a_resolved_conflict_is_remembered_once(world: World):
    """With the files that it was in."""
    pull = await opened(world)
    theirs = world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = merged(BOTH)
    await approved(world, pull)
    (row,) = await world.pool.fetch("SELECT content, source FROM working_memory WHERE kind = 'conflict'")
    assert PATH in row["content"]
    assert theirs in str(row["source"])


async def test_what_a_resolution_loses_is_told_and_the_next_one_counts(world: World):
    """The model hears which side's words are missing."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = [merged(OURS), merged(BOTH)]
    await approved(world, pull)
    assert (await approved(world, pull)).status is ProjectStatus.merged
    assert world.main[PATH] == BOTH
    first, second = world.thinker.prompts(Step.merge)
    assert "refused" not in first
    assert "`c`" in second.split("refused")[1]


@pytest.mark.parametrize("lossy", [OURS, THEIRS, BEFORE, "", f"<<<<<<< x\n{OURS}=======\n{THEIRS}>>>>>>> y\n"])
async def test_where_every_resolution_loses_something_a_person_is_asked_and_nothing_is_lost(world: World, lossy: str):
    """Branch and base stay as they are; the comment names the file and both sides."""
    pull = await opened(world)
    head, moved = world.git.remote[pull.head], world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = merged(lossy)
    assert (await approved(world, pull)).status is ProjectStatus.escalated
    assert (world.git.remote[pull.head], world.git.remote[MAIN]) == (head, moved)
    (said,) = world.comments("escalation")
    assert "`main` has moved" in said
    assert f"`{PATH}`" in said
    assert LOSING in said
    assert len(world.thinker.prompts(Step.merge)) == 2
    (row,) = await world.pool.fetch("SELECT * FROM agent_errors")
    assert (row["error_type"], row["task_id"], row["agent"]) == ("conflict", world.project_id, "maestro")
    assert PATH in row["message"]
    await advance_once_more(world)
    assert len(world.thinker.prompts(Step.merge)) == 2


async def test_without_a_usable_answer_a_person_is_asked(world: World):
    """And told so."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)
    assert (await approved(world, pull)).status is ProjectStatus.escalated
    assert UNUSABLE in world.comments("escalation")[0]


async def test_what_no_text_settles_is_asked_of_a_person_and_of_no_model(world: World):
    """One side deleted the file."""
    pull = await opened(world)
    before = world.git.remote[MAIN]
    files = {path: text for path, text in world.main.items() if path != PATH}
    world.git.remote[MAIN] = world.git.commit(files, [before], "Not needed any more")
    assert (await approved(world, pull)).status is ProjectStatus.escalated
    (said,) = world.comments("escalation")
    assert f"`{PATH}` needs a person: one side deleted it." in said
    assert world.thinker.prompts(Step.merge) == []


async def test_too_much_for_one_answer_is_asked_of_a_person(world: World):
    """Nobody pays for an answer that can't come."""
    long = "".join(f"v{number} = {number}\n" for number in range(6_000))
    pull = await opened(world, long + OURS)
    world.git.onto(MAIN, calls_py=long + THEIRS)
    assert (await approved(world, pull)).status is ProjectStatus.escalated
    assert TOO_MUCH in world.comments("escalation")[0]
    assert world.thinker.prompts(Step.merge) == []


async def test_what_a_person_pushed_into_the_same_line_is_kept_with_the_work(world: World):
    """Their commit is part of the head, and everything is verified with it."""
    pull = await opened(world)
    theirs = pushed_over(world, pull)
    world.thinker.answers[Step.merge] = merged(BOTH)
    await world.tell("looked_at")
    await world.run()
    project = await world.project()
    assert project.status is ProjectStatus.open
    assert world.git.remote[pull.head] == project.head_sha
    assert theirs in world.git.ancestors(project.head_sha or "")
    assert world.git.commits[project.head_sha or ""].files[PATH] == BOTH
    assert (await approved(world, pull)).status is ProjectStatus.merged
    assert world.main[PATH] == BOTH


async def test_what_a_person_pushed_is_left_alone_where_no_resolution_keeps_it(world: World):
    """The branch stays at their commit, and ours is named."""
    pull = await opened(world)
    theirs = pushed_over(world, pull)
    world.thinker.answers[Step.merge] = merged(THEIRS)
    await world.tell("looked_at")
    await world.run()
    assert (await world.project()).status is ProjectStatus.escalated
    assert world.git.remote[pull.head] == theirs
    (said,) = world.comments("escalation")
    assert f"Somebody pushed to `{pull.head}`" in said
    assert f"`{PATH}`" in said


async def test_a_cap_or_an_outage_is_no_verdict(world: World):
    """Where the money ends the project is paused, with the conflict as it is."""
    pull = await opened(world, budget=0.0275)
    world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = merged(BOTH)
    assert (await approved(world, pull)).status is ProjectStatus.paused
    assert world.comments("escalation") == []


async def test_an_outage_of_the_model_is_waited_for(world: World):
    """Then it is resolved as if nothing had been."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = [Transient("The model can't be reached."), merged(BOTH)]
    world.times = 1
    assert (await approved(world, pull)).status is not ProjectStatus.escalated
    project = await world.until_settled()
    assert world.git.commits[project.head_sha or ""].files[PATH] == BOTH


@pytest.mark.parametrize("after", range(1, 7))
async def test_a_worker_that_dies_around_a_conflict_changes_nothing(world: World, after: int):
    """After each effect in turn; the model isn't asked again, and the merge is the same."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)
    world.thinker.answers[Step.merge] = [merged(OURS), merged(BOTH)]
    world.dies_after = len(world.effects) + after
    with suppress(Killed):
        await approved(world, pull)
    assert world.dead, "there are as many effects"
    await world.until_settled()
    assert (await approved(world, pull)).status is ProjectStatus.merged
    assert world.main[PATH] == BOTH
    assert len(world.thinker.prompts(Step.merge)) == 2
    world.assert_nothing_doubled()


async def test_a_worker_that_dies_with_the_answer_in_the_journal_asks_no_second_time(world: World):
    """The answer is paid for, and used by the next worker."""
    pull = await opened(world)
    world.git.onto(MAIN, calls_py=THEIRS)

    def answer_and_die(_: Call, __: Prompt) -> dict[str, Any]:
        world.dead = True
        return merged(BOTH)

    world.thinker.answers[Step.merge] = answer_and_die
    with suppress(Killed):
        await approved(world, pull)
    project = await world.until_settled()
    assert world.git.commits[project.head_sha or ""].files[PATH] == BOTH
    assert len(world.thinker.prompts(Step.merge)) == 1


async def test_a_conflict_in_what_no_agent_may_change_is_for_a_person(world: World):
    """No model is asked, though its answer might keep both sides: it might add to them too."""
    world.configure(f"protected_paths: [{PATH}]\n")
    pull = await opened(world)
    pushed_over(world, pull)
    world.git.onto(MAIN, calls_py="f(a, d)\n")
    world.thinker.answers[Step.merge] = merged("f(a, b, c, d)\nsteal()\n")
    await world.tell("pull_pushed")
    await world.run()
    project = await world.project()
    assert project.status is ProjectStatus.escalated
    assert world.thinker.prompts(Step.merge) == []
    assert PROTECTED in world.comments("escalation")[0]
