"""Read patches into lines with their numbers, as a page shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hub.diffs import Change

MOST_LINES = 12_000  # of all files of a page; a browser on a phone is slow beyond
FOLDED = 600  # lines from which a file is folded at first
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)")

Kind = Literal["hunk", "add", "del", "same", "note"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a patch; `old` and `new` are its numbers on either side."""

    kind: Kind
    text: str
    old: int | None = None
    new: int | None = None

    @property
    def place(self) -> tuple[str, int] | None:
        """Name the line as a review's comment does: its side and number."""
        if self.new is not None:
            return "RIGHT", self.new
        return None if self.old is None else ("LEFT", self.old)


@dataclass(frozen=True, slots=True)
class FilePatch:
    """One changed file; `lines` is None when there is nothing to show of it."""

    change: Change
    lines: tuple[Line, ...] | None
    reason: str = ""

    @property
    def folded(self) -> bool:
        return self.lines is not None and len(self.lines) > FOLDED


def read(patch: str) -> tuple[Line, ...]:
    """Give the lines of a patch."""
    old = new = 0
    lines = []
    for text in patch.split("\n"):
        hunk = _HUNK.match(text)
        mark, rest = text[:1], text[1:]
        if hunk:
            old, new = int(hunk[1]), int(hunk[2])
            lines.append(Line("hunk", text))
        elif mark == "+":
            lines.append(Line("add", rest, None, new))
            new += 1
        elif mark == "-":
            lines.append(Line("del", rest, old, None))
            old += 1
        elif mark == "\\":
            lines.append(Line("note", rest.strip()))
        else:
            lines.append(Line("same", rest, old, new))
            old, new = old + 1, new + 1
    return tuple(lines)


def files(changes: tuple[Change, ...]) -> list[FilePatch]:
    """Read the patches of a change, as many as a page can hold."""
    shown, room = [], MOST_LINES
    for change in changes:
        lines = read(change.patch) if change.patch else None
        if lines is None:
            shown.append(FilePatch(change, None, _silence(change)))
        elif len(lines) > room:
            shown.append(FilePatch(change, None, "This file's lines are left out: the page would become too long."))
        else:
            room -= len(lines)
            shown.append(FilePatch(change, lines))
    return shown


def _silence(change: Change) -> str:
    """Say why a file has no lines to show."""
    if change.status == "renamed" and not change.additions and not change.deletions:
        return "Renamed without changes."
    if change.additions or change.deletions:
        return "This file's lines are left out: there are too many."
    return "Binary file, empty file, or a change of mode alone."
