"""What a test run of a change means beside that of its base: broken, known, flaky, gone."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.checks import Finding, mark_known
from workers.checkpoints.observation import Observation, Status, TestCase

GONE = "was passing, no longer runs"


@dataclass(frozen=True)
class Verdict:
    """What counts, and what is only told."""

    findings: tuple[Finding, ...]
    flaky: tuple[str, ...] = ()
    red_before: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()  # tests that went together with what they tested


def failing(observation: Observation) -> dict[str, TestCase]:
    """Return the failed tests by id."""
    return {test.id: test for test in observation.tests if test.status is Status.failed}


def to_repeat(base: Observation, now: Observation) -> tuple[str, ...]:
    """Return the tests that fail now and passed on the base: they may be flaky."""
    passed = {test.id for test in base.tests if test.status is Status.passed}
    return tuple(id_ for id_ in failing(now) if id_ in passed)


def judge(
    base: Observation, now: Observation, recovered: Sequence[str] = (), excused_groups: frozenset[str] = frozenset()
) -> Verdict:
    """Compare a run with that of the base; `recovered` failed once and then passed, unchanged."""
    failed = failing(now)
    red_before = tuple(id_ for id_ in failed if id_ in failing(base))
    broken = [_finding(test, id_ not in red_before) for id_, test in failed.items() if id_ not in recovered]
    others = mark_known(now.findings, base.findings)
    if recovered and len(recovered) == len(failed):
        others = tuple(finding for finding in others if finding.code != "exit")
    missing = gone(base.tests, now.tests) if now.tests or not _explained(others) else ()
    excused = tuple(test.id for test in missing if test.group in excused_groups)
    lost = [_lost(test, now) for test in missing if test.group not in excused_groups]
    return Verdict((*others, *broken, *lost), tuple(recovered), red_before, excused)


def _explained(findings: Sequence[Finding]) -> bool:
    """Say whether it is known already why nothing ran."""
    return any(finding.is_new for finding in findings)


def gone(before: Sequence[TestCase], now: Sequence[TestCase]) -> tuple[TestCase, ...]:
    """Return the tests that passed before and don't run any more, unless as many of the same name do.

    So parameters may be renamed and a test may move to another file, but none may be lost. A module that can't be
    collected speaks for all its tests.
    """
    ran = {test.id for test in now if test.ran}
    collapsed = {test.id for test in now if test.status is Status.failed and _is_module(test)}
    known = {test.id for test in before}
    passed = [test for test in before if test.status is Status.passed]
    spare: dict[str, int] = defaultdict(int)  # tests that are new, by the last part of their name
    for name, count in Counter(_name(test) for test in now if test.ran and test.id not in known).items():
        spare[name] = count
    missing = []
    for test in passed:
        if test.id in ran or test.group.split("::")[0] in collapsed:
            continue
        if spare[_name(test)] > 0:
            spare[_name(test)] -= 1
            continue
        missing.append(test)
    return tuple(missing)


def _is_module(test: TestCase) -> bool:
    return "::" not in test.id and " > " not in test.id


def _name(test: TestCase) -> str:
    return test.group.rpartition("::")[2].rpartition(" > ")[2]


def _finding(test: TestCase, is_new: bool) -> Finding:
    return Finding(path=test.path, line=test.line, code=test.id, message=test.message or "failed", is_new=is_new)


def _lost(test: TestCase, now: Observation) -> Finding:
    skipped = next((other for other in now.tests if other.id == test.id and not other.ran), None)
    reason = f" (it is skipped now{': ' + skipped.message if skipped.message else ''})" if skipped else ""
    path = test.group.split("::")[0] if "::" in test.group else test.path
    return Finding(path=path, line=test.line, code=test.id, message=f"{GONE}{reason}")
