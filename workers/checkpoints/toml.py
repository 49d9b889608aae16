"""Parses TOML that anybody may have written: Python's parser is quadratic in the parts of a dotted key."""

import re
import tomllib
from typing import Any

_ENDLESS_KEY = re.compile(r"^[\s\[]*(?:[\w\"'-]+\s*\.\s*){200}", re.M)


def parse(text: str) -> dict[str, Any]:
    """Parse a document. Raises ValueError (tomllib.TOMLDecodeError with a place) or RecursionError."""
    if _ENDLESS_KEY.search(text):
        raise ValueError("a key has more than 200 parts")
    return tomllib.loads(text)
