"""Notices when a change edits what judges it, so that a reviewer sees it; pure."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from workers.checkpoints import snapshot
from workers.checkpoints.declarations import WANTED

_JUDGES = re.compile(
    r"^(conftest\.py|\.?pytest\.ini|\.?mypy\.ini|pyrightconfig\.json|\.?ruff\.toml|\.flake8|ty\.toml|aurora\.yml"
    r"|\.?(eslint|prettier|vitest|jest|mocha|babel|vite)(rc|\.config)(\.\w+)*|biome\.jsonc?|tsconfig.*\.json|\.coveragerc"
    r"|sitecustomize\.py|usercustomize\.py)$"
)
_TESTS = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?)\.py$|[./\-_](test|spec)\.[cm]?[jt]sx?$")
_TOOLS = ("pytest", "ruff", "mypy", "pyright", "ty", "black", "isort", "coverage", "pylint")
_SECTIONS = ("pytest", "tool:pytest", "flake8", "mypy", "coverage:run", "coverage:report")
_DECLARATIONS = re.compile(
    r"(^|/)(requirements[^/]*\.txt|package(-lock)?\.json|setup\.py|setup\.cfg|(uv|poetry)\.lock|Pipfile(\.lock)?)$"
)


def is_mixed(path: str) -> bool:
    """Say whether a file holds settings of judges among other things, so that its texts must be compared."""
    return path in {"pyproject.toml", "setup.cfg", "tox.ini", "package.json"}


def edited(path: str, before: str, after: str) -> Iterator[str]:
    """Yield what a change of this file edits that judges the change itself."""
    name = PurePosixPath(path).name
    if _JUDGES.match(name):
        yield f"`{path}`"
    elif path == "pyproject.toml":
        old, new = (_table(snapshot.toml_table(text), "tool") for text in (before, after))
        yield from (f"`{path}` [tool.{tool}]" for tool in _TOOLS if old.get(tool) != new.get(tool))
    elif path in {"setup.cfg", "tox.ini"}:
        sections_before, sections_after = snapshot.ini(before), snapshot.ini(after)
        for section in _SECTIONS:
            if sections_before.get(section) != sections_after.get(section):
                yield f"`{path}` [{section}]"
    elif path == "package.json":
        yield from _package(snapshot.json_object(before), snapshot.json_object(after))


def _package(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if _table(before, "scripts").get("test") != _table(after, "scripts").get("test"):
        yield "`package.json` scripts.test"
    for part in ("jest", "mocha", "vitest", "eslintConfig", "prettier"):
        if before.get(part) != after.get(part):
            yield f"`package.json` {part}"


def edits_tests(path: str, status: str) -> bool:
    """Say whether a change edits or deletes a test file that was there before."""
    return status != "A" and bool(_TESTS.search(path))


def declares(path: str, before: str, after: str) -> bool:
    """Say whether a change of this file declares other dependencies, which are not installed for it."""
    if path == "pyproject.toml":
        return _declared(snapshot.toml_table(before)) != _declared(snapshot.toml_table(after))
    if path == "package.json":
        old, new = snapshot.json_object(before), snapshot.json_object(after)
        return any(old.get(key) != new.get(key) for key in ("dependencies", "devDependencies"))
    return bool(_DECLARATIONS.search(path)) or snapshot.is_requirements(path)


def _declared(pyproject: Mapping[str, Any]) -> list[Any]:
    project, groups = _table(pyproject, "project"), _table(pyproject, "dependency-groups")
    extras = _table(project, "optional-dependencies")
    wanted = [table.get(name) for table in (groups, extras) for name in WANTED]
    return [project.get("dependencies"), _table(_table(pyproject, "tool"), "poetry").get("dependencies"), *wanted]


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name)
    return value if isinstance(value, dict) else {}
