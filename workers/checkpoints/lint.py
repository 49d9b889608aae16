"""Lint: which linters and formatters judge a repository, and how they are run."""

import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from app.domain.checks import Finding
from app.domain.repository_settings import CommandSettings
from workers.checkpoints import languages
from workers.checkpoints.environment import Environment
from workers.checkpoints.reports import lines, records
from workers.checkpoints.snapshot import Snapshot
from workers.checkpoints.tools import Tool, custom

RUFF = Path(sys.prefix) / "bin" / "ruff"
DEFAULT_RULES = "E4,E7,E9,F"
FORMAT = "format"  # the code of what a formatter would change
_ESLINT = re.compile(r"^(\.eslintrc(\.\w+)?|eslint\.config\.\w+)$")
_PRETTIER = re.compile(r"^(\.prettierrc(\.\w+)?|prettier\.config\.\w+)$")
_WOULD_REFORMAT = re.compile(
    r"^(?:Would reformat: |would reformat |\[warn\] )(?P<path>\S.*\.\w+)$"
    r"|^(?P<concise>\S.*\.\w+):\d+:\d+: unformatted: ",
    re.M,
)


def choose(snapshot: Snapshot, environment: Environment, commands: CommandSettings) -> list[Tool]:
    """Choose the linters: the command that the base names, else its configured ones, else ours."""
    if commands.lint:
        return [custom(commands.lint)]
    return [*_python(snapshot, environment), *_scripts(snapshot, environment)]


def formatters(snapshot: Snapshot, environment: Environment, commands: CommandSettings) -> list[Tool]:
    """Choose what says whether files are formatted; none where the repository judges by a command of its own."""
    if commands.lint:
        return []
    found = [_checks_format(snapshot, environment)]
    prettier = environment.program("prettier")
    if prettier is not None and ("prettier" in snapshot.package or _any(snapshot, _PRETTIER)):
        found.append(Tool("prettier", (str(prettier), "--check"), reformatted("prettier"), languages.SCRIPTS))
    return found


def writing(check: Tool) -> tuple[str, ...]:
    """Turn the command that checks formatting into the one that formats."""
    argv = tuple(part for part in check.argv if part != "--check")
    return (*argv, "--write") if check.name == "prettier" else argv


def _python(snapshot: Snapshot, environment: Environment) -> list[Tool]:
    flake8 = environment.program("flake8")
    if flake8 is not None and _flake8_configured(snapshot) and not ruff_configured(snapshot):
        argv = (str(flake8), "--format=%(path)s:%(row)d:%(col)d: %(code)s %(text)s", "--color=never")
        return [Tool("flake8", argv, lines.flake8, languages.PYTHON)]
    return [_ruff(snapshot, environment)]


def _flake8_configured(snapshot: Snapshot) -> bool:
    places = (".flake8", "setup.cfg", "tox.ini")
    return any(snapshot.section(path, "flake8") is not None for path in places)


def ruff_configured(snapshot: Snapshot) -> bool:
    """Say whether the repository has rules of its own for ruff."""
    return snapshot.configured("ruff.toml", ".ruff.toml") or snapshot.tool("ruff") is not None


def ruff_program(environment: Environment) -> Path:
    """Prefer the version that the repository has chosen."""
    return environment.program("ruff") or RUFF


def _ruff(snapshot: Snapshot, environment: Environment) -> Tool:
    argv = [str(ruff_program(environment)), "check", "--no-cache", "--output-format", "json", "--force-exclude"]
    if not ruff_configured(snapshot):
        argv += ["--isolated", "--select", DEFAULT_RULES]
    name = "ruff" if environment.program("ruff") else f"ruff {version('ruff')}"
    return Tool(name, tuple(argv), records.ruff, languages.PYTHON)


def _checks_format(snapshot: Snapshot, environment: Environment) -> Tool:
    black, table = environment.program("black"), snapshot.tool("black")
    if black is not None and table is not None:
        return Tool("black", (str(black), "--check"), reformatted("black"), languages.PYTHON, frozenset({1, 123}))
    argv = (*ruff_format(snapshot, environment), "--check")
    return Tool("ruff format", argv, reformatted("ruff format"), languages.PYTHON, frozenset({1, 2}))


def ruff_format(snapshot: Snapshot, environment: Environment) -> tuple[str, ...]:
    """Return the command that formats; without rules of the repository's own, by black's line length if it has one."""
    argv = [str(ruff_program(environment)), "format", "--no-cache", "--force-exclude"]
    if not ruff_configured(snapshot):
        argv.append("--isolated")
        black = snapshot.tool("black")
        if isinstance(black, dict) and isinstance(black.get("line-length"), int):
            argv += ["--line-length", str(black["line-length"])]
    return tuple(argv)


def reformatted(name: str) -> "Reformatted":
    """Return the reader of a formatter's check."""
    return Reformatted(name)


class Reformatted:
    """Reads which files a formatter would change, from any of the streams that they write it to."""

    def __init__(self, name: str) -> None:
        """Name the formatter."""
        self._message = f"`{name}` would format this file differently"

    def __call__(self, text: str, root: Path) -> tuple[Finding, ...]:
        """Return one finding for each file."""
        matches = _WOULD_REFORMAT.finditer(lines.plain(text))
        found = (lines.relative(match["path"] or match["concise"], root) for match in matches)
        return tuple(Finding(path=path, code=FORMAT, message=self._message) for path in found)


def _scripts(snapshot: Snapshot, environment: Environment) -> list[Tool]:
    if (eslint := environment.program("eslint")) and (_any(snapshot, _ESLINT) or "eslintConfig" in snapshot.package):
        return [Tool("eslint", (str(eslint), "--format", "json"), records.eslint, languages.SCRIPTS)]
    if (biome := environment.program("biome")) and snapshot.configured("biome.json", "biome.jsonc"):
        argv = (str(biome), "lint", "--reporter=github", "--diagnostic-level=error", "--colors=off")
        return [Tool("biome", argv, lines.github, languages.SCRIPTS)]
    if oxlint := environment.program("oxlint"):
        return [Tool("oxlint", (str(oxlint), "--format=json"), records.oxlint, languages.SCRIPTS)]
    return []


def _any(snapshot: Snapshot, pattern: re.Pattern[str]) -> bool:
    return any(pattern.match(path) for path in snapshot.files)


def only_formatted(
    findings: Sequence[Finding], unformatted: frozenset[str], known: frozenset[str]
) -> tuple[Finding, ...]:
    """Keep what the formatter says of files that were formatted before, and of new ones in a formatted repository.

    `unformatted` are the files that it would have changed on the base, `known` all of its kind there.
    """
    formatted_repository = bool(known) and not unformatted
    return tuple(
        finding
        for finding in findings
        if finding.code != FORMAT
        or (finding.path in known and finding.path not in unformatted)
        or (finding.path not in known and formatted_repository)
    )
