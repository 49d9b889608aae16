"""What the tools of one checkpoint saw in one tree, before anybody asks whether it is new."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from app.domain.checks import Finding

LOG = 60_000  # characters that are kept of what the tools printed


class Status(StrEnum):
    """How one test ended."""

    passed = "passed"
    failed = "failed"
    skipped = "skipped"  # an expected failure too: it protects nothing


class TestCase(BaseModel):
    """One test, by the name that its runner gives it."""

    __test__ = False  # not one of pytest's own
    model_config = ConfigDict(frozen=True)

    id: str
    status: Status
    path: str = ""
    line: int = 1
    message: str = ""
    group: str = ""  # the test without its parameters

    @property
    def ran(self) -> bool:
        """Say whether it judged anything."""
        return self.status is not Status.skipped


class Observation(BaseModel):
    """One run of a checkpoint's tools over one tree."""

    model_config = ConfigDict(frozen=True)

    commands: tuple[str, ...] = ()  # as a person would type them
    findings: tuple[Finding, ...] = ()
    tests: tuple[TestCase, ...] = ()
    notes: tuple[str, ...] = ()  # sentences for the summary
    log: str = ""
    by_exit_code: bool = False  # tests were run by a command that tells no more than that
    complete: bool = True  # False: a tool broke or was stopped, so that silence proves nothing
    started_at: datetime
    completed_at: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.completed_at - self.started_at).total_seconds()


def tail(text: str, characters: int = LOG) -> str:
    """Keep the end of a text, where tools say what matters."""
    return text if len(text) <= characters else "…\n" + text[-characters:]


def join(observations: "list[Observation]") -> Observation:
    """Make one observation of those of several tools."""
    return Observation(
        commands=tuple(command for each in observations for command in each.commands),
        findings=tuple(finding for each in observations for finding in each.findings),
        tests=tuple(test for each in observations for test in each.tests),
        notes=tuple(note for each in observations for note in each.notes),
        log=tail("\n".join(each.log for each in observations if each.log)),
        by_exit_code=any(each.by_exit_code for each in observations),
        complete=all(each.complete for each in observations),
        started_at=min(each.started_at for each in observations),
        completed_at=max(each.completed_at for each in observations),
    )
