"""Read git's description of a change: which files, how many lines, and the patch of each."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
_LONGEST_PATCH = 400_000  # characters; GitHub leaves the patch of a huge file out as well
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one file between two commits."""

    path: str
    previous_path: str | None
    status: str
    sha: str
    additions: int
    deletions: int
    patch: str | None


def read_changes(raw: str, patch: str) -> tuple[Change, ...]:
    """Join `git diff --raw --numstat -z` with the text of `git diff`; both list files in the same order."""
    fields = iter(raw.split("\0"))
    heads: list[tuple[str, str, str, str | None]] = []
    counts: list[tuple[int, int]] = []
    for field in fields:
        if field.startswith(":"):
            _, _, old_sha, new_sha, status = field.split(" ")
            path = next(fields)
            previous, path = (path, next(fields)) if status[0] in "RC" else (None, path)
            heads.append((path, status[0], old_sha if status[0] == "D" else new_sha, previous))
        elif field:
            added, deleted, path = field.split("\t", 2)
            if not path:  # a rename is followed by both names
                next(fields), next(fields)
            counts.append((_number(added), _number(deleted)))
    patches = iter(_patches(patch))
    changes = []
    for (path, status, sha, previous), (plus, minus) in zip(heads, counts, strict=True):
        text = next(patches)
        if status == "T":  # git shows a file that became a link as a removal and an addition
            text = "\n".join(part for part in (text, next(patches)) if part) or None
        changes.append(Change(path, previous, _STATUS[status], sha, plus, minus, text))
    return tuple(changes)


def position_in(patch: str, line: int, side: str) -> tuple[int, str] | None:
    """Find where a line of a file stands in its patch: its position, and the hunk down to it."""
    old = new = 0
    hunk: list[str] = []
    for position, text in enumerate(patch.split("\n")):
        start = _HUNK.match(text)
        if start:
            old, new = int(start[1]), int(start[2])
            hunk = [text]
            continue
        hunk.append(text)
        on_left, on_right = not text.startswith("+"), not text.startswith("-")
        if (side == "RIGHT" and on_right and new == line) or (side == "LEFT" and on_left and old == line):
            return position, "\n".join(hunk)
        old, new = old + on_left, new + on_right
    return None


def line_after(patch: str, line: int) -> int | None:
    """Find where a line of the old file is in the new one; None when the patch takes it away."""
    old = new = shift = 0
    for text in patch.split("\n"):
        start = _HUNK.match(text)
        if start:
            if line < int(start[1]):
                return line + shift
            old, new = int(start[1]), int(start[2])
        elif not text.startswith("\\"):
            on_left, on_right = not text.startswith("+"), not text.startswith("-")
            if on_left and old == line:
                return new if on_right else None
            old, new = old + on_left, new + on_right
            shift = new - old
    return line + shift


def _patches(text: str) -> list[str | None]:
    sections = re.split(r"(?m)^diff --git ", text)[1:]
    return [_hunks(section) for section in sections]


def _hunks(section: str) -> str | None:
    start = section.find("\n@@ ")
    body = section[start + 1 :].rstrip("\n")
    return body if start >= 0 and len(body) <= _LONGEST_PATCH else None


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)
