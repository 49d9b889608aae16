"""Judge a text that is to settle a conflict: what of either side's change it loses. Pure.

It rather refuses too much: a refused resolution costs a person's look, an accepted one that lost something costs work
that nobody misses until later. What it can't see is meaning; that is for the checkpoints and the review.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.domain.three_way import Disputed, Lines, Part, Settled, TooDifferent, matches, parts

TOKEN = re.compile(r"\w+|[^\w\s]")
FENCED = re.compile(r"\s*```[^\n]*\n(.*?)\n?```\s*", re.DOTALL)
MARKER = re.compile(r"(<{7}|>{7}|\|{7}|={7})(\s|$)")
SAID_ONCE = re.compile(r"\s*(import|from|use|using|require|include|#\s*include|@import)\b")  # twice means no more
MOST_NAMED = 6  # missing things in a sentence
LONGEST_NAMED = 120  # characters
NAMES = ("the first change", "the second change")

MARKERS = "Conflict markers are left in it."
TOO_DIFFERENT = "The two changes are too large to be sure that nothing is lost."


def lost(base: str, ours: str, theirs: str, resolved: str) -> tuple[str, ...]:
    """Return what the resolution of a file loses, in sentences for whoever resolves it; nothing when it keeps all."""
    sides = lines_of(ours), lines_of(theirs)
    lines = lines_of(resolved)
    try:
        whole = parts(lines_of(base), *sides)
        found = [*_markers(lines, [*sides[0], *sides[1]]), *_displaced(whole, lines)]
        merges = [_merge(part) for part in whole if isinstance(part, Disputed)]
    except TooDifferent:
        return (TOO_DIFFERENT,)
    if not found:
        windows = zip(merges, _windows(whole, lines), strict=True)
        found += [problem for merge, window in windows for problem in _lost_from(merge, window)]
    return tuple(dict.fromkeys([*found, *_brought_back(whole, merges, lines)]))


def as_sides_write(ours: str, theirs: str, resolved: str) -> str:
    """Return the resolution with the line endings and the end that the sides have, and without a fence around it."""
    text = resolved.replace("\r\n", "\n").removesuffix("\n")
    if not ours.lstrip().startswith("```") and (fenced := FENCED.fullmatch(text)):
        text = fenced[1]
    if ours.endswith("\n") or theirs.endswith("\n"):
        text += "\n" if text else ""
    return text.replace("\n", "\r\n") if "\r\n" in ours and "\r\n" in theirs else text


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, without an empty one after its end."""
    return text.removesuffix("\n").split("\n") if text else []


# --- whole lines


def _markers(lines: Sequence[str], sides: Sequence[str]) -> list[str]:
    """A line that looks like a marker may be a heading; then a side has it."""
    left = Counter(line for line in lines if MARKER.match(line)) - Counter(sides)
    return [MARKERS] if left else []


def _displaced(whole: Sequence[Part], lines: Sequence[str]) -> list[str]:
    """Name the lines that no conflict is about, and that aren't there in their order."""
    kept = _settled(whole)
    reached = _reach(kept, lines)
    if len(reached) > len(kept):
        return []
    missing = [line for line in (Counter(kept) - Counter(lines)) if line.strip()] or [kept[len(reached) - 1]]
    return [f"Outside the conflict, lines are missing or out of place: {_named(missing)}."]


def _settled(whole: Sequence[Part]) -> list[str]:
    return [line for part in whole if isinstance(part, Settled) for line in part.lines]


def _reach(wanted: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Return how far one has to read until the first n wanted lines have come, for each n that is reached."""
    reached = [0]
    for number, line in enumerate(lines, 1):
        if len(reached) <= len(wanted) and line == wanted[len(reached) - 1]:
            reached.append(number)
    return reached


def _windows(whole: Sequence[Part], lines: Sequence[str]) -> Iterator[Lines]:
    """Yield, for each disputed part, the lines of the resolution that can be about it."""
    kept = _settled(whole)
    starts = _reach(kept, lines)
    ends = [len(lines) - number for number in reversed(_reach(kept[::-1], lines[::-1]))]
    seen = 0
    for part in whole:
        if isinstance(part, Settled):
            seen += len(part.lines)
        else:
            yield tuple(lines[starts[seen] : ends[seen]])


def _brought_back(whole: Sequence[Part], merges: Sequence["_Merge"], lines: Sequence[str]) -> list[str]:
    """Name what a side took away and the resolution has again."""
    kept = _settled(whole)
    removed = {line for part in whole if isinstance(part, Settled) for line in part.removed if line.strip()}
    of_sides = Counter(line for merge in merges for line in (*merge.part.ours, *merge.part.theirs))
    again = [line for line in Counter(lines) - Counter(kept) - of_sides if line in removed]
    allowed, gone = Counter(_tokens(kept)), set[str]()
    for merge in merges:
        allowed, gone = allowed + merge.most, gone | merge.gone
    again += [token for token in Counter(_tokens(lines)) - allowed if token in gone]
    return [f"One side took this away, and it is back: {_named(again)}."] if again else []


# --- words and signs of what both sides changed


@dataclass(frozen=True)
class _Side:
    """What a side made of the tokens of the base."""

    tokens: list[str]
    origins: dict[int, int]  # positions of what it kept: in the side, in the base
    inserted: Counter[str]

    def without(self, dropped: set[int]) -> list[str]:
        """Return its tokens but for those of the base that the other side dropped."""
        return [token for position, token in enumerate(self.tokens) if self.origins.get(position) not in dropped]


@dataclass(frozen=True)
class _Merge:
    """What has to be in the merge of a disputed part: at least, at most of what was dropped, and in what order."""

    part: Disputed
    sides: tuple[_Side, _Side]
    least: Counter[str]
    most: Counter[str]
    gone: set[str]
    orders: tuple[list[str], list[str]]


def _merge(part: Disputed) -> _Merge:
    base = _tokens(part.base)
    ours, theirs = _side(base, _tokens(part.ours)), _side(base, _tokens(part.theirs))
    by_us, by_them = (set(range(len(base))) - set(side.origins.values()) for side in (ours, theirs))
    stays = Counter(token for position, token in enumerate(base) if position not in by_us | by_them)
    most = stays + ours.inserted + theirs.inserted
    alike = Counter(part.ours) & Counter(part.theirs)
    once = Counter(_tokens(line for line in alike.elements() if SAID_ONCE.match(line) and line not in part.base))
    gone = {base[position] for position in by_us | by_them}
    return _Merge(part, (ours, theirs), most - once, most, gone, (ours.without(by_them), theirs.without(by_us)))


def _side(base: list[str], tokens: list[str]) -> _Side:
    kept = {at + n: start + n for start, at, length in matches(base, tokens) for n in range(length)}
    return _Side(tokens, kept, Counter(token for position, token in enumerate(tokens) if position not in kept))


def _lost_from(merge: _Merge, window: Lines) -> Iterator[str]:
    """Say what the resolution of a disputed part lacks."""
    there = _tokens(window)
    missing = merge.least - Counter(there)
    for name, side, order in zip(NAMES, merge.sides, merge.orders, strict=True):
        if lacking := [token for token in missing if token in side.inserted]:
            yield f"Of {name} this is missing: {_named(lacking)}."
        elif not _in_order(order, there):
            yield f"What {name} wrote isn't there whole and in its order: {_named(_new_lines(merge.part, name))}."
    if unchanged := [token for token in missing if not any(token in side.inserted for side in merge.sides)]:
        yield f"Neither change took this away, and it is missing: {_named(unchanged)}."
    yield from _respaced(merge.part, window)


def _in_order(wanted: Sequence[str], there: Iterable[str]) -> bool:
    left = iter(there)
    return all(token in left for token in wanted)


def _new_lines(part: Disputed, name: str) -> list[str]:
    side = part.ours if name == NAMES[0] else part.theirs
    return [line for line in side if line.strip() and line not in part.base]


def _respaced(part: Disputed, window: Lines) -> Iterator[str]:
    """Tell where one side moved lines in or out, or only spaced them anew, and that is lost."""
    before = {line.strip() for line in part.base}
    for name, side, other in ((NAMES[0], part.ours, part.theirs), (NAMES[1], part.theirs, part.ours)):
        common = before & {line.strip() for line in other} - {""}
        moved = [line for line in side if line.strip() in common and line not in part.base]
        if lacking := [line for line in moved if line not in window]:
            yield f"Of {name} the indentation is lost: {_named(lacking)}."
        elif _tokens(side) == _tokens(part.base) and window == other:
            yield f"Of {name} the spacing is lost: {_named(_new_lines(part, name))}."


def _tokens(lines: Iterable[str]) -> list[str]:
    return [token for line in lines for token in TOKEN.findall(line)]


def _named(things: Sequence[str]) -> str:
    shown = ", ".join(f"`{thing.strip()[:LONGEST_NAMED]}`" for thing in things[:MOST_NAMED])
    return shown + (f" and {len(things) - MOST_NAMED} more" if len(things) > MOST_NAMED else "")
