"""What an agent says about each concern is read from its summary."""

import pytest

from app.domain.concerns import Concern, ConcernKind, Verdict, declined, narrative, title, verdicts


def concern(number: int, text: str = "Do it") -> Concern:
    return Concern(kind=ConcernKind.thread, id=number, author="ada", text=text, thread=number)


TWO = (concern(1), concern(2))


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("C1 done: renamed", Verdict(True, "renamed")),
        ("c1: no - others need it", Verdict(False, "others need it")),
        ("- **C1 done**: `x` is `y`", Verdict(True, "`x` is `y`")),
        ("C1 done", Verdict(True, "")),
        ("C1 no: @all", Verdict(False, "@all")),
        ("C11 no: another", Verdict(True, "")),
        ("C1 nothing to do", Verdict(True, "")),
    ],
)
def test_a_line_says_what_became_of_a_concern(line: str, verdict: Verdict):
    """What isn't named counts as done."""
    assert verdicts(f"I did it.\n{line}\n", TWO) == {"thread.1": verdict, "thread.2": Verdict(True, "")}


@pytest.mark.parametrize(
    ("summary", "all_declined"),
    [
        ("C1 no: a\nC2 no: b", True),
        ("C1 no: a\nC2 done: b", False),
        ("C1 no: a", False),
        ("C1 no: a\nC2 no:", False),
        ("Done.", False),
    ],
)
def test_everything_is_declined_when_each_has_a_reason(summary: str, all_declined: bool):
    """A task that answers no concern can't decline."""
    assert declined(summary, TWO) is all_declined
    assert not declined(summary, ())


def test_a_summary_is_told_elsewhere_without_its_numbers():
    """They mean nothing in a commit's message."""
    assert narrative("Renamed it.\nC1 done: so\n- C2 no: why\n") == "Renamed it."


def test_one_concern_names_its_task_and_more_are_counted():
    """Within a line's length."""
    assert title(TWO) == "Address 2 remarks"
    assert title([concern(1, "Rename\n  it")]) == "Rename it"
    failed = concern(1, "The check build failed: 3 errors\nIt says much.").model_copy(
        update={"kind": ConcernKind.check}
    )
    assert title([failed]) == "The check build failed: 3 errors"
    assert len(title([concern(1, "word " * 50)])) == 80


def test_a_concern_knows_its_place():
    """As far as lines are known."""
    place = {"path": "a.py", "line": 4}
    assert concern(1).place == ""
    assert concern(1).model_copy(update={"path": "a.py"}).place == "a.py"
    assert concern(1).model_copy(update=place).place == "a.py:4"
    assert concern(1).model_copy(update={**place, "start_line": 2}).place == "a.py:2-4"
