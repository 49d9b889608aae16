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
    cycle: int = 4  # actions that come in turn, at most, for it to be a circle
    cycles: int = 3  # how often they come in turn without changing a file
    same_errors: int = 6  # the same error, whatever came in between
    idle_steps: int = 20  # model answers in a row that change no file
    returns: int = 3  # how often the files may become the same again
    endless: int = 2  # answers that repeat themselves until they are cut off
    run_seconds: float = 120.0  # of one command
