"""Reads `path:line:column: message` lines, the form that most checkers of any language print."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.domain.checks import Finding

_ANY = re.compile(
    r"^(?P<path>[^\s:()][^:()\n]*\.\w+)(?::(?P<line>\d+)(?::(?P<column>\d+))?|\((?P<line2>\d+),\d+\)):?\s+"
    r"(?P<message>\S.*)$"
)
_TY = re.compile(r"^(?P<path>.+?):(?P<line>\d+):\d+: error\[(?P<code>[\w-]+)\] (?P<message>.*)$")
_MYPY = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+)(?::\d+)?: error: (?P<message>.*?)(?:  \[(?P<code>[\w-]+)\])?$")
_TSC = re.compile(r"^(?P<path>[^\s(][^(\n]*)\((?P<line>\d+),\d+\): error (?P<code>TS\d+): (?P<message>.*)$")
_FLAKE8 = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: (?P<code>[A-Z]+\d+) (?P<message>.*)$")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

Reader = Callable[[str, Path], tuple[Finding, ...]]


def relative(path: str, root: Path) -> str:
    """Name a path as the repository does; an outside one keeps its last part only."""
    pure = PurePosixPath(path.removeprefix("file://"))
    if not pure.is_absolute():
        return str(pure)
    try:
        return str(pure.relative_to(root))
    except ValueError:
        return pure.name


def plain(text: str) -> str:
    """Take the colours out."""
    return _COLOURS.sub("", text)


@dataclass(frozen=True)
class LineReader:
    """Reads one finding from each line that has the pattern's form."""

    pattern: re.Pattern[str]

    def __call__(self, text: str, root: Path) -> tuple[Finding, ...]:
        """Return what a report says, in its order."""
        return tuple(self._findings(plain(text).splitlines(), root))

    def _findings(self, lines: Sequence[str], root: Path) -> Iterator[Finding]:
        for line in lines:
            found = self.pattern.match(line.rstrip())
            if found is not None:
                parts = found.groupdict()
                yield Finding(
                    path=relative(parts["path"], root),
                    line=max(1, int(parts["line"] or parts.get("line2") or 1)),
                    code=parts.get("code") or "",
                    message=parts["message"].replace(f"{root}/", ""),
                )


@dataclass(frozen=True)
class Within(LineReader):
    """Reads the report of a command that ran in a folder of the repository, and may name paths as seen from there."""

    folder: str

    def _findings(self, lines: Sequence[str], root: Path) -> Iterator[Finding]:
        for finding in super()._findings(lines, root):
            yield finding.model_copy(update={"path": from_root(self.folder, finding.path, root)})


def from_root(folder: str, path: str, root: Path) -> str:
    """Name a path as the repository does, if it is a file as seen from the folder."""
    inside = PurePosixPath(folder, path)
    plain_enough = folder and path and ".." not in inside.parts
    return str(inside) if plain_enough and (root / inside).exists() else path


ty = LineReader(_TY)
mypy = LineReader(_MYPY)
tsc = LineReader(_TSC)
flake8 = LineReader(_FLAKE8)
any_lines = LineReader(_ANY)


_GITHUB = re.compile(r"^::error(?P<attributes> [^:]*(?::[^:]+)*?)?::(?P<message>.*)$")


def github(text: str, root: Path) -> tuple[Finding, ...]:
    """Read GitHub's own annotations (`::error file=…,line=…::message`), as biome and others print them."""
    found = []
    for line in plain(text).splitlines():
        match = _GITHUB.match(line)
        if match is not None:
            given = dict(part.split("=", 1) for part in (match["attributes"] or "").strip().split(",") if "=" in part)
            found.append(
                Finding(
                    path=relative(given.get("file", ""), root) if given.get("file") else "",
                    line=max(1, int(given.get("line", "1"))),
                    code=given.get("title", ""),
                    message=match["message"].replace("%0A", " ").replace("%25", "%"),
                )
            )
    return tuple(found)
