"""A worktree with its checkpoints: judges what has changed in it against its base."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding, mark_known
from app.domain.ports import Change, Clone, Execution, Worktree
from app.domain.repository_settings import CommandSettings
from app.errors import EnvironmentFailed, SandboxUnavailable
from workers.checkpoints import judges, languages, lint, runners, syntax, tests, types, verdict, wording
from workers.checkpoints.environment import BARE, Environment
from workers.checkpoints.execution import read_report
from workers.checkpoints.formatting import Formatter
from workers.checkpoints.locks import locked
from workers.checkpoints.observation import Observation, Status, join
from workers.checkpoints.runners import Runner
from workers.checkpoints.snapshot import Snapshot
from workers.checkpoints.store import key

if TYPE_CHECKING:
    from workers.checkpoints.suite import Checkers

_REPEATS = 3
_REPEATED = 25  # tests; more than that don't fail by chance
_PATIENCE = 3600.0  # seconds, for somebody else who judges the same tree


@dataclass(frozen=True)
class Subject:
    """What is being judged: a tree, and what it differs in from its base."""

    base: Snapshot
    tree: str
    changes: tuple[Change, ...]
    environment: Environment
    problem: str = ""  # why the environment could not be installed

    @property
    def paths(self) -> tuple[str, ...]:
        """The changed files that are there."""
        return tuple(change.path for change in self.changes if change.status != "D")


@dataclass
class Trial:
    """The tests of one tree while they are run."""

    before: Observation
    patch: bytes
    environment: Environment
    seen: list[Observation] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    silent: bool = False

    @property
    def empty(self) -> bool:
        """Say whether runners that tell test by test found none at all."""
        return not any(run.tests or run.findings or run.by_exit_code for run in (self.before, *self.seen))


def _first_error(path: str, content: bytes) -> Finding | None:
    return syntax.first_error(path, content.decode(errors="surrogateescape"))


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
        self, checkers: "Checkers", clone: Clone, worktree: Worktree, commands: CommandSettings, setup: str | None
    ) -> None:
        """Judge `worktree` by the `commands` and `setup` of its base."""
        self._checkers = checkers
        self._clone = clone
        self._worktree = worktree
        self._commands = commands
        self._setup = setup

    # --- syntax

    def syntax_error(self, path: str, text: str) -> Finding | None:
        """Return the first syntax error of `text`, unless what it replaces in the worktree has one too."""
        error = syntax.first_error(path, text)
        if error is None:
            return None
        before = self._text(path)
        return None if before is not None and syntax.first_error(path, before) is not None else error

    async def syntax(self) -> CheckResult:
        """Say whether every changed file parses."""
        started = self._checkers.clock()
        changes = await self._worktree.changes()
        paths = [change.path for change in changes if change.status != "D" and syntax.parses(change.path)]
        if not paths:
            return self._result(
                Checkpoint.syntax, Conclusion.skipped, "No changed file has a syntax to check", "", started
            )
        findings = [finding for path in paths for finding in await self._syntax_of(path)]
        observation = Observation(started_at=started, completed_at=self._checkers.clock())
        summary = f"Parsed {wording.count(len(paths), 'changed file')}.\n\n" + wording.static_summary(
            observation, findings, ()
        )
        title = wording.static_title(Checkpoint.syntax, findings)
        if not findings:
            title = f"{wording.count(len(paths), 'changed file')} {'parses' if len(paths) == 1 else 'parse'}"
        return self._result(Checkpoint.syntax, wording.conclude(findings), title, summary.strip(), started, findings)

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

    def _text(self, path: str) -> str | None:
        content = read_report(self._worktree.path / path, syntax.LARGEST)
        return None if content is None else content.decode(errors="surrogateescape")

    # --- types and lint

    async def types(self) -> CheckResult:
        """Say whether the type checkers report anything new."""
        return await self._judged(Checkpoint.types, self._types, self._commands.types)

    async def _types(self, subject: Subject, started: datetime) -> CheckResult:
        chosen = types.choose(subject.base, subject.environment, self._commands)
        tools = types.concerned(chosen, [change.path for change in subject.changes])
        if not tools:
            why = "Nothing changed that a type checker of this repository reads"
            return self._result(Checkpoint.types, Conclusion.skipped, why, _no_checker(subject), started)
        baselines = self._checkers.baselines
        now = await baselines.run_tools(tools, subject.paths, self._worktree.path, subject.environment)
        before = baselines.nothing()
        if now.findings:
            before = await baselines.tools(self._clone, subject.base, subject.environment, tools, ())
        return await self._static(Checkpoint.types, subject, now, before)

    async def lint(self) -> CheckResult:
        """Say whether the linters and formatters accept what has changed."""
        return await self._judged(Checkpoint.lint, self._lint, self._commands.lint)

    async def _lint(self, subject: Subject, started: datetime) -> CheckResult:
        baselines, base, environment = self._checkers.baselines, subject.base, subject.environment
        tools = lint.choose(base, environment, self._commands)
        if not any(tool.own or tool.wants(subject.paths) for tool in tools):
            why = "Nothing changed that a linter of this repository reads"
            return self._result(Checkpoint.lint, Conclusion.skipped, why, _no_checker(subject), started)
        now = await baselines.run_tools(tools, subject.paths, self._worktree.path, environment)
        before = baselines.nothing()
        if now.findings:
            before = await baselines.tools(self._clone, base, environment, tools, subject.paths)
        formatted = await self._unformatted(subject)
        return await self._static(Checkpoint.lint, subject, join([now, formatted]), before)

    async def _unformatted(self, subject: Subject) -> Observation:
        """Return what the formatters say of files that they had nothing to say of before."""
        baselines, base, environment = self._checkers.baselines, subject.base, subject.environment
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
        notes = await self._notes(subject)
        return CheckResult(
            checkpoint=checkpoint,
            conclusion=wording.conclude(findings),
            title=wording.static_title(checkpoint, findings),
            summary=wording.static_summary(now, findings, notes),
            findings=findings,
            log=now.log,
            started_at=now.started_at,
            completed_at=self._checkers.clock(),
        )

    async def format(self) -> list[str]:
        """Apply the repository's formatter and safe fixes to the changed files; return the paths altered."""
        subject = await self._subject()
        checkers = self._checkers
        formatter = Formatter(checkers.executor, checkers.baselines, self._clone, self._commands, self._worktree.path)
        return await formatter.apply(subject)

    # --- tests

    async def tests(self) -> CheckResult:
        """Say whether the repository's tests pass as they did before."""
        return await self._judged(Checkpoint.tests, self._tests, self._commands.tests)

    async def _tests(self, subject: Subject, started: datetime) -> CheckResult:
        if subject.problem:
            return self._not_run(
                Checkpoint.tests, "The repository's dependencies could not be installed", subject.problem, started
            )
        base, environment = subject.base, subject.environment
        chosen = runners.choose(base, environment, self._commands, subject.paths)
        if not chosen:
            said = (
                f"{wording.NO_TESTS}: neither on the base nor in this change, so nothing was run and nothing is proven."
            )
            return self._result(Checkpoint.tests, Conclusion.skipped, wording.NO_TESTS, said, started)
        before = await self._checkers.baselines.tests(
            self._clone, base, environment, runners.choose(base, environment, self._commands, ())
        )
        trial = Trial(before, await self._worktree.patch(), environment)
        # Apart from the worktree: what tests write is no part of the change, and ignored files prove nothing.
        async with self._clone.worktree(f"judge-{subject.tree[:16]}", base.commit) as checkout:
            await checkout.restore(trial.patch)
            for runner in chosen:
                await self._try(trial, runner, checkout.path)
        return await self._tested(subject, trial)

    async def _try(self, trial: "Trial", runner: Runner, root: Path) -> None:
        """Run one runner's tests, and again those that may be flaky."""
        executor, clock = self._checkers.executor, self._checkers.clock
        seconds = tests.patience(trial.before)
        now = await tests.run(executor, clock, runner, root, trial.environment, seconds)
        trial.seen.append(now)
        trial.silent = trial.silent or tests.silent(runner, now)
        left = set(verdict.to_repeat(trial.before, now))
        if len(left) > _REPEATED:
            return
        for _ in range(_REPEATS):
            if not left:
                return
            again = await tests.run(executor, clock, runner, root, trial.environment, seconds, sorted(left))
            passed = {test.id for test in again.tests if test.status is Status.passed} & left
            trial.recovered += sorted(passed)
            left -= passed

    async def _tested(self, subject: Subject, trial: "Trial") -> CheckResult:
        now = join(trial.seen)
        judged = verdict.judge(trial.before, now, trial.recovered)
        title, conclusion = wording.tests_title(now, judged), wording.conclude(judged.findings)
        if trial.silent and conclusion is Conclusion.passed:
            conclusion, title = Conclusion.not_run, "The tests can't be run, on the base commit either"
        elif conclusion is Conclusion.passed and trial.empty:
            conclusion, title = Conclusion.skipped, wording.NO_TESTS
        return CheckResult(
            checkpoint=Checkpoint.tests,
            conclusion=conclusion,
            title=title,
            summary=wording.tests_summary(trial.before, now, judged, await self._notes(subject)),
            findings=judged.findings,
            log=now.log,
            started_at=now.started_at,
            completed_at=self._checkers.clock(),
        )

    # --- commands

    async def run(self, command: str, seconds: float) -> Execution:
        """Run a shell command in the worktree, in the sandbox, without network."""
        base = await self._checkers.snapshot(self._clone, self._worktree.base)
        environment = await self._checkers.environments.of(self._clone, base, self._setup)
        outcome = await self._checkers.executor.run(
            ("/bin/sh", "-c", command), self._worktree.path, environment, seconds=seconds, writable=True, merged=True
        )
        return Execution(outcome.exit_code, outcome.stdout.decode(errors="replace"), outcome.timed_out)

    # --- what all of them share

    async def _judged(
        self,
        checkpoint: Checkpoint,
        judge: Callable[[Subject, datetime], Awaitable[CheckResult]],
        command: str | None,
    ) -> CheckResult:
        """Judge the present tree unless it was judged before by the same commands in the same environment."""
        started = self._checkers.clock()
        try:
            subject = await self._subject()
            name = key(checkpoint, subject.tree, subject.base.tree, subject.environment.digest, command)
            store = self._checkers.store
            async with locked(store.lock(name), _PATIENCE):
                if (known := store.read(name, CheckResult)) is not None:
                    return known
                result = await judge(subject, started)
                if result.conclusion is not Conclusion.not_run and not subject.problem:
                    store.write(name, result)
                return result
        except SandboxUnavailable as error:
            return self._not_run(checkpoint, "Not run: the sandbox is not available", str(error), started)

    async def _subject(self) -> Subject:
        base = await self._checkers.snapshot(self._clone, self._worktree.base)
        tree, changes = await self._worktree.tree(), await self._worktree.changes()
        try:
            environment = await self._checkers.environments.of(self._clone, base, self._setup)
        except EnvironmentFailed as error:
            return Subject(base, tree, tuple(changes), BARE, str(error))
        return Subject(base, tree, tuple(changes), environment)

    async def _notes(self, subject: Subject) -> list[str]:
        """Tell what of the change edits its own judges, or needs what isn't installed."""
        edited: list[str] = []
        declared: list[str] = []
        for change in subject.changes:
            before = await self._clone.read(subject.base.commit, change.path) if judges.is_mixed(change.path) else None
            after = self._text(change.path) or "" if judges.is_mixed(change.path) else ""
            edited += judges.edited(change.path, (before or b"").decode(errors="replace"), after)
            if judges.declares(change.path, (before or b"").decode(errors="replace"), after):
                declared.append(f"`{change.path}`")
        notes = [*subject.environment.notes]
        if edited:
            notes.append(f"This change edits what judges it: {', '.join(edited)}. Please look at that closely.")
        if declared:
            notes.append(
                f"This change declares other dependencies ({', '.join(declared)}). Those of the base are installed"
                " here until it is merged."
            )
        return notes

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
            completed_at=self._checkers.clock(),
        )

    def _not_run(self, checkpoint: Checkpoint, title: str, reason: str, started: datetime) -> CheckResult:
        first, _, output = reason.partition("\n\n")
        summary = f"{first}\n\n```\n{output}\n```" if output else first
        return self._result(checkpoint, Conclusion.not_run, title, summary, started)
