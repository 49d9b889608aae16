"""The languages that work without configuration: their files and the grammars that parse them."""

from collections.abc import Iterable
from pathlib import PurePosixPath

PYTHON = frozenset({".py", ".pyi"})
JAVASCRIPT = frozenset({".js", ".mjs", ".cjs", ".jsx"})
TYPESCRIPT = frozenset({".ts", ".mts", ".cts", ".tsx"})
SCRIPTS = JAVASCRIPT | TYPESCRIPT

GRAMMARS = {
    **dict.fromkeys(PYTHON, "python"),
    **dict.fromkeys(JAVASCRIPT, "javascript"),
    **dict.fromkeys(TYPESCRIPT - {".tsx"}, "typescript"),
    ".tsx": "tsx",
}


def suffix(path: str) -> str:
    """Return a path's suffix in lower case."""
    return PurePosixPath(path).suffix.lower()


def having(paths: Iterable[str], suffixes: frozenset[str]) -> tuple[str, ...]:
    """Select the paths with one of the suffixes, in order."""
    return tuple(path for path in paths if suffix(path) in suffixes)
