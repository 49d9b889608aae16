"""A worktree with its checkpoints: judges what has changed in it against its base."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

from app import metrics
from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding, mark_known
from app.domain.ports import Clone, Execution, Worktree
from app.domain.repository_settings import CommandSettings
from app.edges import Edge, edge
from app.errors import EnvironmentFailed, SandboxUnavailable
from workers.checkpoints import languages, lint, runners, syntax, types, wording
from workers.checkpoints.environment import BARE
from workers.checkpoints.equipment import Equipment
from workers.checkpoints.execution import read_report
from workers.checkpoints.formatting import Formatter
from workers.checkpoints.locks import locked
from workers.checkpoints.observation import Observation, join
from workers.checkpoints.store import key
from workers.checkpoints.subject import Subject, notes, read_text
from workers.checkpoints.tools import Tool
from workers.checkpoints.trial import TestsCheckpoint

log = logging.getLogger(__name__)

_PATIENCE = 3600.0  # seconds, for somebody else who judges the same tree
_WORTH_AHEAD = 10.0  # seconds that tests may take to be run before anybody knows that they will be asked for


Judge = Callable[[Subject, datetime], Awaitable[CheckResult]]


def _first_error(path: str, content: bytes) -> Finding | None:
    return syntax.first_error(path, content.decode(errors="surrogateescape"))


def _counted(result: CheckResult) -> CheckResult:
    seconds = (result.completed_at - result.started_at).total_seconds()
    metrics.CHECKPOINT_SECONDS.labels(result.checkpoint, result.conclusion).observe(max(seconds, 0.0))
    told = {"checkpoint": result.checkpoint, "conclusion": result.conclusion, "seconds": round(seconds, 3)}
    log.info("checkpoint", extra=told)
    return result


def _no_checker(subject: Subject) -> str:
    """Say in a sentence why nothing was run."""
    if languages.having(subject.paths, languages.SCRIPTS):
        return (
            "JavaScript and TypeScript are checked by the repository's own tools (tsc, eslint, biome, oxlint) when it"
            " configures and installs them. Name other commands in `.github/aurora.yml` under `checkpoints`."
        )
    return "No changed file is in a language that is checked here without configuration."


class Bench:
    """Judges one worktree, as often as it changes."""

    def __init__(
        self, has: Equipment, clone: Clone, worktree: Worktree, commands: CommandSettings, setup: str | None
    ) -> None:
        """Judge `worktree` by the `commands` and `setup` of its base."""
        self._has = has
        self._clone = clone
        self._worktree = worktree
        self._commands = commands
        self._setup = setup
        self._ahead: asyncio.Task[object] | None = None

    # --- syntax

    def syntax_error(self, path: str, text: str) -> Finding | None:
        """Return the first syntax error of `text`, unless what it replaces in the worktree has one too."""
        error = syntax.first_error(path, text)
        if error is None:
            return None
        before = read_text(self._worktree.path, path)
        return None if before is not None and syntax.first_error(path, before) is not None else error

    async def syntax(self) -> CheckResult:
        """Say whether every changed file parses."""
        started = self._has.clock()
        _, changes = await self._worktree.state()
        paths = [change.path for change in changes if change.status != "D" and syntax.parses(change.path)]
        if not paths:
            return self._result(
                Checkpoint.syntax, Conclusion.skipped, "No changed file has a syntax to check", "", started
            )
        findings = [finding for path in paths for finding in await self._syntax_of(path)]
        observation = Observation(started_at=started, completed_at=self._has.clock())
        summary = f"Parsed {wording.count(len(paths), 'changed file')}.\n\n" + wording.static_summary(
            observation, findings, ()
        )
        title = wording.static_title(Checkpoint.syntax, findings)
        if not findings:
            title = f"{wording.count(len(paths), 'changed file')} {'parses' if len(paths) == 1 else 'parse'}"
        verdict = wording.conclude(findings)
        return _counted(self._result(Checkpoint.syntax, verdict, title, summary.strip(), started, findings))

    async def _syntax_of(self, path: str) -> Sequence[Finding]:
        content = await asyncio.to_thread(read_report, self._worktree.path / path, syntax.LARGEST)
        if content is None:
            return ()
        error = await asyncio.to_thread(_first_error, path, content)
        if error is None:
            return ()
        before = await self._clone.read(self._worktree.base, path)
        known = before is not None and await asyncio.to_thread(_first_error, path, before) is not None
        return (error.model_copy(update={"is_new": not known}),)

    # --- types and lint

    async def types(self) -> CheckResult:
        """Say whether the type checkers report anything new."""
        return await self._judged(Checkpoint.types, self._types, self._commands.types)

    async def _types(self, subject: Subject, started: datetime) -> CheckResult:
        chosen = types.choose(subject.base, subject.environment, self._commands)
        tools = types.concerned(chosen, [change.path for change in subject.changes], subject.base)
        if not tools:
            why = "Nothing changed that a type checker of this repository reads"
            return self._result(Checkpoint.types, Conclusion.skipped, why, _no_checker(subject), started)
        seen, known = [], []
        for tool in tools:
            focused = asyncio.to_thread(types.focus, tool, subject.base, subject.paths, self._worktree.path)
            now, before = await self._compare(subject, *await focused)
            seen.append(now)
            known.append(before)
        return await self._static(Checkpoint.types, subject, join(seen), join(known))

    async def _compare(self, subject: Subject, tool: Tool, paths: Sequence[str]) -> tuple[Observation, Observation]:
        """Return what a tool says now and, where that is anything, what it said before."""
        baselines = self._has.baselines
        if tool.own:
            # Its author's commands may write: apart from the worktree, then.
            name = f"check-{subject.tree[:16]}"
            async with self._clone.worktree(name, subject.base.commit, subject.tree) as checkout:
                now = await baselines.run_tools([tool], paths, checkout.path, subject.environment)
        else:
            now = await baselines.run_tools([tool], paths, self._worktree.path, subject.environment)
        if not now.findings:
            return now, baselines.nothing()
        return now, await baselines.tools(self._clone, subject.base, subject.environment, [tool], paths)

    async def lint(self) -> CheckResult:
        """Say whether the linters and formatters accept what has changed."""
        return await self._judged(Checkpoint.lint, self._lint, self._commands.lint)

    async def _lint(self, subject: Subject, started: datetime) -> CheckResult:
        base, environment = subject.base, subject.environment
        tools = lint.choose(base, environment, self._commands)
        if not any(tool.own or tool.wants(subject.paths) for tool in tools):
            why = "Nothing changed that a linter of this repository reads"
            return self._result(Checkpoint.lint, Conclusion.skipped, why, _no_checker(subject), started)
        compared = [await self._compare(subject, tool, subject.paths) for tool in tools]
        seen = [now for now, _ in compared]
        known = [before for _, before in compared]
        return await self._static(
            Checkpoint.lint, subject, join([*seen, await self._unformatted(subject)]), join(known)
        )

    async def _unformatted(self, subject: Subject) -> Observation:
        """Return what the formatters say of files that they had nothing to say of before."""
        baselines, base, environment = self._has.baselines, subject.base, subject.environment
        formatters = lint.formatters(base, environment, self._commands)
        seen = []
        for tool in formatters:
            now = await baselines.run_tools([tool], subject.paths, self._worktree.path, environment)
            found = tuple(finding for finding in now.findings if finding.code == lint.FORMAT)
            if found:
                unformatted = (await baselines.unformatted(self._clone, base, environment, [tool]))[tool.name]
                known = frozenset(languages.having(base.files, tool.suffixes))
                found = lint.only_formatted(found, unformatted, known)
            seen.append(now.model_copy(update={"findings": found, "log": now.log if found else ""}))
        return join(seen) if seen else baselines.nothing()

    async def _static(
        self, checkpoint: Checkpoint, subject: Subject, now: Observation, before: Observation
    ) -> CheckResult:
        marked = mark_known(now.findings, before.findings)
        changed = {change.path for change in subject.changes}
        findings = tuple(finding for finding in marked if finding.is_new or finding.path in changed)
        return CheckResult(
            checkpoint=checkpoint,
            conclusion=wording.conclude(findings),
            title=wording.static_title(checkpoint, findings),
            summary=wording.static_summary(now, findings, await notes(subject, self._clone, self._worktree.path)),
            findings=findings,
            log=now.log,
            started_at=now.started_at,
            completed_at=self._has.clock(),
        )

    async def format(self) -> list[str]:
        """Apply the repository's formatter and safe fixes to the changed files; return the paths altered."""
        subject = await self._subject()
        return await Formatter(self._has, self._clone, self._commands, self._worktree.path).apply(subject)

    # --- tests

    async def tests(self) -> CheckResult:
        """Say whether the repository's tests pass as they did before."""
        trial = TestsCheckpoint(self._has, self._clone, self._commands, self._worktree.path)

        async def judge(subject: Subject, _: datetime) -> CheckResult:
            return await trial.judge(subject)

        return await self._judged(Checkpoint.tests, judge, self._commands.tests)

    # --- commands

    async def run(self, command: str, seconds: float) -> Execution:
        """Run a shell command in the worktree, in the sandbox, without network."""
        base = await self._has.snapshot(self._clone, self._worktree.base)
        environment = await self._has.environments.of(self._clone, base, self._setup)
        # Not counted as heavy: a command that only waits would keep everybody's tests from running.
        outcome = await self._has.executor.run(
            ("/bin/sh", "-c", command),
            self._worktree.path,
            environment,
            seconds=seconds,
            writable=True,
            heavy=False,
            merged=True,
        )
        return Execution(outcome.exit_code, outcome.stdout.decode(errors="replace"), outcome.timed_out)

    # --- ahead

    def anticipate(self) -> None:
        """Begin what takes longest, so that its result is known when it is asked for."""
        if self._ahead is None or self._ahead.done():
            self._ahead = asyncio.create_task(self._judge_ahead())

    async def calm(self) -> None:
        """End what was begun ahead."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)  # what is wrong shows when it is asked for
            self._ahead = None

    async def _judge_ahead(self) -> None:
        base = await self._has.snapshot(self._clone, self._worktree.base)
        environment = await self._has.environments.of(self._clone, base, self._setup)
        chosen = runners.choose(base, environment, self._commands, ())
        before = await self._has.baselines.tests(self._clone, base, environment, chosen)
        if (before.completed_at - before.started_at).total_seconds() > _WORTH_AHEAD:
            return
        await asyncio.gather(self.types(), self.tests())

    # --- what all of them share

    async def _judged(
        self,
        checkpoint: Checkpoint,
        judge: Judge,
        command: str | None,
    ) -> CheckResult:
        """Judge the present tree unless it was judged before by the same commands in the same environment."""
        started = self._has.clock()
        try:
            subject = await self._subject()
            name = key(checkpoint, subject.tree, subject.base.tree, subject.environment.digest, command)
            store = self._has.store
            async with locked(store.lock(name), _PATIENCE, breakable=True):
                if (known := store.read(name, CheckResult)) is not None:
                    return known
                result = _counted(await edge(Edge.checked, checkpoint.value, partial(judge, subject, started)))
                if result.conclusion is not Conclusion.not_run and not subject.problem:
                    store.write(name, result)
                return result
        except SandboxUnavailable as error:
            return _counted(self._not_run(checkpoint, "Not run: the sandbox is not available", str(error), started))

    async def _subject(self) -> Subject:
        base = await self._has.snapshot(self._clone, self._worktree.base)
        tree, changes = await self._worktree.state()
        try:
            environment = await self._has.environments.of(self._clone, base, self._setup)
        except EnvironmentFailed as error:
            return Subject(base, tree, tuple(changes), BARE, str(error))
        return Subject(base, tree, tuple(changes), environment)

    def _result(
        self,
        checkpoint: Checkpoint,
        conclusion: Conclusion,
        title: str,
        summary: str,
        started: datetime,
        findings: Sequence[Finding] = (),
    ) -> CheckResult:
        return CheckResult(
            checkpoint=checkpoint,
            conclusion=conclusion,
            title=title,
            summary=summary or title,
            findings=tuple(findings),
            started_at=started,
            completed_at=self._has.clock(),
        )

    def _not_run(self, checkpoint: Checkpoint, title: str, reason: str, started: datetime) -> CheckResult:
        return self._result(checkpoint, Conclusion.not_run, title, wording.reason(reason), started)
