"""Formats what has changed, and only where the repository was formatted before."""

from collections.abc import Sequence
from pathlib import Path

from app.domain.checks import Finding, mark_known
from app.domain.ports import Clone
from app.domain.repository_settings import CommandSettings
from workers.checkpoints import fixes, languages, lint
from workers.checkpoints.equipment import Equipment
from workers.checkpoints.execution import read_report
from workers.checkpoints.reports import records
from workers.checkpoints.subject import Subject
from workers.checkpoints.tools import Tool, custom

_ROUNDS = 3  # a fix can make room for the next


class Formatter:
    """Changes the files of one subject in place."""

    def __init__(self, has: Equipment, clone: Clone, commands: CommandSettings, root: Path) -> None:
        """Work in the checkout at `root`."""
        self._executor = has.executor
        self._baselines = has.baselines
        self._clone = clone
        self._commands = commands
        self._root = root

    async def apply(self, subject: Subject) -> list[str]:
        """Format and fix; return the paths altered. Raises SandboxUnavailable."""
        before = {path: read_report(self._root / path) for path in subject.paths}
        if self._commands.format:
            await self._run(custom(self._commands.format).argv, subject)
        elif not self._commands.lint:
            for tool in lint.choose(subject.base, subject.environment, self._commands):
                await self._fix(tool, subject)
            for tool in lint.formatters(subject.base, subject.environment, self._commands):
                await self._format(tool, subject)
        return [path for path, content in before.items() if read_report(self._root / path) != content]

    async def _format(self, tool: Tool, subject: Subject) -> None:
        now = await self._baselines.run_tools([tool], subject.paths, self._root, subject.environment)
        found = [finding for finding in now.findings if finding.code == lint.FORMAT]
        if not found:
            return
        unformatted = await self._baselines.unformatted(self._clone, subject.base, subject.environment, [tool])
        known = frozenset(languages.having(subject.base.files, tool.suffixes))
        wanted = [finding.path for finding in lint.only_formatted(found, unformatted[tool.name], known)]
        if wanted:
            await self._run((*lint.writing(tool), *wanted), subject)

    async def _fix(self, tool: Tool, subject: Subject) -> None:
        if tool.read is not records.ruff:
            return  # others are run by the repository's own `format` command
        for _ in range(_ROUNDS):
            paths = tool.wants(subject.paths)
            if not paths:
                return
            outcome = await self._executor.run(
                tool.command(paths), self._root, subject.environment, seconds=tool.seconds, heavy=False
            )
            report = outcome.stdout.decode(errors="replace")
            if outcome.exit_code != 1 or not self._apply(report, await self._known(tool, subject, report)):
                return

    async def _known(self, tool: Tool, subject: Subject, report: str) -> Sequence[Finding]:
        found = tool.read(report, self._root)
        before = await self._baselines.tools(self._clone, subject.base, subject.environment, [tool], subject.paths)
        return mark_known(found, before.findings)

    def _apply(self, report: str, findings: Sequence[Finding]) -> bool:
        offered = fixes.offered(report, self._root, findings)
        for path, wanted in offered.items():
            content = read_report(self._root / path)
            if content is not None:
                fixes.rewrite(self._root / path, fixes.apply(content.decode(), wanted))
        return bool(offered)

    async def _run(self, argv: Sequence[str], subject: Subject) -> None:
        await self._executor.run(argv, self._root, subject.environment, seconds=300, writable=True, heavy=False)
