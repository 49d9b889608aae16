"""Compare two sides with what they both come from, line by line: what merges by itself, and what doesn't. Pure."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_EDITS = 1_000  # between a base and a side; to compare takes time by their square

Lines = tuple[str, ...]


class TooDifferent(Exception):
    """Two texts have so little in common that comparing them would take too long."""


@dataclass(frozen=True)
class Settled:
    """Lines that are as the merge should have them, and those that a side took away in their place."""

    lines: Lines
    removed: Lines = ()


@dataclass(frozen=True)
class Disputed:
    """A place that both sides changed, each in its own way."""

    base: Lines
    ours: Lines
    theirs: Lines


Part = Settled | Disputed


@dataclass(frozen=True)
class _Common:
    """A run of lines that is in all three: where it begins in each."""

    base: int
    ours: int
    theirs: int
    length: int


def parts(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[Part]:
    """Return the merge of two sides as a list of parts, in order."""
    found = list[Part]()
    at = _Common(0, 0, 0, 0)
    for run in [*_in_all(base, ours, theirs), _Common(len(base), len(ours), len(theirs), 0)]:
        between = (base[at.base : run.base], ours[at.ours : run.ours], theirs[at.theirs : run.theirs])
        if any(between):
            found.append(_changed(*(tuple(lines) for lines in between)))
        if run.length:
            found.append(Settled(tuple(base[run.base : run.base + run.length])))
        at = _Common(run.base + run.length, run.ours + run.length, run.theirs + run.length, 0)
    return found


def _changed(base: Lines, ours: Lines, theirs: Lines) -> Part:
    if ours in {base, theirs}:
        return Settled(theirs, base)
    return Settled(ours, base) if theirs == base else Disputed(base, ours, theirs)


def _in_all(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[_Common]:
    """Yield the runs of the base that both sides kept."""
    left, right = matches(base, ours), matches(base, theirs)
    while left and right:
        (a, in_ours, m), (b, in_theirs, n) = left[0], right[0]
        start, end = max(a, b), min(a + m, b + n)
        if start < end:
            yield _Common(start, in_ours + start - a, in_theirs + start - b, end - start)
        (left if a + m < b + n else right).pop(0)


def matches(base: Sequence[str], side: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return what a side has kept: where it begins in the base, where in the side, and how long it is.

    What it kept is the most that it can have, in time that nobody's texts can draw out; raises `TooDifferent`.
    """
    runs = list[tuple[int, int, int]]()
    for a, b in _kept(base, side):
        if runs and (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]) == (a, b):
            runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((a, b, 1))
    return runs


def _kept(base: Sequence[str], side: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions that belong together."""
    start = _alike(base, side)
    end = _alike(base[start:][::-1], side[start:][::-1])
    middle = _common(base[start : len(base) - end], side[start : len(side) - end])
    return [
        *((at, at) for at in range(start)),
        *((start + a, start + b) for a, b in middle),
        *((len(base) - at, len(side) - at) for at in range(end, 0, -1)),
    ]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many things at the start are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _common(base: Sequence[str], side: Sequence[str]) -> list[tuple[int, int]]:
    """Return a longest common subsequence (Myers, An O(ND) Difference Algorithm, 1986)."""
    if not base or not side:
        return []
    rounds: list[array[int]] = []  # after so many edits: how far in the base one comes, by diagonal
    for edits in range(min(len(base) + len(side), MOST_EDITS) + 1):
        reached: array[int] = array("i")
        for number in range(edits + 1):
            x = _edited(rounds, edits, number)[0]
            y = x + edits - 2 * number
            while x < len(base) and y < len(side) and base[x] == side[y]:
                x, y = x + 1, y + 1
            reached.append(x)
            if x >= len(base) and y >= len(side):
                return _way_back(rounds, edits, number, x)
        rounds.append(reached)
    raise TooDifferent


def _edited(rounds: Sequence["array[int]"], edits: int, number: int) -> tuple[int, int]:
    """Return how far one comes by one more edit, and from which diagonal of the round before."""
    if edits == 0:
        return 0, 0
    before = rounds[edits - 1]
    inserted = before[number] if number < edits else -1
    deleted = before[number - 1] + 1 if number else -1
    return (inserted, number) if inserted >= deleted else (deleted, number - 1)


def _way_back(rounds: Sequence["array[int]"], edits: int, number: int, x: int) -> list[tuple[int, int]]:
    """Return the pairs along the way that led here."""
    pairs = list[tuple[int, int]]()
    while True:
        start, before = _edited(rounds, edits, number)
        pairs += [(at, at + edits - 2 * number) for at in range(x - 1, start - 1, -1)]
        if edits == 0:
            return pairs[::-1]
        edits, number = edits - 1, before
        x = rounds[edits][number]
