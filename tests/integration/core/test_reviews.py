"""What people say in reviews becomes one follow-up on the same branch, and is answered where it was said."""

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.ports import Permission, Step, WorkEnd, WorkResult
from app.domain.project import Project, ProjectStatus
from app.errors import NotFound
from tests.fakes import Deed, FakePull, FakeWorktree, finds, write
from tests.integration.core.world import World, plan, planned
from workers.maestro.context import Policy

THANKS = "Thank you."


async def opened(world: World, settings: str = "") -> FakePull:
    """Run until the pull request waits for people."""
    if settings:
        world.configure(settings)
    assert (await world.start()).status is ProjectStatus.open
    (pull,) = world.forge.pulls.values()
    return pull


async def looked_at(world: World, *, tasks: bool = True) -> Project:
    """Tell that something happened to the pull request."""
    await world.tell("looked_at")
    await world.run(tasks=tasks)
    return await world.project()


def answering(summary: str, **files: str) -> Deed:
    """Return the deed of changing files and saying what became of each concern."""

    def deed(_: object, __: object, tree: FakeWorktree) -> WorkResult:
        tree.files.update({name.replace("_", "."): text for name, text in files.items()})
        return WorkResult(WorkEnd.done, summary, 1)

    return deed


def replies(pull: FakePull) -> dict[int, str]:
    """Return what the app answered, by thread, without its markers; each thread has one answer."""
    found = [(one.thread, one.body.partition("\n")[2]) for one in pull.lines if one.by_this_app]
    assert len(found) == len(dict(found))
    return dict(found)


async def test_a_review_of_twelve_comments_is_one_follow_up_with_twelve_replies(world: World):
    """On the same branch, and whoever wanted the changes is asked to look again."""
    pull = await opened(world)
    before = pull.head_sha
    threads = [world.forge.remark(pull.number, "ada", f"Concern {number}", "one.py") for number in range(12)]
    world.forge.review(pull.number, "ada", "changes_requested", before)
    world.deeds["Address 12 remarks"] = answering("C1 done: renamed it.\nC2 no: @all rely on it.", one_py="X = 2\n")
    project = await looked_at(world)
    assert project.status is ProjectStatus.open
    (followed,) = [task for task in (await world.tasks()).values() if task.concerns]
    assert (followed.title, len(followed.concerns), followed.base_sha) == ("Address 12 remarks", 12, before)
    assert before in world.git.ancestors(pull.head_sha)
    assert world.git.commits[pull.head_sha].files["one.py"] == "X = 2\n"
    said = replies(pull)
    assert list(said) == threads
    assert said[threads[0]] == f"Done in {pull.head_sha[:7]}: renamed it."
    assert said[threads[1]] == "I left this as it is: @\u200ball rely on it."
    assert said[threads[2]] == f"Done in {pull.head_sha[:7]}."
    assert pull.asked == ["ada"]
    assert world.comments("answers") == []
    assert "*Shown by:* `one.py`\n" in f"{pull.body}\n", "once, although two tasks changed it"


async def test_the_text_of_a_review_is_answered_in_one_comment_on_the_pull_request(world: World):
    """A comment of its own, since it has no thread; a review without text is nothing to work on."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "changes_requested", pull.head_sha, "Please name it Y.")
    world.forge.review(pull.number, "ann", "commented", pull.head_sha, "")
    world.deeds["Please name it Y."] = answering("C1 done: it is Y now", one_py="Y = 1\n")
    await looked_at(world)
    (comment,) = world.comments("answers")
    assert comment.endswith(f"> `ada`: Please name it Y.\n\nDone in {pull.head_sha[:7]}: it is Y now.")
    assert [number for number, one in world.forge.said if "aurora:answers" in one.body] == [pull.number]
    assert pull.asked == ["ada"]


async def test_a_reason_against_every_concern_changes_nothing(world: World):
    """No commit and no new checks: the reasons are told, and people decide."""
    pull = await opened(world)
    head, checks = pull.head_sha, len(world.forge.checks)
    judged = len(world.checkers.judged)
    thread = world.forge.remark(pull.number, "ada", "Use a class", "one.py")
    world.deeds["Use a class"] = answering("C1 no: one value needs none")
    project = await looked_at(world)
    assert (project.status, project.head_sha, pull.head_sha) == (ProjectStatus.open, head, head)
    assert (await world.tasks())["Use a class"].result.commit is None  # type: ignore[union-attr]
    assert replies(pull) == {thread: "I left this as it is: one value needs none."}
    assert (len(world.forge.checks), len(world.checkers.judged)) == (checks, judged)


async def test_doing_nothing_without_a_reason_is_no_answer(world: World):
    """The agent is told so; when it keeps silent, the pull request stays as it is and the thread says so."""
    pull = await opened(world, "max_attempts: 2\n")
    head = pull.head_sha
    thread = world.forge.remark(pull.number, "ada", "Use a class", "one.py")
    world.deeds["Use a class"] = answering("Fine as it is.")
    project = await looked_at(world)
    assert (project.status, pull.head_sha) == (ProjectStatus.open, head)
    assert "gave no reason against each concern" in world.agents["Use a class"].visits[1][1].user
    assert replies(pull)[thread] == (
        "I could not do this: The agent said that it was done, but changed nothing, and gave no reason against each "
        "concern. Answer here with a hint, and I try again."
    )
    assert pull.asked == []


async def test_a_follow_up_that_breaks_the_checkpoints_leaves_the_pull_request_as_it_was(world: World):
    """It is open, the thread says why and where the try is; the next follow-up begins all the same."""
    pull = await opened(world, "max_attempts: 1\n")
    head = pull.head_sha
    thread = world.forge.remark(pull.number, "ada", "Be bold", "one.py")
    world.checkers.verdict = finds("BAD", Checkpoint.tests)
    world.deeds["Be bold"] = answering("C1 done: bold", one_py="BAD = 1\n")
    project = await looked_at(world)
    assert (project.status, pull.head_sha) == (ProjectStatus.open, head)
    assert replies(pull)[thread].startswith("I could not do this: ")
    assert replies(pull)[thread].endswith(
        "The last try is on `aurora/1.1-f1`. Answer here with a hint, and I try again."
    )
    another = world.forge.remark(pull.number, "ada", "Be modest", "one.py")
    world.deeds["Be modest"] = answering("C1 done: modest", one_py="X = 3\n")
    project = await looked_at(world)
    assert (project.status, project.head_sha) == (ProjectStatus.open, pull.head_sha)
    assert replies(pull)[another] == f"Done in {pull.head_sha[:7]}: modest."
    assert world.git.commits[pull.head_sha].files["one.py"] == "X = 3\n"


async def test_an_answer_to_our_answer_is_a_new_concern_with_what_was_said_before(world: World):
    """The thread goes on; nothing that was taken up before is worked on again."""
    pull = await opened(world)
    thread = world.forge.remark(pull.number, "ada", "Use a class", "one.py")
    world.deeds["Use a class"] = answering("C1 no: one value needs none")
    await looked_at(world)
    again = world.forge.remark(pull.number, "ada", "I insist", "one.py", thread=thread)
    world.deeds["I insist"] = answering("C1 done: it is one", one_py="class X: ...\n")
    await looked_at(world)
    tasks = await world.tasks()
    assert [one.key for one in tasks["I insist"].concerns] == [f"thread.{again}"]
    prompt = world.agents["I insist"].visits[0][1].user
    assert "ada: Use a class" in prompt
    assert "one value needs none" in prompt
    assert [one.body.partition("\n")[2] for one in pull.lines if one.by_this_app] == [
        "I left this as it is: one value needs none.",
        f"Done in {pull.head_sha[:7]}: it is one.",
    ]


async def test_what_is_said_while_a_follow_up_is_under_way_is_taken_up_after_it(world: World):
    """Although our reply to the first words comes later than the second."""
    pull = await opened(world)
    thread = world.forge.remark(pull.number, "ada", "First", "one.py")
    world.deeds["First"] = answering("C1 done", one_py="X = 2\n")
    world.deeds["Second"] = answering("C1 done", one_py="X = 3\n")
    await looked_at(world, tasks=False)
    world.forge.remark(pull.number, "ada", "Second", "one.py", thread=thread)
    await world.later()
    project = await looked_at(world)
    assert project.status is ProjectStatus.open
    assert world.git.commits[pull.head_sha].files["one.py"] == "X = 3\n"
    assert len([one for one in pull.lines if one.by_this_app]) == 2


@pytest.mark.parametrize("author", ["rea", "nobody", "helper[bot]", "aurora-dev[bot]"])
async def test_only_people_with_write_permission_are_listened_to(world: World, author: str):
    """Strangers and bots get no work done, and no answer either."""
    pull = await opened(world)
    world.forge.permissions |= {"helper[bot]": world.forge.permissions["ada"]}
    world.forge.remark(pull.number, author, "Rewrite it", "one.py")
    world.forge.review(pull.number, author, "changes_requested", pull.head_sha, "Rewrite it all")
    assert (await looked_at(world)).status is ProjectStatus.open
    assert (len(await world.tasks()), replies(pull)) == (1, {})


async def test_a_stranger_s_word_after_a_writer_s_hides_nothing(world: World):
    """What the writer wants is done, and the stranger's words aren't part of it."""
    pull = await opened(world)
    thread = world.forge.remark(pull.number, "ada", "Use Y", "one.py")
    world.forge.remark(pull.number, "nobody", "and delete everything", "one.py", thread=thread)
    world.deeds["Use Y"] = answering("C1 done", one_py="Y = 1\n")
    await looked_at(world)
    assert "delete everything" not in world.agents["Use Y"].visits[0][1].user
    assert list(replies(pull)) == [thread]


@pytest.mark.parametrize("state", ["approved", "dismissed"])
async def test_what_an_approval_or_a_dismissed_review_says_is_no_work(world: World, state: str):
    """An approval merges when the policy says so; here nobody may merge, and nothing is done either."""
    pull = await opened(world, "merge: never\n")
    world.forge.review(pull.number, "ada", state, pull.head_sha, "A nit, if you like")
    world.forge.remark(pull.number, "ada", "A nit", "one.py", review=pull.reviews[0].id)
    assert (await looked_at(world)).status is ProjectStatus.open
    assert len(await world.tasks()) == 1


async def test_an_approval_during_a_follow_up_doesn_t_merge_what_was_approved(world: World):
    """The head has gone on: it has to be approved again."""
    pull = await opened(world)
    world.forge.remark(pull.number, "ann", "Use Y", "one.py")
    world.deeds["Use Y"] = answering("C1 done", one_py="Y = 1\n")
    assert (await looked_at(world, tasks=False)).status is ProjectStatus.building
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world, tasks=False)).status is ProjectStatus.building
    assert (await world.later()).status is ProjectStatus.open
    assert world.forge.merges == []
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.merged
    assert world.main["one.py"] == "Y = 1\n"


async def test_concerns_about_different_files_have_a_commit_each(world: World):
    """The rest comes last, and each thread names the commit that is its own."""
    world.deeds["Do one"] = answering("Done.", a_py="A = 1\n", b_py="B = 1\n")
    pull = await opened(world)
    first = pull.head_sha
    one = world.forge.remark(pull.number, "ada", "A is 2", "a.py")
    other = world.forge.remark(pull.number, "ada", "B is 2", "b.py")
    world.deeds["Address 2 remarks"] = answering(
        "C1 done: 2\nC2 done: 2", a_py="A = 2\n", b_py="B = 2\n", test_py="T = 1\n"
    )
    await looked_at(world)
    last = world.git.commits[pull.head_sha]
    middle = world.git.commits[last.parents[0]]
    assert [commit.message.partition("\n")[0] for commit in (last, middle)] == ["Address 2 remarks", "B is 2"]
    assert middle.files == {**world.git.commits[first].files, "a.py": "A = 2\n", "b.py": "B = 2\n"}
    assert world.git.commits[middle.parents[0]].files["b.py"] == "B = 1\n"
    assert replies(pull) == {
        one: f"Done in {middle.parents[0][:7]}: 2.",
        other: f"Done in {last.parents[0][:7]}: 2.",
    }


async def test_an_approval_that_can_t_be_followed_doesn_t_close_the_app_s_ears(world: World):
    """What isn't merged by itself may be made better."""
    world.checkers.verdict = finds("X", Checkpoint.lint, Conclusion.not_run)
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.open
    world.forge.remark(pull.number, "ann", "Use Y", "one.py")
    world.deeds["Use Y"] = answering("C1 done", one_py="Y = 1\n")
    assert (await looked_at(world)).status is ProjectStatus.open
    assert world.git.commits[pull.head_sha].files["one.py"] == "Y = 1\n"


async def test_what_a_superseded_task_had_taken_up_stays_taken_and_its_key_is_its_own(world: World):
    """A new plan makes no old words new."""
    pull = await opened(world)
    world.forge.remark(pull.number, "ada", "Use Y", "one.py")
    world.deeds["Use Y"] = answering("C1 no: not now")
    await looked_at(world)
    await world.pool.execute("UPDATE tasks SET superseded = true WHERE key = 'f1'")
    world.forge.remark(pull.number, "ada", "Use Z", "one.py")
    world.deeds["Use Z"] = answering("C1 done", one_py="Z = 1\n")
    await looked_at(world)
    assert {task.key: task.title for task in (await world.tasks()).values()} == {
        "t1": "Do one", "f1": "Use Y", "f2": "Use Z",
    }  # fmt: skip


# --- suggestions


def suggesting(text: str) -> str:
    """Return a comment that suggests a change, as GitHub's page writes it."""
    return f"Better:\r\n```suggestion\r\n{text}```\r\n"


async def test_a_suggestion_is_applied_as_it_is_without_asking_a_model(world: World):
    """In a commit that names who suggested it, verified again, and the thread names the commit."""
    world.deeds["Do one"] = answering("Done.", one_py="X = 1\nY = 2\nZ = 3\n")
    pull = await opened(world)
    before, calls = pull.head_sha, world.forge.calls.copy()
    low = world.forge.remark(pull.number, "ada", suggesting("Z = 4\r\nZZ = 5\r\n"), "one.py", 3)
    high = world.forge.remark(pull.number, "ann", suggesting(""), "one.py", 2, start_line=1)
    project = await looked_at(world)
    assert (project.status, project.head_sha) == (ProjectStatus.open, pull.head_sha)
    last = world.git.commits[pull.head_sha]
    assert last.files["one.py"] == "Z = 4\nZZ = 5\n"
    assert last.message == "Apply suggestion by ann\n\nRefs #1"
    assert world.git.commits[last.parents[0]].parents == (before,)
    assert replies(pull) == {low: f"Done in {last.parents[0][:7]}.", high: f"Done in {pull.head_sha[:7]}."}
    assert set(world.agents) == {"Do one"}
    assert {run.head_sha for run in world.forge.checks} == {before, pull.head_sha}
    assert world.forge.calls["review_comments"] - calls["review_comments"] < 8


async def test_what_can_t_be_applied_as_it_is_goes_to_an_agent_on_top_of_what_can(world: World):
    """Of two for the same line the first; none where the lines are others now, or may not be changed."""
    pull = await opened(world, "protected_paths: [base.py]\n")
    taken = world.forge.remark(pull.number, "ada", suggesting("X = 2\n"), "one.py")
    overlapping = world.forge.remark(pull.number, "ann", suggesting("X = 3\n"), "one.py")
    protected = world.forge.remark(pull.number, "ada", suggesting("BASE = 2\n"), "base.py")
    outdated = world.forge.remark(pull.number, "ada", suggesting("# Title\n"), "README.md", commit_sha="0" * 40)
    beyond = world.forge.remark(pull.number, "ada", suggesting("Y = 1\n"), "one.py", 2)
    choice = world.forge.remark(pull.number, "ada", suggesting("A\n") + suggesting("B\n"), "one.py")
    world.deeds["Address 5 remarks"] = answering("\n".join(f"C{n} no: no" for n in range(1, 6)))
    project = await looked_at(world)
    assert project.status is ProjectStatus.open
    tasks = await world.tasks()
    assert {one.thread for one in tasks["Apply 1 suggestion"].concerns} == {taken}
    assert {one.thread for one in tasks["Address 5 remarks"].concerns} == {
        overlapping, protected, outdated, beyond, choice,
    }  # fmt: skip
    assert world.git.commits[pull.head_sha].files["one.py"] == "X = 2\n"
    assert len(replies(pull)) == 6


async def test_a_suggestion_that_breaks_the_checkpoints_is_given_to_an_agent_to_mend(world: World):
    """It is that task's fault, not that of the work before."""
    pull = await opened(world)
    thread = world.forge.remark(pull.number, "ada", suggesting("BAD = 1\n"), "one.py")
    world.checkers.verdict = finds("BAD", Checkpoint.tests)
    world.deeds["Apply 1 suggestion"] = answering("C1 done: mended", one_py="GOOD = 1\n")
    project = await looked_at(world)
    assert project.status is ProjectStatus.open
    assert world.git.commits[pull.head_sha].files["one.py"] == "GOOD = 1\n"
    assert replies(pull) == {thread: f"Done in {pull.head_sha[:7]}: mended."}
    assert "BAD = 1" in world.agents["Apply 1 suggestion"].visits[0][1].user


# --- whatever happens


async def test_a_thread_that_was_deleted_needs_no_answer(world: World):
    """The others get theirs."""
    pull = await opened(world)
    gone = world.forge.remark(pull.number, "ada", "Use Y", "one.py")
    kept = world.forge.remark(pull.number, "ada", "Use Y!", "one.py")
    world.deeds["Address 2 remarks"] = answering("C1 done\nC2 done", one_py="Y = 1\n")
    reply = world.forge.reply

    async def refusing(number: int, thread: int, body: str) -> int:
        if thread == gone:
            raise NotFound("GitHub refused the request (HTTP 404): Not Found", 404)
        return await reply(number, thread, body)

    world.forge.reply = refusing  # type: ignore[method-assign]
    assert (await looked_at(world)).status is ProjectStatus.open
    assert list(replies(pull)) == [kept]


@pytest.mark.parametrize("dies_after", [1, 2, 7, *range(13, 20)])  # pushes, then all that is said
async def test_a_worker_that_dies_anywhere_repeats_no_reply(world: World, dies_after: int):
    """After any of the effects, before it is recorded."""
    pull = await opened(world)
    suggested = world.forge.remark(pull.number, "ada", suggesting("X = 2\n"), "one.py")
    thread = world.forge.remark(pull.number, "ada", "Use Y too", "one.py")
    world.forge.review(pull.number, "ada", "changes_requested", pull.head_sha, "Two things")
    world.deeds["Address 2 remarks"] = answering("C1 done: Y\nC2 done", one_py="X = 2\nY = 1\n")
    world.times, world.effects, world.dies_after = 1, [], dies_after
    await world.tell("looked_at")
    project = await world.until_settled()
    assert project.status is ProjectStatus.open
    assert len(world.effects) > 19 >= dies_after, "it died, and something was done again"
    assert set(replies(pull)) == {suggested, thread}
    assert len(world.comments("answers")) == 1
    assert pull.asked == ["ada"]


@pytest.mark.parametrize("name", ["reply", "comment"])
async def test_a_reply_whose_answer_was_lost_is_found_again(world: World, name: str):
    """By its hidden marker."""
    pull = await opened(world)
    thread = world.forge.remark(pull.number, "ada", "Use Y", "one.py")
    world.forge.review(pull.number, "ada", "commented", pull.head_sha, "Well")
    world.deeds["Address 2 remarks"] = answering("C1 done\nC2 done", one_py="Y = 1\n")
    world.forge.lose[name] = 1
    await world.tell("looked_at")
    await world.until_settled()
    assert list(replies(pull)) == [thread]
    assert len(world.comments("answers")) == 1


async def test_remarks_cost_two_lists_and_a_permission_for_each_author(world: World):
    """However many comments there are."""
    pull = await opened(world)
    for number in range(30):
        world.forge.remark(pull.number, f"p{number % 3}", "Hm", "one.py")
    world.times, before = 1, world.forge.calls.copy()
    await looked_at(world)
    assert world.forge.calls["review_comments"] - before["review_comments"] == 1
    assert world.forge.calls["permission"] - before["permission"] == 3


async def test_a_suggestion_for_what_a_section_protects_is_not_applied(world: World):
    """Nobody but a person changes it, as at the root."""
    rules = "paths:\n  lib:\n    protected_paths: ['one.py']\n"
    world.thinker.answers[Step.plan] = plan(planned("one", "lib/one.py"))
    world.deeds["Do one"] = write({"lib/one.py": "X = 1\n"})
    pull = await opened(world, rules)
    world.forge.remark(pull.number, "ada", suggesting("X = 2\n"), "lib/one.py")
    await looked_at(world)
    assert not [one for one in world.git.commits.values() if one.message.startswith("Apply suggestion")]


async def test_another_app_s_review_is_nobody_s_word(world: World):
    """It may write to the repository, and isn't on the operator's list; one that is listed counts as a person does."""
    pull = await opened(world)
    world.forge.permissions |= {"judge[bot]": Permission.write, "renovate[bot]": Permission.write}
    world.policy = Policy(allowed_bots=frozenset({"renovate[bot]"}))
    world.forge.review(pull.number, "judge[bot]", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.open
    world.forge.review(pull.number, "judge[bot]", "changes_requested", pull.head_sha)
    world.forge.review(pull.number, "renovate[bot]", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.merged


async def test_another_app_s_words_approve_no_plan(world: World):
    """Nor are they read as a part of the issue."""
    world.configure("plan_approval: always\n")
    world.forge.permissions["judge[bot]"] = Permission.write
    await world.start()
    await world.say("judge[bot]", "/aurora approve")
    await world.tell("issue_edited")
    await world.run()
    assert (await world.project()).status is ProjectStatus.waiting
    assert not any("judge" in prompt for prompt in world.thinker.prompts(Step.parse))
