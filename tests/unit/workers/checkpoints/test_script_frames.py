"""Places in JavaScript's stacks are found in any output, however long it is."""

import time
from pathlib import Path

import pytest

from workers.checkpoints.reports.junit import script_frame

ROOT = Path("/srv/tree")


@pytest.mark.parametrize(
    "message",
    [
        "Error: no\n    at Object.<anonymous> (/srv/tree/src/a.test.js:3:7)",
        "at file:///srv/tree/src/a.test.js:3:7",
        "at src/a.test.js:3:7",
        "at /elsewhere/b.js:1:1\n at async src/a.test.js:3",
    ],
)
def test_the_first_place_in_the_repository_is_found(message: str):
    assert script_frame(message, ROOT) == ("src/a.test.js", 3)


def test_a_long_word_in_a_message_is_looked_at_once():
    begun = time.process_time()
    assert script_frame("a" * 200_000, ROOT) == ("", 1)
    assert time.process_time() - begun < 3.0
