"""Types: which checker judges a repository, and how it is run."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path, PurePosixPath

from app.domain.repository_settings import CommandSettings
from workers.checkpoints import languages
from workers.checkpoints.environment import Environment
from workers.checkpoints.execution import read_report
from workers.checkpoints.reports import lines, records
from workers.checkpoints.snapshot import Snapshot
from workers.checkpoints.tools import CACHE, Tool, custom

TY = Path(sys.prefix) / "bin" / "ty"
_WHOLE = 300  # files; about as many as are checked within a few seconds
_MYPY_FILES = ("mypy.ini", ".mypy.ini")


def choose(snapshot: Snapshot, environment: Environment, commands: CommandSettings) -> list[Tool]:
    """Choose the type checkers: the command that the base names, else its configured ones, else ours."""
    if commands.types:
        return [custom(commands.types)]
    return [*_python(snapshot, environment), *_typescript(snapshot, environment)]


def _python(snapshot: Snapshot, environment: Environment) -> list[Tool]:
    if (mypy := environment.program("mypy")) and _mypy_configured(snapshot):
        return [_mypy(mypy, snapshot)]
    if (pyright := environment.program("pyright")) and _pyright_configured(snapshot):
        return [Tool("pyright", (str(pyright), "--outputjson"), records.pyright, seconds=600)]
    return [ty(environment)]


def ty(environment: Environment) -> Tool:
    """Return our own checker of Python, which looks at the whole repository but wants some file of it changed."""
    argv = [str(TY), "check", "--output-format", "concise", "--color", "never", "--no-progress"]
    if environment.interpreter is not None:
        argv += ["--python", str(environment.interpreter)]
    for root in environment.roots:
        if root not in {".", "src"}:
            argv += ["--extra-search-path", root]
    return Tool(f"ty {version('ty')}", tuple(argv), lines.ty)


def focus(tool: Tool, base: Snapshot, changed: Sequence[str], root: Path) -> tuple[Tool, tuple[str, ...]]:
    """Let our checker read all of a small repository, and of a large one what has changed and what imports that."""
    if tool.read is not lines.ty or len(base.python) <= _WHOLE:
        return tool, ()
    touched = languages.having(changed, languages.PYTHON)
    names = "|".join({re.escape(module_name(path)) for path in touched})
    imports = re.compile(rf"^\s*(?:from|import)\b.*\b(?:{names})\b", re.M)
    importing = (path for path in base.python if path not in touched and imports.search(_text(root / path)))
    return replace(tool, suffixes=languages.PYTHON), (*touched, *islice(importing, _WHOLE))


def module_name(path: str) -> str:
    """Return the name by which other modules import a file."""
    pure = PurePosixPath(path)
    return pure.parent.name if pure.stem == "__init__" else pure.stem


def _text(path: Path) -> str:
    return (read_report(path, 1_000_000) or b"").decode(errors="replace")


def _mypy_configured(snapshot: Snapshot) -> bool:
    return (
        snapshot.configured(*_MYPY_FILES)
        or snapshot.tool("mypy") is not None
        or snapshot.section("setup.cfg", "mypy") is not None
    )


def _mypy(program: Path, snapshot: Snapshot) -> Tool:
    argv = [str(program), "--no-color-output", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    argv += ["--show-error-codes", f"--cache-dir={CACHE}"]
    table = snapshot.tool("mypy") or {}
    sections = [*(snapshot.section(path, "mypy") or {} for path in (*_MYPY_FILES, "setup.cfg")), table]
    if not any(key in section for section in sections for key in ("files", "packages", "modules")):
        argv.append(".")
    return Tool("mypy", tuple(argv), lines.mypy, seconds=600, caches=True)


def _pyright_configured(snapshot: Snapshot) -> bool:
    return snapshot.configured("pyrightconfig.json") or bool(
        {"pyright", "basedpyright"} & set(snapshot.pyproject.get("tool", {}))
    )


def _typescript(snapshot: Snapshot, environment: Environment) -> list[Tool]:
    tsc = environment.program("tsc")
    if tsc is None or not snapshot.configured("tsconfig.json"):
        return []
    argv = (str(tsc), "--noEmit", "--pretty", "false", "-p", "tsconfig.json")
    return [Tool("tsc", argv, lines.tsc, found=frozenset({1, 2}), seconds=600)]


def concerned(tools: Sequence[Tool], changed: Sequence[str], base: Snapshot) -> list[Tool]:
    """Leave out the checkers of languages of which nothing has changed."""
    python = bool(languages.having(changed, languages.PYTHON))
    python = python or bool(base.python and languages.having(changed, frozenset({".toml", ".ini", ".cfg"})))
    scripts = bool(languages.having(changed, languages.SCRIPTS | {".json"}))
    return [tool for tool in tools if tool.own or (scripts if tool.name == "tsc" else python)]
