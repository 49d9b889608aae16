"""`/aurora explain` says what each checkpoint found, how it was judged and what can be done; nothing hostile."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.project import Phase, Project, ProjectStatus, Repository
from app.domain.review import Review, ReviewFinding
from app.github.checks import actions
from app.github.explaining import MOST_WORDS, explain

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EVIL = "<!-- aurora:progress x --> @octocat closes #1 ![x](https://evil.example/x.png) </details>"


def project(status: ProjectStatus = ProjectStatus.open, **changes: Any) -> Project:
    return Project(
        id=UUID(int=1), repository=Repository(full_name="o/r", installation_id=5), issue_number=12, run=1, title="T",
        requested_by="ann", status=status, phase=Phase.deliver, base_branch="main", base_sha="c0ffee" * 6,
        budget_usd=5.0, created_at=NOW, **changes,
    )  # fmt: skip


def result(checkpoint: Checkpoint, conclusion: Conclusion = Conclusion.passed, **changes: Any) -> CheckResult:
    values = {"title": f"{checkpoint} were looked at", "summary": "", "started_at": NOW}
    return CheckResult(
        checkpoint=checkpoint, conclusion=conclusion, completed_at=NOW + timedelta(seconds=75), **(values | changes)
    )


RED = result(
    Checkpoint.tests, Conclusion.failed, title="1 test fails", summary="Ran `pytest`.", log="E  assert 1 == 2",
    findings=(
        Finding(path="tests/test_a.py", line=7, code="test_a", message="assert 1 == 2"),
        Finding(path="old.py", line=1, message="was red", is_new=False),
    ),
)  # fmt: skip
UGLY = result(Checkpoint.lint, Conclusion.failed, title="1 new lint finding")
RESULTS = [result(Checkpoint.syntax), result(Checkpoint.types, Conclusion.skipped), UGLY, RED]


def test_without_a_name_all_are_told_and_the_failing_ones_explained():
    said = explain(project(), RESULTS)
    assert "- `aurora / syntax` passed: syntax were looked at" in said
    assert "- `aurora / types` had nothing to check" in said
    assert "### `aurora / tests` failed\n\n1 test fails (1 min 15 s)" in said
    assert "### `aurora / syntax`" not in said
    assert said.index("- `tests/test_a.py:7` assert 1 == 2 (`test_a`)") < said.index("- `old.py:1` was red")
    assert "```text\nE  assert 1 == 2\n```" in said
    assert "with the change and on `main` at `c0ffeec`. Only what the change brought in counts." in said
    assert said.endswith("the button *Fix formatting* beside the check runs the formatter.")


@pytest.mark.parametrize("name", ["tests", "test", "Tests", "aurora / tests", "`aurora/tests`", "tsts", "the tests"])
def test_the_nearest_checkpoint_is_meant(name: str):
    said = explain(project(), RESULTS, name)
    assert said.startswith("### `aurora / tests` failed")
    assert "lint" not in said


def test_a_named_one_is_explained_although_it_passed():
    said = explain(project(), RESULTS, "syntax")
    assert said.startswith("### `aurora / syntax` passed")
    assert "What you can do" not in said


def test_a_name_that_is_none_is_answered_with_those_there_are():
    said = explain(project(), RESULTS, "@octocat")
    assert said.startswith("There is no checkpoint `@octocat`. There are `syntax`, `types`")
    assert said.endswith("`tests` and `review`.")


def test_what_was_not_judged_yet_is_said():
    assert explain(project(), []) == "No checkpoint has judged anything of this run yet."
    assert explain(project(), [], "lint") == "`aurora / lint` hasn't judged anything of this run yet."


def test_what_could_not_be_run_proves_nothing():
    said = explain(project(), [result(Checkpoint.tests, Conclusion.not_run)])
    assert "### `aurora / tests` could not be run" in said
    assert "nothing is merged on it" in said


def test_the_review_is_explained_too():
    finding = ReviewFinding(severity="advice", message="Shorter names", path="a.py", line=3)
    reviewed = project(review=Review(approved=True, findings=(finding,)))
    assert "has 1 remark:\n\n- `a.py:3` **advice** Shorter names" in explain(reviewed, [], "review")
    assert "found nothing" in explain(project(review=Review(approved=True)), [], "review")
    assert "No review of this run is known" in explain(project(), [], "review")


def test_what_can_be_done_depends_on_how_far_the_run_is():
    assert "`/aurora retry` runs it once more" in explain(project(), [RED])
    assert "tries again with your hint" in explain(project(ProjectStatus.escalated), [RED])
    assert "nothing has to be done" in explain(project(ProjectStatus.building), [RED])
    assert "do" not in explain(project(ProjectStatus.merged), [RED], "tests").rpartition("\n\n")[2]


def test_nothing_hostile_gets_through_and_it_is_bounded():
    evil = Finding(path=EVIL, line=1, code=EVIL, message=EVIL * 50)
    red = RED.model_copy(update={"title": EVIL, "summary": EVIL * 500, "log": EVIL * 5000, "findings": (evil,) * 300})
    said = explain(project(), [red, red.model_copy(update={"checkpoint": Checkpoint.lint})])
    assert len(said) <= MOST_WORDS
    assert "and 280 more" in said
    outside = re.sub(r"`[^`]*`", "", re.sub(r"```text\n.*?\n```", "", said, flags=re.DOTALL))
    for hostile in ("<!--", "@octocat", "closes #1", "![x](", "https://"):
        assert hostile not in outside
    assert "<!-- aurora" not in said
    assert said.count("<details>") == said.count("\n</details>")


def test_buttons_are_there_only_where_something_is_wrong():
    """GitHub takes three, with 20, 40 and 20 characters."""
    assert [action.identifier for action in actions(UGLY)] == ["format", "retry"]
    assert [action.identifier for action in actions(RED)] == ["retry"]
    assert actions(result(Checkpoint.lint)) == ()
    assert actions(result(Checkpoint.tests, Conclusion.not_run)) == ()
    for one in actions(UGLY):
        assert (len(one.label) <= 20, len(one.description) <= 40, len(one.identifier) <= 20) == (True, True, True)
