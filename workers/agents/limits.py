"""How much work an agent may do in one visit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one visit to the worktree."""

    steps: int = 40  # model answers
    tokens: int = 2_000_000  # input and output together
    seconds: float = 3_600.0
    bad_answers: int = 3  # in a row
    repeats: int = 3  # the same action with the same arguments in a row
    failed_edits: int = 8  # without one that succeeded in between
    run_seconds: float = 120.0  # of one command
