"""Commands, carried out: what a person writes changes what happens, once, and is answered where they wrote it."""

from dataclasses import replace

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.commands import dump, read
from app.domain.ports import Step
from app.domain.project import Project, ProjectStatus
from app.domain.repository_settings import MergePolicy
from app.domain.task import TaskStatus
from app.errors import SandboxUnavailable
from app.storage import projects
from tests.fakes import MAIN, FakeBench, FakePull, finds, passes, write
from tests.integration.core.test_maestro_delivering import looked_at, opened
from tests.integration.core.world import ISSUE, World, plan, planned
from workers.maestro.context import Policy


async def command(world: World, text: str, number: int = ISSUE, by: str = "ann") -> Project:
    """Write a comment, have Maestro hear of it, and let everything happen."""
    comment = world.forge.say(number, by, text)
    await world.tell("said", comment=comment, number=number, by=by, commands=dump(read(text)))
    await world.run()
    return await world.until_settled()


def answers(world: World) -> list[str]:
    """Return what was answered, without its marker."""
    return [body.partition("\n")[2] for body in world.comments("answer")]


async def test_a_ticked_box_starts_the_plan_that_it_stands_in(world: World):
    """Of an earlier plan it is worth nothing."""
    world.configure("plan_approval: always\nmerge: auto\n")
    await world.start()
    shown = (await world.project()).plan_comment
    await world.tell("ticked", comment=(shown or 0) - 1, by="ann")
    await world.run()
    assert (await world.project()).status is ProjectStatus.waiting
    await world.tell("ticked", comment=shown, by="ann")
    await world.run()
    assert (await world.until_settled()).status is ProjectStatus.merged


async def test_a_plan_is_made_anew_with_the_words_and_approved_then(world: World):
    """Each plan has a comment of its own; who approves means the last."""
    world.configure("plan_approval: always\nmerge: auto\n")
    world.thinker.answers[Step.plan] = [plan(planned("one", "one.py")), plan(planned("two", "two.py"))]
    await world.start()
    await command(world, "/aurora revise Call it two.")
    assert "ann: Call it two." in world.thinker.prompts(Step.plan)[-1]
    assert len(world.comments("plan")) == 2
    assert list(await world.tasks()) == ["two"]
    project = await command(world, "/aurora approve")
    assert project.status is ProjectStatus.merged
    assert "two.py" in world.main
    assert "one.py" not in world.main
    world.assert_nothing_doubled()


async def test_an_approval_from_before_the_plan_is_answered(world: World):
    """It is told what to do now."""
    world.configure("plan_approval: always\n")
    await world.label()
    comment = world.forge.say(ISSUE, "ann", "/aurora approve")
    await world.run()
    await world.tell("said", comment=comment, number=ISSUE, by="ann", commands=dump(read("/aurora approve")))
    await world.run()
    assert (await world.project()).status is ProjectStatus.waiting
    assert answers(world) == [
        "That was written before this plan was shown. Please look at the plan, and approve it again."
    ]


@pytest.mark.parametrize(("begun", "keys"), [("one", ["t1", "t2"]), ("two", ["t2", "t3"])])
async def test_work_under_way_is_let_go_when_the_plan_is_revised(world: World, begun: str, keys: list[str]):
    """What was made for the old plan stays on its branch and is no part of the result; its key names nothing else."""
    world.configure("merge: auto\n")
    world.thinker.answers[Step.plan] = [
        plan(planned("one", "one.py"), planned("two", "two.py")), plan(planned("three", "three.py")),
    ]  # fmt: skip
    await world.label()
    await world.run(tasks=False)
    old = (await world.tasks())[begun]
    await world.jobs.run_task(old.id)
    assert (await command(world, "/aurora revise Only three.")).status is ProjectStatus.merged
    assert {"three.py"} == {path for path in world.main if path in {"one.py", "two.py", "three.py"}}
    assert old.branch in world.branches
    assert [(task.key, task.superseded) for task in (await world.tasks()).values()] == [
        (keys[0], True),
        (keys[1], False),
    ]


async def test_tasks_of_a_new_plan_are_not_begun_by_what_the_old_plan_left(world: World):
    """Nobody had begun the old ones when they went; what told of them goes with them."""
    world.configure("plan_approval: always\n")
    world.thinker.answers[Step.plan] = [plan(planned("one", "one.py")), plan(planned("two", "two.py"))]
    await world.start()
    await world.tell("said", comment=900, number=ISSUE, by="ann", commands=dump(read("/aurora approve")))
    await world.run(tasks=False)
    assert [task.status for task in (await world.tasks()).values()] == [TaskStatus.ready]
    comment = world.forge.say(ISSUE, "ann", "/aurora revise Something else.")
    await world.tell("said", comment=comment, number=ISSUE, by="ann", commands=dump(read("/aurora revise Else.")))
    await world.run()
    assert (await world.until_settled()).status is ProjectStatus.waiting
    assert {name: task.status for name, task in (await world.tasks()).items()} == {"two": TaskStatus.pending}
    assert not await world.jobs.leases.waits(None)


async def test_what_failed_and_was_pushed_is_built_anew_on_its_branch(world: World):
    """The branch holds the last attempt; whatever comes next replaces it, and is told of."""
    world.configure("merge: auto\nmax_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    assert (await world.start()).status is ProjectStatus.escalated
    assert (await command(world, "/aurora revise Once more.")).status is ProjectStatus.escalated
    assert len(world.comments("escalation")) == 2
    world.checkers.verdict = passes
    assert (await command(world, "/aurora revise And again.")).status is ProjectStatus.merged
    assert [kind for kind, *_ in await world.errors() if kind == "git"] == []


async def test_what_failed_is_tried_again_with_what_was_learned(world: World):
    """The escalation is no end: the task goes on with its lessons, and the hint of a person."""
    world.configure("merge: auto\nmax_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    assert (await world.start()).status is ProjectStatus.escalated
    world.checkers.verdict = passes
    assert (await command(world, "/aurora fix Use the other file.")).status is ProjectStatus.merged
    prompt = world.agents["Do one"].visits[-1][1].user
    assert "Do it right." in prompt
    assert "Use the other file." in prompt
    assert len(world.comments("escalation")) == 1


async def test_one_task_is_tried_again_by_its_name(world: World):
    """A name that nothing has is answered with those that there are."""
    world.configure("max_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    await world.start()
    await command(world, "/aurora retry t7")
    assert answers(world) == ["Task `t7` hasn't failed. To try again: `/aurora retry t1`."]
    world.checkers.verdict = passes
    assert (await command(world, "/aurora retry t1")).status is ProjectStatus.open


async def test_a_second_failure_is_told_again(world: World):
    """Once for each time that it was tried."""
    world.configure("max_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    await world.start()
    assert (await command(world, "/aurora retry")).status is ProjectStatus.escalated
    assert len(world.comments("escalation")) == 2


async def test_a_wish_becomes_one_more_task_on_the_same_pull_request(world: World):
    """The pull request stays the same, and its head goes on from what was there."""
    pull = await opened(world)
    before = pull.head_sha
    world.deeds["add a comment"] = write({"note.txt": "hello"})
    project = await command(world, "/aurora fix add a comment", number=pull.number)
    assert project.status is ProjectStatus.open
    assert len(world.forge.pulls) == 1
    assert before in world.git.ancestors(world.git.remote["aurora/1.1"])
    assert "note.txt" in world.git.commits[world.git.remote["aurora/1.1"]].files


async def test_a_wish_that_comes_while_work_is_under_way_is_done_after_it(world: World):
    """It depends on all that there is."""
    world.configure("merge: auto\n")
    await world.label()
    await world.run(tasks=False)
    world.deeds["greet"] = write({"greet.txt": "hello"})
    assert (await command(world, "/aurora fix greet")).status is ProjectStatus.merged
    assert {"one.py", "greet.txt"} <= set(world.main)


async def test_a_wish_that_can_t_be_done_leaves_the_work_as_it_was(world: World):
    """The pull request is open as before."""
    pull = await opened(world)
    before = world.git.remote["aurora/1.1"]
    world.checkers.verdict = finds("BAD", Checkpoint.tests)
    world.deeds["break it"] = write({"bad.py": "BAD"})
    project = await command(world, "/aurora fix break it", number=pull.number)
    assert project.status is ProjectStatus.open
    assert world.git.remote["aurora/1.1"] == before


async def test_two_wishes_in_one_comment_are_one_follow_up_and_an_edit_may_add_a_third(world: World):
    """None of them is lost."""
    pull = await opened(world)
    await command(world, "/aurora fix add a comment\n/aurora fix add a name", number=pull.number)
    (first,) = [task for task in (await world.tasks()).values() if task.concerns]
    assert first.concerns[0].text == "add a comment\n\nadd a name"
    more = dump(read("/aurora fix add an end"))
    await world.tell("said", comment=first.concerns[0].id, edit="e", number=pull.number, by="ann", commands=more)
    await world.run()
    await world.until_settled()
    assert [task.concerns[0].text for task in (await world.tasks()).values() if task.concerns] == [
        first.concerns[0].text,
        "add an end",
    ]


async def test_a_person_has_it_merged_whatever_the_policy(world: World):
    """Only what passed its checkpoints."""
    world.configure("merge: never\n")
    pull = await opened(world)
    assert (await command(world, "/aurora merge", number=pull.number)).status is ProjectStatus.merged


async def test_what_didn_t_pass_is_not_merged_at_anybody_s_word(world: World):
    """The answer names what stands in the way."""
    world.checkers.verdict = finds("X = 1", Checkpoint.types, Conclusion.not_run)
    pull = await opened(world)
    assert (await command(world, "/aurora merge", number=pull.number)).status is ProjectStatus.open
    assert "`aurora / types`" in answers(world)[0]
    assert (await command(world, "/aurora merge", number=pull.number)).status is ProjectStatus.open


async def test_the_base_is_brought_in_at_a_word(world: World):
    """What is up to date already is answered."""
    pull = await opened(world)
    await command(world, "/aurora rebase", number=pull.number)
    assert answers(world) == ["The branch has everything that is in `main` already."]
    base = world.git.onto(MAIN, news_py="N = 1\n")
    assert (await command(world, "/aurora rebase", number=pull.number)).status is ProjectStatus.open
    assert base in world.git.ancestors(world.git.remote["aurora/1.1"])


async def test_a_head_that_was_made_for_the_base_is_at_hand_on_other_machines_before_it_is_verified(world: World):
    """On a branch that is no pull request's, and gone once it is merged."""
    pull = await opened(world)
    world.git.onto(MAIN, news_py="N = 1\n")
    await command(world, "/aurora rebase", number=pull.number)
    shared, shown = [
        world.git.pushes.index((branch, world.git.remote["aurora/1.1"])) for branch in ("aurora/1.1-next", "aurora/1.1")
    ]
    assert shared < shown
    assert (await command(world, "/aurora merge", number=pull.number)).status is ProjectStatus.merged
    assert set(world.git.remote) == {MAIN}


async def test_what_was_merged_is_taken_back_by_a_pull_request(world: World):
    """It is a run of its own, which closes no issue and is merged when somebody approves it."""
    world.configure("merge: auto\n")
    assert (await world.start()).status is ProjectStatus.merged
    world.git.onto(MAIN, later_py="LATER = 1\n")
    world.configure("merge: on-approval\n")
    await command(world, "/aurora revert")
    world.project_id = await world.pool.fetchval("SELECT id FROM projects WHERE run = 2")
    project = await world.until_settled()
    assert (project.status, project.requested_by) == (ProjectStatus.merged, "ann")
    assert "one.py" not in world.main
    assert "later.py" in world.main
    reverting: FakePull = next(pull for pull in world.forge.pulls.values() if pull.title.startswith("Revert"))
    assert "Takes back what was merged for #1" in reverting.body
    assert "Closes #1" not in reverting.body


@pytest.mark.parametrize(
    ("another", "said"),
    [(True, "Another run of the issue is under way"), (False, "Taking it back was begun already")],
    ids=["labelled again", "reverted already"],
)
async def test_what_was_merged_is_taken_back_once_and_not_beside_another_run(world: World, another, said):
    """It is said so, where it was asked for."""
    world.configure("merge: auto\n")
    merged = await world.start()
    assert merged.pull_request
    if another:
        world.forge.issues[ISSUE] = replace(world.forge.issues[ISSUE], state="open")
        world.configure("plan_approval: always\n")
        await world.label()
        await world.until_settled()
    else:
        await command(world, "/aurora revert")
    world.project_id = merged.id
    await command(world, "/aurora revert", merged.pull_request.number)
    (answer,) = answers(world)
    assert answer.startswith(said)
    assert await world.pool.fetchval("SELECT count(*) FROM projects") == 2
    assert [kind for kind, *_ in await world.errors() if kind == "internal"] == []


async def test_what_was_taken_back_and_put_in_again_is_taken_back_once_more(world: World):
    """Whether the work is in the base counts, not how often it was taken out."""
    world.configure("merge: auto\n")
    assert (await world.start()).run == 1
    for run, of, there in ((2, 1, False), (3, 2, True), (4, 1, False)):
        world.project_id = await world.pool.fetchval("SELECT id FROM projects WHERE run = $1", of)
        number = (await world.project()).pull_request
        assert number
        await command(world, "/aurora revert", number.number)
        world.project_id = await world.pool.fetchval("SELECT id FROM projects WHERE run = $1", run)
        assert (await world.until_settled()).status is ProjectStatus.merged
        assert ("one.py" in world.main) is there


async def test_an_edit_while_planning_is_read_and_one_while_building_is_asked_about(world: World):
    """Once for each text, however often it is told."""
    world.configure("plan_approval: always\n")
    await world.start()
    reads = len(world.thinker.prompts(Step.parse))
    world.forge.issues[ISSUE] = replace(world.forge.issues[ISSUE], title="Another title", body="Other words.")
    await world.tell("issue_edited", by="ann", digest="a")
    await world.run()
    assert len(world.thinker.prompts(Step.parse)) == reads + 1
    assert len(world.comments("plan")) == 2
    await command(world, "/aurora approve")
    for digest in ("b", "b"):
        await world.tell("issue_edited", by="ann", digest=digest)
        await world.run()
    assert len(world.comments("edited")) == 1


async def test_somebody_s_commit_on_the_branch_is_kept_and_built_upon(world: World):
    """It is verified with everything, and an approval of it merges it."""
    pull = await opened(world)
    theirs = world.git.onto("aurora/1.1", theirs_py="T = 1\n")
    await world.tell("pull_pushed")
    await world.run()
    project = await world.project()
    assert (project.status, project.head_sha) == (ProjectStatus.open, theirs)
    world.forge.review(pull.number, "ada", "approved", theirs)
    assert (await looked_at(world)).status is ProjectStatus.merged
    assert {"one.py", "theirs.py"} <= set(world.main)


async def test_cancelling_ends_it_and_leaves_the_branches(world: World):
    """Nothing is said in a new comment."""
    pull = await opened(world)
    project = await command(world, "/aurora cancel", number=pull.number)
    assert project.status is ProjectStatus.cancelled
    assert "`ann` cancelled it" in (project.reason or "")
    assert not answers(world)
    assert "aurora/1.1" in world.branches
    await command(world, "/aurora cancel")
    assert answers(world) == ["This run is cancelled already."]


async def test_a_reopened_pull_request_takes_up_its_run(world: World):
    """It ended when it was closed by hand."""
    pull = await opened(world)
    pull.state = "closed"
    await world.tell("pull_closed", why="Pull request #2 was closed.")
    await world.run()
    assert (await world.project()).status is ProjectStatus.cancelled
    pull.state = "open"
    await world.tell("pull_reopened")
    await world.run()
    assert (await world.project()).status is ProjectStatus.open
    world.assert_nothing_doubled()


async def test_an_app_that_was_uninstalled_says_nothing_and_ends(world: World):
    """Whatever it would ask of GitHub is refused by then."""
    await world.label()
    await world.run(tasks=False)
    world.forge.fail = {name: AssertionError(name) for name in ("comment", "edit_comment", "change_labels", "issue")}
    await world.tell("uninstalled", why="The app was uninstalled.")
    await world.run()
    project = await world.project()
    assert (project.status, project.muted) == (ProjectStatus.cancelled, True)
    assert {task.status for task in (await world.tasks()).values()} == {TaskStatus.cancelled}


async def test_a_suspended_app_waits_and_goes_on(world: World):
    """Nothing that was done is lost."""
    world.configure("merge: auto\n")
    await world.label()
    await world.run(tasks=False)
    await world.tell("suspended")
    await world.run(tasks=False)
    assert (await world.project()).status is ProjectStatus.paused
    await world.tell("restored")
    await world.run()
    assert (await world.until_settled()).status is ProjectStatus.merged


async def test_what_a_person_paused_stays_so_after_a_suspension(world: World):
    world.configure("plan_approval: always\n")
    await world.start()
    await command(world, "/aurora pause")
    for event in ("suspended", "restored"):
        await world.tell(event)
        await world.run()
    project = await world.project()
    assert (project.status, project.muted) == (ProjectStatus.paused, False)
    assert project.reason == "`ann` paused it."


@pytest.mark.parametrize("effects", range(1, 4))
async def test_a_worker_that_dies_over_a_wish_does_it_once(world: World, effects: int):
    """Whatever was done by then is not done again."""
    pull = await opened(world)
    world.deeds["greet"] = write({"greet.txt": "hello"})
    world.times, world.dies_after = 1, len(world.effects) + effects
    comment = world.forge.say(pull.number, "ann", "/aurora fix greet")
    await world.tell("said", comment=comment, number=pull.number, by="ann", commands=dump(read("/aurora fix greet")))
    project = await world.until_settled()
    assert project.status is ProjectStatus.open
    assert [task.key for task in (await world.tasks()).values()] == ["t1", "f1"]
    world.assert_nothing_doubled()


async def test_what_always_fails_is_given_up_and_keeps_nothing_else_waiting(world: World, monkeypatch):
    """A person is asked then; without that it would be tried again each minute, and `cancel` never be heard."""
    await opened(world)

    async def fail(_: FakeBench) -> list[str]:
        raise SandboxUnavailable("There is no sandbox.")

    monkeypatch.setattr(FakeBench, "format", fail)
    head = (await world.project()).head_sha
    await world.tell("action_format", check="aurora / lint", head=head, by="ann", guid="g")
    await world.run()
    assert (await world.until_settled()).status is ProjectStatus.escalated
    assert "There is no sandbox." in world.comments("escalation")[0]
    world.assert_nothing_doubled()


async def test_a_cancel_after_what_always_fails_is_heard(world: World, monkeypatch):
    await opened(world)

    async def fail(_: FakeBench) -> list[str]:
        raise SandboxUnavailable("There is no sandbox.")

    monkeypatch.setattr(FakeBench, "format", fail)
    head = (await world.project()).head_sha
    await world.tell("action_format", check="aurora / lint", head=head, by="ann", guid="g")
    await command(world, "/aurora cancel")
    assert (await world.until_settled()).status is ProjectStatus.cancelled


async def test_the_formatter_changes_nothing_that_no_agent_may(world: World, monkeypatch):
    """It is the repository's own command, and may touch what it wants."""
    world.deeds["Do one"] = write({"one.py": "X=1\n"})
    await opened(world, "protected_paths: [kept.py]\n")

    async def format_all(bench: FakeBench) -> list[str]:
        bench.worktree.files |= {"one.py": "X = 1\n", "kept.py": "stolen\n", ".github/workflows/ci.yml": "on: push\n"}
        return ["one.py", "kept.py"]

    monkeypatch.setattr(FakeBench, "format", format_all)
    head = (await world.project()).head_sha or ""
    await world.tell("action_format", check="aurora / lint", head=head, by="ann", guid="g")
    await world.run()
    project = await world.until_settled()
    now = world.git.commits[project.head_sha or ""].files
    assert now == {**world.git.commits[head].files, "one.py": "X = 1\n"}


async def test_a_follow_up_on_a_revert_goes_on_from_it(world: World):
    """What takes the work back stays in the pull request; there is no plan to be made anew."""
    world.configure("merge: auto\n")
    assert (await world.start()).status is ProjectStatus.merged
    world.policy = Policy(merge=MergePolicy.never)
    await command(world, "/aurora revert")
    world.project_id = await world.pool.fetchval("SELECT id FROM projects WHERE run = 2")
    project = await world.until_settled()
    assert project.status is ProjectStatus.open
    world.deeds["say why"] = write({"why.txt": "It was slow.\n"})
    project = await command(world, "/aurora fix say why", project.pull_request.number)
    assert project.status is ProjectStatus.open
    files = world.git.commits[world.git.remote["aurora/1.2"]].files
    assert "one.py" not in files
    assert "why.txt" in files
    await command(world, "/aurora revise Do it otherwise.", project.pull_request.number)
    assert answers(world) == [
        "There is a pull request already. Write `/aurora fix <text>` to have it changed, or review #3."
    ]


@pytest.mark.parametrize("text", ["/aurora retry", "/aurora fix more", "/aurora revise anew"])
async def test_a_run_that_has_ended_is_not_taken_up_beside_another(world: World, text: str):
    """It is said where the other one is."""
    world.configure("max_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    first = await world.start()
    assert first.status is ProjectStatus.escalated
    world.configure("plan_approval: always\n")
    await world.label()
    await world.until_settled()
    world.project_id = first.id
    assert (await command(world, text)).status is ProjectStatus.escalated
    assert answers(world) == ["Another run of the issue is under way, run 2 of #1: what you want belongs there."]
    assert [kind for kind, *_ in await world.errors() if kind in {"internal", "storage"}] == []


async def test_events_of_an_earlier_run_leave_the_label_of_the_last_one(world: World):
    world.configure("max_attempts: 1\n")
    world.checkers.verdict = finds("X = 1", Checkpoint.tests)
    first = await world.start()
    assert world.labels == {"aurora", "aurora: escalated"}
    world.configure("plan_approval: always\n")
    await world.label()
    await world.until_settled()
    assert world.labels == {"aurora", "aurora: waiting"}
    world.project_id = first.id
    await world.tell("pull_closed", why="Pull request #2 was closed.")
    await world.run()
    assert world.labels == {"aurora", "aurora: waiting"}


async def test_a_pause_ends_with_its_run(world: World):
    """Taken up again, the run isn't held by anybody."""
    pull = await opened(world)
    async with world.pool.acquire() as connection:
        await projects.hold(connection, world.project_id, held=True)
    await command(world, "/aurora pause", number=pull.number)
    pull.state = "closed"
    await world.tell("pull_closed", why="Pull request #2 was closed.")
    await world.run()
    assert (await world.project()).status is ProjectStatus.cancelled
    pull.state = "open"
    await world.tell("pull_reopened")
    await world.run()
    world.deeds["greet"] = write({"greet.txt": "hello"})
    assert (await command(world, "/aurora fix greet", number=pull.number)).status is ProjectStatus.open
    assert "greet.txt" in world.git.commits[world.git.remote["aurora/1.1"]].files


async def test_what_is_asked_of_a_pull_request_that_is_being_changed_is_answered_so(world: World):
    """There is one: it only isn't ready."""
    pull = await opened(world)
    comment = world.forge.say(pull.number, "ann", "/aurora fix greet\n/aurora merge\n/aurora rebase")
    orders = dump(read("/aurora fix greet\n/aurora merge\n/aurora rebase"))
    world.deeds["greet"] = write({"greet.txt": "hello"})
    await world.tell("said", comment=comment, number=pull.number, by="ann", commands=orders)
    await world.until_settled()
    (answer,) = answers(world)
    assert "no pull request" not in answer
    assert answer.count(f"Work on #{pull.number} goes on") == 2
