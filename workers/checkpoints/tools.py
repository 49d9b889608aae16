"""A checker as data: its command, which files it wants, and how its report is read."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.domain.checks import Finding
from app.domain.repository_settings import entered
from app.domain.sandbox import Outcome
from workers.checkpoints import languages
from workers.checkpoints.observation import Observation, tail
from workers.checkpoints.reports import lines, records

CACHE = "{cache}"
Reader = Callable[[str, Path], tuple[Finding, ...]]


@dataclass(frozen=True)
class Tool:
    """One checker. It ends with 0 when all is well and with one of `found` when it has something to say."""

    name: str  # as people know it
    argv: tuple[str, ...]
    read: Reader
    suffixes: frozenset[str] = frozenset()  # the files that are appended to the command; empty: none are
    found: frozenset[int] = frozenset({1})
    own: bool = False  # a command of the repository's own, whose output has any form
    seconds: float = 300
    caches: bool = False  # `{cache}` in the command is a directory that makes the next run quicker

    def wants(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Select the files to name in the command."""
        return languages.having(paths, self.suffixes)

    def command(self, paths: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the whole command; paths can't be taken for options."""
        return (*self.argv, *(f"./{path}" if path.startswith("-") else path for path in paths))

    def shown(self, paths: Sequence[str] = ()) -> str:
        """Return the command as a person would type it."""
        if self.own:
            return self.argv[-1]
        names = [Path(self.argv[0]).name, *(part for part in self.argv[1:] if CACHE not in part)]
        more = [*paths] if len(paths) <= 3 else [*paths[:2], f"… {len(paths) - 2} more"]
        return " ".join(shlex.quote(part) if "…" not in part else part for part in [*names, *more])


def observe(
    tool: Tool, paths: Sequence[str], outcome: Outcome, root: Path, started: datetime, ended: datetime
) -> Observation:
    """Turn how a tool ended into what it saw; silence with a bad exit is a finding too."""
    output, errors = (text.decode(errors="replace") for text in (outcome.stdout, outcome.stderr))
    findings: tuple[Finding, ...] = ()
    understood = outcome.exit_code == 0 or outcome.exit_code in tool.found
    try:
        if not outcome.ok and (understood or tool.own):
            findings = tool.read(f"{output}\n{errors}", root)
    except records.Unreadable:
        understood = False
    if not outcome.ok and (not findings or not (understood or tool.own)):
        findings = (*findings, Finding(path="", code=tool.name, message=_complaint(tool, outcome)))
    said = f"{lines.plain(output)}{lines.plain(errors)}"
    if understood and not isinstance(tool.read, lines.LineReader):  # nobody reads JSON
        said = "\n".join(f"{each.path}:{each.line}: {each.code} {each.message}" for each in findings)
    return Observation(
        commands=(tool.shown(paths),),
        findings=findings,
        log=tail(f"$ {tool.shown(paths)}\n{said}".rstrip()),
        complete=outcome.exit_code is not None,
        started_at=started,
        completed_at=ended,
    )


def _complaint(tool: Tool, outcome: Outcome) -> str:
    """Say how a command ended, without its duration: the same in base and change."""
    ending = f"ended with exit code {outcome.exit_code}" if outcome.exit_code is not None else outcome.describe()
    return f"`{tool.argv[-1] if tool.own else tool.name}` {ending.split(' after ')[0]}"


def custom(command: str) -> Tool:
    """Make a tool of a command that the repository names for itself."""
    return Tool(
        name="command",
        argv=("/bin/sh", "-c", command),
        read=lines.Within(lines.any_lines.pattern, folder) if (folder := entered(command)) else lines.any_lines,
        found=frozenset(range(1, 256)),
        own=True,
        seconds=900,
    )
