"""What the base commit says of itself: its files, and the few of them that configure tools."""

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from app.domain.ports import Clone
from workers.checkpoints import languages, toml

CONFIGURATION = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "tox.ini",
    "pytest.ini",
    ".pytest.ini",
    "mypy.ini",
    ".mypy.ini",
    "pyrightconfig.json",
    "ruff.toml",
    ".ruff.toml",
    ".flake8",
    ".python-version",
    "uv.lock",
    "poetry.lock",
    "Pipfile",
    "Pipfile.lock",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "tsconfig.json",
)


@dataclass(frozen=True)
class Snapshot:
    """The files of one commit and the text of those that configure tools or declare dependencies."""

    commit: str
    tree: str
    files: frozenset[str]
    texts: Mapping[str, str]

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """`pyproject.toml`, empty when there is none or it isn't valid."""
        return toml_table(self.texts.get("pyproject.toml", ""))

    @cached_property
    def package(self) -> dict[str, Any]:
        """`package.json`, empty when there is none or it isn't valid."""
        return json_object(self.texts.get("package.json", ""))

    def tool(self, name: str) -> Any:
        """Return the table [tool.NAME] of `pyproject.toml`, or None."""
        tools = self.pyproject.get("tool")
        return tools.get(name) if isinstance(tools, dict) else None

    def section(self, path: str, name: str) -> Mapping[str, str] | None:
        """Return a section of an ini file, or None."""
        return ini(self.texts.get(path, "")).get(name)

    @property
    def python(self) -> tuple[str, ...]:
        """The Python files."""
        return languages.having(sorted(self.files), languages.PYTHON)

    @property
    def scripts(self) -> tuple[str, ...]:
        """The JavaScript and TypeScript files."""
        return languages.having(sorted(self.files), languages.SCRIPTS)

    def configured(self, *paths: str) -> bool:
        """Say whether one of these files is there."""
        return any(path in self.files for path in paths)


async def take(clone: Clone, commit: str) -> Snapshot:
    """Read what matters of a commit."""
    files = frozenset(await clone.files(commit))
    wanted = [path for path in CONFIGURATION if path in files]
    wanted += [path for path in sorted(files) if is_requirements(path)]
    texts = {}
    for path in wanted:
        content = await clone.read(commit, path)
        if content is not None:
            texts[path] = content.decode(errors="replace")
    return Snapshot(commit, await clone.tree(commit), files, texts)


def is_requirements(path: str) -> bool:
    """Say whether a file lists requirements that a test run may need, by its name."""
    pure = PurePosixPath(path)
    if pure.suffix != ".txt" or len(pure.parts) > 2:
        return False
    words = set(pure.stem.lower().replace("_", "-").replace(".", "-").split("-"))
    if pure.parent.name == "requirements":
        return bool(words & _KINDS)
    return len(pure.parts) == 1 and "requirements" in words and words <= _KINDS | {"requirements"}


_KINDS = {
    "base",
    "main",
    "common",
    "prod",
    "test",
    "tests",
    "testing",
    "dev",
    "develop",
    "development",
    "ci",
    "all",
    "app",
}


def toml_table(text: str) -> dict[str, Any]:
    """Parse TOML; what can't be parsed configures nothing."""
    try:
        return toml.parse(text)
    except (ValueError, RecursionError):
        return {}


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; what can't be parsed configures nothing."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def ini(text: str) -> dict[str, Mapping[str, str]]:
    """Parse an ini file; what can't be parsed configures nothing."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}
