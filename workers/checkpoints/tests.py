"""Tests: runs a repository's tests once, or some of them again, and says what was seen."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from app.domain.checks import Finding
from app.domain.ports import Clock
from app.domain.sandbox import Mount, Outcome
from workers.checkpoints.environment import Environment
from workers.checkpoints.execution import Executor, read_report
from workers.checkpoints.observation import Observation, Status, TestCase, tail
from workers.checkpoints.reports.junit import Unreadable
from workers.checkpoints.reports.lines import plain
from workers.checkpoints.runners import Runner

LONGEST = 1200.0  # seconds, for a run of which nothing is known yet
EXIT = "exit"  # the code of a finding about the run as a whole
SHORTEST = 120.0  # seconds
_DUMPED = re.compile(r'^  File "(?P<path>[^"\n]+)", line (?P<line>\d+) in ', re.M)


def patience(base: Observation | None) -> float:
    """Return the seconds that a run may take: ten times what the base took, within reason."""
    if base is None or not base.complete:
        return LONGEST
    return min(LONGEST, max(SHORTEST, 10 * base.seconds))


async def run(
    executor: Executor,
    clock: Clock,
    runner: Runner,
    root: Path,
    environment: Environment,
    seconds: float,
    only: Sequence[str] = (),
) -> Observation:
    """Run all tests of the checkout at `root`, or only those named. Raises SandboxUnavailable."""
    started = clock()
    async with executor.scratch() as scratch:
        report = scratch / "report"
        outcome = await executor.run(
            runner.command(report, seconds, only),
            root,
            environment,
            seconds=seconds,
            writable=True,
            mounts=(Mount(scratch, writable=True, hidden=()),),
            variables=runner.environment(report, seconds),
            merged=True,
        )
        content = read_report(report) if runner.read else None
    return understand(runner, outcome, content, root, started, clock())


def understand(
    runner: Runner, outcome: Outcome, report: bytes | None, root: Path, started: datetime, ended: datetime
) -> Observation:
    """Hold the exit code against the report: only both together say that tests passed."""
    tests = _tests(runner, report, root)
    problem = _problem(runner, outcome, tests)
    output = plain((outcome.stdout + outcome.stderr).decode(errors="replace")).strip()
    return Observation(
        commands=(runner.shown,),
        findings=(_finding(problem, output if outcome.exit_code is None else "", root),) if problem else (),
        tests=tests or (),
        log=tail(f"$ {runner.shown}\n{output}"),
        by_exit_code=tests is None and not runner.report_expected,
        complete=outcome.exit_code is not None,
        started_at=started,
        completed_at=ended,
    )


def _finding(problem: str, output: str, root: Path) -> Finding:
    """Put the problem where the run got stuck, as far as its threads told."""
    for found in _DUMPED.finditer(output):
        path = Path(found["path"])
        if path.is_relative_to(root):
            return Finding(path=str(path.relative_to(root)), line=int(found["line"]), code=EXIT, message=problem)
    return Finding(path="", code=EXIT, message=problem)


def _tests(runner: Runner, report: bytes | None, root: Path) -> tuple[TestCase, ...] | None:
    if runner.read is None or report is None:
        return None
    try:
        return runner.read(report, root)
    except Unreadable:
        return None


def _problem(runner: Runner, outcome: Outcome, tests: tuple[TestCase, ...] | None) -> str:
    """Say what is wrong with the run as a whole, or nothing."""
    code = outcome.exit_code
    if code is None:
        return f"`{runner.shown}` {outcome.describe().split(' after ')[0]}"
    if tests is None and runner.report_expected and runner.read is not None:
        return f"`{runner.shown}` ended with exit code {code} and left no report, so no test is known to have passed"
    if code == 0 or (code == runner.none_collected and not tests):
        return ""
    if any(test.status is Status.failed for test in tests or ()) and code == 1:
        return ""
    although = " although no test failed" if tests else ""
    return f"`{runner.shown}` ended with exit code {code}{although}"


def silent(runner: Runner, observation: Observation) -> bool:
    """Say whether a run that should have told test by test told nothing."""
    return runner.report_expected and runner.read is not None and bool(observation.findings) and not observation.tests
