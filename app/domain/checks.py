"""Checkpoints: the four validations, what each found, and what counts against a change."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Checkpoint(StrEnum):
    """The four validations, in the order in which they run."""

    syntax = "syntax"
    types = "types"
    lint = "lint"
    tests = "tests"

    @property
    def check_name(self) -> str:
        """The name of its check run on GitHub (a contract)."""
        return f"aurora / {self.value}"


REVIEW_CHECK = "aurora / review"
SETTINGS_CHECK = "aurora / settings"  # only where `.github/aurora.yml` can't be used


class Conclusion(StrEnum):
    """How a checkpoint ended."""

    passed = "passed"
    failed = "failed"
    not_run = "not_run"  # it could not be run safely or at all: nothing is merged on it
    skipped = "skipped"  # there is nothing of its kind in the change or the repository


class Finding(BaseModel):
    """One problem at a place; the same problem in base and change has the same fingerprint."""

    model_config = ConfigDict(frozen=True)

    path: str  # relative to the repository's root; "" when it has no place
    line: int = 1  # 1-based
    end_line: int | None = None
    code: str = ""  # the tool's own name for the rule, or the test's id
    message: str
    is_new: bool = True  # False: it was there on the base commit

    @property
    def fingerprint(self) -> tuple[str, str, str]:
        """What stays equal when lines move."""
        return (self.path, self.code, self.message)


class CheckResult(BaseModel):
    """What one checkpoint says of one tree."""

    model_config = ConfigDict(frozen=True)

    checkpoint: Checkpoint
    conclusion: Conclusion
    title: str  # one line: "3 new type errors", "12 tests passed"
    summary: str  # Markdown: commands run, counts, what was red before, flaky tests
    findings: tuple[Finding, ...] = ()
    log: str = ""  # the tools' own output, bounded
    started_at: datetime
    completed_at: datetime

    @property
    def blocks(self) -> bool:
        """Whether a change with this result may not be merged."""
        return self.conclusion in {Conclusion.failed, Conclusion.not_run}

    @property
    def new_findings(self) -> tuple[Finding, ...]:
        """The findings that the change introduced."""
        return tuple(finding for finding in self.findings if finding.is_new)


def mark_known(findings: Sequence[Finding], baseline: Sequence[Finding]) -> tuple[Finding, ...]:
    """Mark what the base commit had already: as many of each fingerprint as there were before."""
    allowance: dict[tuple[str, str, str], int] = {}
    for finding in baseline:
        allowance[finding.fingerprint] = allowance.get(finding.fingerprint, 0) + 1
    marked = []
    for finding in findings:
        left = allowance.get(finding.fingerprint, 0)
        allowance[finding.fingerprint] = left - 1
        marked.append(finding.model_copy(update={"is_new": left <= 0}))
    return tuple(marked)
