"""What is a circle, and what only looks like one."""

import pytest

from workers.agents.limits import Limits
from workers.agents.runaway import Watch, repeats_itself


@pytest.mark.parametrize(
    "text", ["a" * 300, "I will fix it. " * 30, "start " + "x = 1\n" * 60, "0, " * 150, ("line " * 30 + "\n") * 12]
)
def test_a_text_that_ends_in_repetition(text: str):
    assert repeats_itself(text)


@pytest.mark.parametrize(
    "text", ["", "ok", "-" * 79, "a" * 300 + " done", "".join(f"row {n}\n" for n in range(500)), "x = 1\n" * 9]
)
def test_a_text_that_does_not(text: str):
    assert not repeats_itself(text)


def test_a_change_of_the_files_begins_anew():
    """Reading and trying in turn is work, as long as something comes of it."""
    watch = Watch(Limits(idle_steps=3))
    for round_ in range(10):
        for step in ("read", "run"):
            assert watch.answered("", cut_off=False, writes=True) == ""
            assert watch.acted(step, "fine", ok=True, patch=None) == ""
        assert watch.acted("edit", "", ok=True, patch=b"%d" % round_) == ""


def test_who_may_not_write_is_not_idle():
    watch = Watch(Limits(idle_steps=2))
    assert not any(watch.answered("", cut_off=False, writes=False) for _ in range(10))


def test_an_answer_that_was_not_cut_off_may_repeat_itself():
    watch = Watch(Limits())
    assert not any(watch.answered("ha " * 500, cut_off=False, writes=True) for _ in range(5))
