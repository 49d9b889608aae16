"""Maestro opens the pull request, and merges what was verified when the policy allows."""

from collections.abc import Mapping

import pytest

from app.domain.checks import Checkpoint, Conclusion
from app.domain.ports import Merge, MergeOutcome
from app.domain.project import Project, ProjectStatus
from app.domain.repository_settings import MergePolicy
from tests.fakes import MAIN, FakePull, finds
from tests.integration.core.world import World
from workers.maestro.context import Policy

REFUSED = Merge(MergeOutcome.refused, reason="At least 1 approving review is required")
BASE_MOVED = Merge(MergeOutcome.base_moved)


async def opened(world: World, settings: str = "") -> FakePull:
    """Run until the pull request waits for people."""
    world.configure(settings)
    project = await world.start()
    assert project.status is ProjectStatus.open
    (pull,) = world.forge.pulls.values()
    return pull


async def looked_at(world: World) -> Project:
    """Tell that something happened to the pull request."""
    await world.tell("looked_at")
    await world.run()
    return await world.project()


async def test_by_default_a_person_with_write_permission_decides(world: World):
    """The pull request is open, labelled done, and merged when the head was approved."""
    pull = await opened(world)
    assert world.labels == {"aurora", "aurora: done"}
    assert "Closes #1" in pull.body
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.merged
    assert world.forge.merges == [(pull.number, pull.head_sha, "squash")]


@pytest.mark.parametrize(
    ("why", "reviews"),
    [
        ("a reader may not decide", [("rea", "approved", "head")]),
        ("a stranger may not decide", [("nobody", "approved", "head")]),
        ("another head was approved", [("ada", "approved", "0" * 40)]),
        ("somebody else wants changes", [("ada", "approved", "head"), ("ann", "changes_requested", "head")]),
        (
            "the changes were wanted of an older head",
            [("ada", "approved", "head"), ("ann", "changes_requested", "old")],
        ),
        ("the approver wants changes now", [("ada", "approved", "head"), ("ada", "changes_requested", "head")]),
        ("the approval was dismissed", [("ada", "approved", "head"), ("ada", "dismissed", "head")]),
        ("a comment is no approval", [("ada", "commented", "head")]),
    ],
)
async def test_nothing_else_counts_as_approval(world: World, why: str, reviews: list[tuple[str, str, str]]):
    """Only the present head, only writers, only when none of them objects."""
    pull = await opened(world)
    for author, state, commit in reviews:
        world.forge.review(pull.number, author, state, pull.head_sha if commit == "head" else commit)
    assert (await looked_at(world)).status is ProjectStatus.open, why
    assert world.forge.merges == []


@pytest.mark.parametrize(
    ("why", "reviews"),
    [
        ("the reader's objection binds nobody", [("ada", "approved"), ("rea", "changes_requested")]),
        ("a comment takes nothing back", [("ada", "approved"), ("ada", "commented")]),
        ("the objection was dismissed", [("ann", "changes_requested"), ("ann", "dismissed"), ("ada", "approved")]),
        ("the same person approved later", [("ada", "changes_requested"), ("ada", "approved")]),
    ],
)
async def test_an_approval_isn_t_undone_by_what_doesn_t_count(world: World, why: str, reviews: list[tuple[str, str]]):
    """What people who may decide said last."""
    pull = await opened(world)
    for author, state in reviews:
        world.forge.review(pull.number, author, state, pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.merged, why


async def test_a_pull_request_that_was_turned_to_another_base_is_not_merged(world: World):
    """What was verified for one branch proves nothing for another."""
    pull = await opened(world)
    world.forge.git.remote["stable"] = world.forge.git.remote[MAIN]
    pull.base = "stable"
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    project = await looked_at(world)
    assert (project.status, world.forge.merges) == (ProjectStatus.open, [])
    assert "checked for `main`" in (project.reason or "")


async def test_never_means_that_a_person_merges_and_the_rest_is_still_done(world: World):
    """An approval merges nothing; the merge by hand settles the project."""
    pull = await opened(world, "merge: never\n")
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.open
    world.forge.merge_by_hand(pull.number)
    assert (await looked_at(world)).status is ProjectStatus.merged
    assert world.issue_state == "closed"
    assert world.branches == {MAIN}


async def test_the_operator_s_policy_comes_before_the_repository_s(world: World):
    """Who runs the app can forbid merging everywhere."""
    world.policy = Policy(merge=MergePolicy.never)
    await opened(world, "merge: auto\n")
    assert world.forge.merges == []


@pytest.mark.parametrize("conclusion", [Conclusion.not_run])
async def test_what_was_not_verified_is_never_merged_by_itself(world: World, conclusion: Conclusion):
    """Not even when it was approved."""
    world.checkers.verdict = finds("X", Checkpoint.lint, conclusion)
    pull = await opened(world, "merge: auto\n")
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.open
    assert world.forge.merges == []
    assert "action_required" in {run.conclusion for run in world.forge.checks}


async def test_a_base_that_moved_is_merged_in_and_verified_before_the_merge(world: World):
    """The combination with what came meanwhile is what gets checked and merged."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    moved = world.git.onto(MAIN, other_py="OTHER = 1\n")
    merged = await looked_at(world)
    assert merged.base_sha == moved
    assert merged.head_sha != pull.reviews[0].commit_sha
    assert merged.status is ProjectStatus.merged, "whoever approved the work has seen all of it"
    assert {"one.py", "other.py"} <= set(world.main)


async def test_an_approval_is_of_no_later_commit_that_adds_anything_but_the_base(world: World):
    """The progress comment says why it waits."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    world.git.onto(pull.head, theirs_py="T = 1\n")
    waiting = await looked_at(world)
    assert (waiting.status, world.forge.merges) == (ProjectStatus.open, [])
    assert "changed after it was approved" in world.comments("progress")[0]
    world.git.onto(MAIN, other_py="OTHER = 1\n")
    await world.tell("said", commands=[{"name": "rebase", "argument": ""}], comment=77, number=1, by="ada")
    await world.run()
    assert world.forge.merges == [], "what was stale doesn't become fresh with the base"
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    assert (await looked_at(world)).status is ProjectStatus.merged


async def test_what_is_red_on_the_moved_base_goes_back_to_its_task(world: World):
    """The task is done again on top of the new base."""
    world.configure("merge: auto\n")
    world.thinker.answers |= {}

    def judge(files: Mapping[str, str], which: Checkpoint) -> Conclusion:
        clash = which is Checkpoint.tests and "clash.py" in files and "X" in files.get("one.py", "")
        return Conclusion.failed if clash else Conclusion.passed

    world.checkers.verdict = judge
    world.deeds["Do one"] = lambda _, __, tree: tree.files.update(
        {"one.py": "FITS = 1\n" if "clash.py" in tree.files else "X = 1\n"}
    )
    await world.label()
    await world.run(tasks=False)
    world.git.onto(MAIN, clash_py="CLASH = 1\n")
    project = await world.until_settled()
    assert project.status is ProjectStatus.merged
    assert world.main["one.py"] == "FITS = 1\n"


async def test_a_base_that_conflicts_goes_to_a_person(world: World):
    """Which paths, in a sentence."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    world.git.onto(MAIN, one_py="MINE = 1\n")
    assert (await looked_at(world)).status is ProjectStatus.escalated
    assert "`one.py`" in world.comments("escalation")[0]


async def test_a_base_that_keeps_moving_is_followed_three_times(world: World):
    """Then a person is told to merge when it is quiet."""
    world.configure("merge: auto\n")
    world.forge.outcomes = [BASE_MOVED] * 99
    numbers = iter(range(99))
    refused = world.forge.merge

    async def merge(*arguments: object) -> Merge:
        world.git.onto(MAIN, **{f"m{next(numbers)}_py": "M = 1\n"})
        return await refused(*arguments)  # type: ignore[arg-type]

    world.forge.merge = merge  # type: ignore[method-assign]
    project = await world.start()
    assert project.status is ProjectStatus.open
    assert "kept moving" in (project.reason or "")
    assert project.base_moves == 3
    world.forge.outcomes = [BASE_MOVED] * 99


async def test_modified_is_tried_again_at_once(world: World):
    """GitHub says so for a moment after any push."""
    world.configure("merge: auto\n")
    world.forge.outcomes = [BASE_MOVED, BASE_MOVED]
    assert (await world.start()).status is ProjectStatus.merged
    assert len(world.forge.merges) == 1


async def test_a_head_that_moved_isn_t_merged(world: World):
    """Somebody pushed what nobody verified."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    mine = world.git.onto(pull.head, mine_py="MINE = 1\n")
    project = await looked_at(world)
    assert project.status is ProjectStatus.open
    assert world.forge.merges == []
    assert world.git.remote[pull.head] == mine, "and it isn't pushed over"


async def test_what_github_refuses_to_merge_stays_open_with_its_reason(world: World):
    """And is tried again when something happens."""
    world.forge.outcomes = [REFUSED]
    pull = await opened(world, "merge: auto\n")
    assert "approving review is required" in ((await world.project()).reason or "")
    assert pull.state == "open"
    assert (await looked_at(world)).status is ProjectStatus.merged


async def test_a_pull_request_closed_by_hand_is_taken_for_a_no(world: World):
    """Nothing is opened again, and nobody is asked."""
    pull = await opened(world)
    pull.state = "closed"
    assert (await looked_at(world)).status is ProjectStatus.cancelled
    assert "closed without being merged" in world.comments("progress")[0]
    assert not world.comments("escalation")
    assert world.labels == {"aurora"}


async def test_many_events_at_once_merge_once(world: World):
    """Reviews, closings and comments come in bursts."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    for _ in range(5):
        await world.tell("looked_at")
    await world.run()
    assert (await world.project()).status is ProjectStatus.merged
    assert len(world.forge.merges) == 1


async def test_the_evidence_is_about_the_head_that_is_shown(world: World):
    """After following the base, text and check runs are brought up to date."""
    pull = await opened(world)
    world.forge.review(pull.number, "ada", "approved", pull.head_sha)
    world.git.onto(MAIN, other_py="OTHER = 1\n")
    head = (await looked_at(world)).head_sha
    assert len([run for run in world.forge.checks if run.head_sha == head]) == 5
    assert world.forge.calls["edit_pull_request"] == 1


async def test_a_merge_queue_is_left_to_people(world: World):
    """It is said that the work is ready for it; what the queue merges has ended well."""
    world.configure("merge: auto\n")
    reason = "Repository rule violations found: Changes must be made through the merge queue"
    world.forge.outcomes = [Merge(MergeOutcome.refused, reason=reason)] * 9
    project = await world.start()
    assert project.status is ProjectStatus.open
    assert "merge queue" in (project.reason or "")
    world.forge.merge_by_hand(2)
    assert (await looked_at(world)).status is ProjectStatus.merged
