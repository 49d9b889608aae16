"""How an outcome is told to a person."""

import pytest

from app.domain.sandbox import Outcome, Stopped


@pytest.mark.parametrize(
    ("code", "stopped", "killed_by", "words"),
    [
        (0, None, None, "ended with exit code 0 after 2.5 s"),
        (3, None, None, "ended with exit code 3 after 2.5 s"),
        (137, None, "SIGKILL", "was ended by SIGKILL after 2.5 s"),
        (255, None, None, "ended with exit code 255 after 2.5 s"),
        (None, Stopped.time, "time", "was stopped by its time limit after 2.5 s"),
        (None, Stopped.memory, "memory", "was stopped because it used too much memory after 2.5 s"),
    ],
)
def test_an_outcome_says_in_one_clause_how_it_ended(code, stopped, killed_by, words):
    outcome = Outcome(code, b"", b"", 2.5, stopped)
    assert (outcome.killed_by, outcome.describe()) == (killed_by, words)
    assert outcome.ok is (code == 0)
    assert outcome.timed_out is (stopped is Stopped.time)
