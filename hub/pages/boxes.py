"""Tick the boxes of a task list: a click changes one letter of what somebody wrote."""

from __future__ import annotations

import hashlib
import re

from hub.errors import ApiError

STALE = "This text has changed since the page was shown. Reload the page and tick the box again."
_LINES = re.compile(r"(\r\n|\r|\n)")
_BOX = re.compile(r"(?P<before>(?:[-*+]|\d{1,9}[.)])[ \t]+\[)(?P<tick>[ xX])(?=\][ \t])")


def version(text: str) -> str:
    """Name a text as it is, so that a box is not ticked in another one."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def toggled(text: str, line: str, seen: str) -> str:
    """Tick the box on a line (from 0), or take the tick away; `seen` is the version that a person looked at."""
    parts = _LINES.split(text)
    at = 2 * int(line) if line.isdecimal() and len(line) < 6 else len(parts)
    found = _BOX.search(parts[at]) if at < len(parts) else None
    if seen != version(text) or found is None:
        raise ApiError(409, STALE)
    tick = "x" if found["tick"] == " " else " "
    parts[at] = f"{parts[at][: found.start('tick')]}{tick}{parts[at][found.end('tick') :]}"
    return "".join(parts)
