"""Thanks and praise are told from what asks for something."""

import pytest

from app.domain.pleasantries import asks_nothing


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!", "LGTM", "lgtm 👍", ":+1:", "Looks good to me.", "Great work, thank you so much!", "👍🎉",
        "This looks great now", "cc @alice @bob", "Never mind.", "nice catch\n\nthanks", "Perfect :tada:",
        "No.", "Well done!",
    ],
)  # fmt: skip
def test_nothing_is_asked_for(text: str):
    assert asks_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Thanks, but please add a test", "LGTM once the name is changed", "good question: why 3?", "nicework",
        "nit: rename x", "Well", "Why?", "???", "No tests?", "Thanks! " * 1000,
        "great work, however the loop never ends",
        "Looks good except line 3",
    ],
)  # fmt: skip
def test_something_is_said(text: str):
    assert not asks_nothing(text)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", [":-", "thanks ", "good ", "cc @a ", "looks good to me ", "! ", ": ", " \n"])
def test_what_anybody_writes_is_read_in_no_time(piece: str):
    """A stranger's comment is read before it is asked what they may do."""
    assert not asks_nothing((piece * 200)[:198] + "?x")
