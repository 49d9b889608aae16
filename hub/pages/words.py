"""How pages put times, sizes and addresses into words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

_STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86_400, 3600, "hour"), (30 * 86_400, 86_400, "day"))


def moment(text: str) -> datetime:
    """Read a stored time."""
    return datetime.fromisoformat(text).astimezone(UTC)


def ago(text: str, now: datetime) -> str:
    """Say how long ago something was, the way people say it."""
    seconds = (now - moment(text)).total_seconds()
    if seconds < 5:
        return "just now"
    for limit, unit, name in _STEPS:
        if seconds < limit:
            return f"{plural(int(seconds // unit), name)} ago"
    return f"on {moment(text):%-d %B %Y}"


def took(start: str | None, end: str | None) -> str:
    """Say how long something took; nothing when it isn't known."""
    if not start or not end:
        return ""
    length = moment(end) - moment(start)
    seconds = int(max(length, timedelta()).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min {seconds % 60} s"


def plural(count: int, name: str) -> str:
    """Count things: 1 file, 2 files."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """Say how large a file is."""
    if count < 1024:
        return plural(count, "byte")
    return f"{count / 1024:.1f} KB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"


def part(text: str) -> str:
    """Make text a part of an address; slashes stay."""
    return quote(text, safe="/")


def initials(login: str) -> str:
    return login[:1].upper()
