"""Tests: a tree's own, beside those of its base, apart from the worktree that they came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.checks import Checkpoint, CheckResult, Conclusion
from app.domain.ports import Clone
from app.domain.repository_settings import CommandSettings
from workers.checkpoints import languages, removal, runners, tests, verdict, wording
from workers.checkpoints.environment import Environment
from workers.checkpoints.equipment import Equipment
from workers.checkpoints.observation import Observation, Status, TestCase, join
from workers.checkpoints.runners import Runner
from workers.checkpoints.subject import Subject, notes, read_text

_REPEATS = 3
_REPEATED = 25  # tests; more than that don't fail by chance


@dataclass
class Trial:
    """The tests of one tree while they are run."""

    before: Observation
    environment: Environment
    seen: list[Observation] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    silent: bool = False

    @property
    def empty(self) -> bool:
        """Say whether runners that tell test by test found none at all."""
        return not any(run.tests or run.findings or run.by_exit_code for run in (self.before, *self.seen))


class TestsCheckpoint:
    """Judges subjects by their tests."""

    __test__ = False  # not one of pytest's own

    def __init__(self, has: Equipment, clone: Clone, commands: CommandSettings, root: Path) -> None:
        """Judge what is in the worktree at `root`."""
        self._has = has
        self._clone = clone
        self._commands = commands
        self._root = root

    async def judge(self, subject: Subject) -> CheckResult:
        """Run the tests of the subject beside those of its base. Raises SandboxUnavailable."""
        if subject.problem:
            title = "Not run: the repository's dependencies could not be installed"
            return self._said(Conclusion.not_run, title, wording.reason(subject.problem))
        base, environment = subject.base, subject.environment
        chosen = runners.choose(base, environment, self._commands, subject.paths)
        if not chosen:
            said = (
                f"{wording.NO_TESTS}: neither on the base nor in this change, so nothing was run and nothing is proven."
            )
            return self._said(Conclusion.skipped, wording.NO_TESTS, said)
        before = await self._has.baselines.tests(
            self._clone, base, environment, runners.choose(base, environment, self._commands, ())
        )
        trial = Trial(before, environment)
        # Apart from the worktree: what tests write is no part of the change, and ignored files prove nothing.
        async with self._clone.worktree(f"judge-{subject.tree[:16]}", base.commit, subject.tree) as checkout:
            for runner in chosen:
                await self._try(trial, runner, checkout.path)
        return await self._tested(subject, trial)

    async def _try(self, trial: Trial, runner: Runner, root: Path) -> None:
        """Run one runner's tests, and again those that may be flaky."""
        executor, clock = self._has.executor, self._has.clock
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

    async def _tested(self, subject: Subject, trial: Trial) -> CheckResult:
        now = join(trial.seen)
        excused = await self._excused(subject, verdict.gone(trial.before.tests, now.tests))
        judged = verdict.judge(trial.before, now, trial.recovered, excused)
        title, conclusion = wording.tests_title(now, judged), wording.conclude(judged.findings)
        if trial.silent and conclusion is Conclusion.passed:
            conclusion, title = Conclusion.not_run, "The tests can't be run, on the base commit either"
        elif conclusion is Conclusion.passed and trial.empty:
            conclusion, title = Conclusion.skipped, wording.NO_TESTS
        return CheckResult(
            checkpoint=Checkpoint.tests,
            conclusion=conclusion,
            title=title,
            summary=wording.tests_summary(trial.before, now, judged, await notes(subject, self._clone, self._root)),
            findings=judged.findings,
            log=now.log,
            started_at=now.started_at,
            completed_at=self._has.clock(),
        )

    async def _excused(self, subject: Subject, missing: Sequence[TestCase]) -> frozenset[str]:
        """Return the groups of tests that were removed together with what they tested."""
        if not missing:
            return frozenset()
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        for path in languages.having([change.path for change in subject.changes], languages.PYTHON):
            before[path] = (await self._clone.read(subject.base.commit, path) or b"").decode(errors="replace")
            after[path] = read_text(self._root, path) or ""
        removed = removal.removed_names(before.values(), after.values())
        return removal.excused(missing, before, after, removed - {test.group.split("::")[-1] for test in missing})

    def _said(self, conclusion: Conclusion, title: str, summary: str) -> CheckResult:
        now = self._has.clock()
        return CheckResult(
            checkpoint=Checkpoint.tests,
            conclusion=conclusion,
            title=title,
            summary=summary,
            started_at=now,
            completed_at=now,
        )
