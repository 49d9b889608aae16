"""Globs over repository paths, in which `**` stands for any number of folders and `*` stays within one."""

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    pattern = pattern.removeprefix("./").removeprefix("/")
    if pattern.endswith("/"):
        pattern += "**"
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    words = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts) + r"(?:/.*)?\Z")


def fits(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the globs covers `path`, itself or as a folder above it."""
    return any(_compiled(pattern).match(path) for pattern in patterns)
