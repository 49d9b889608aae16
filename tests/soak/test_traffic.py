"""What a soak counts as an end that nothing explains."""

from tests.soak.traffic import End, otherwise

PLAIN = End("acme/one", 1, 1, "Make number 1 (plain)", "escalated", "A call was refused.")
NEVER = End("acme/one", 2, 1, "Make number 2 (never)", "escalated", "It never passed.")
CLOSED = End("acme/two", 1, 1, "Make number 3 (chain)", "cancelled", "The issue was closed.")


def test_an_issue_that_nobody_talked_about_has_to_end_as_undisturbed_work_does():
    assert otherwise([PLAIN, NEVER, CLOSED], talked={("acme/two", 1), ("acme/one", 2)}) == ([CLOSED], [PLAIN])
