"""What agents are told of failures: findings first, then as much of the tools' own output as helps."""

from collections.abc import Sequence

from app.domain.checks import CheckResult
from app.domain.requirements import Requirement
from app.domain.review import ReviewFinding

MOST_FINDINGS = 20
LOG_CHARACTERS = 3000  # of one checkpoint, from its end, where the cause usually stands


def of_checks(failed: Sequence[CheckResult]) -> str:
    """Return what the failed checkpoints found, for the agent that is to mend it."""
    return "\n\n".join(_of_check(result) for result in failed)


def _of_check(result: CheckResult) -> str:
    lines = [f"{result.checkpoint.value}: {result.title}"]
    for finding in result.new_findings[:MOST_FINDINGS]:
        place = f"{finding.path}:{finding.line}: " if finding.path else ""
        lines.append(f"- {place}{finding.message} {f'[{finding.code}]' if finding.code else ''}".rstrip())
    if len(result.new_findings) > MOST_FINDINGS:
        lines.append(f"- and {len(result.new_findings) - MOST_FINDINGS} more")
    if result.checkpoint == "tests" and result.log.strip():
        lines.append(f"The end of the output:\n{result.log.strip()[-LOG_CHARACTERS:]}")
    return "\n".join(lines)


def of_conflict(paths: Sequence[str]) -> str:
    """Return what is told to a task whose work doesn't merge."""
    return (
        f"Your change conflicts with work that was merged before it, in {', '.join(paths)}. "
        "The files now contain that other work: make your change again on top of it, keeping both."
    )


def of_review(findings: Sequence[ReviewFinding]) -> str:
    """Return the findings of a review, for the agent that is to mend them."""
    return "\n".join(f"- {finding.path}:{finding.line}: {finding.message}" for finding in findings)


def criteria(requirements: Sequence[Requirement]) -> str:
    """Return requirements and their criteria as a list."""
    return "\n".join(
        f"{item.id}: {item.title}\n" + "\n".join(f"- {criterion}" for criterion in item.criteria)
        for item in requirements
    )


def of_lessons(lessons: Sequence[str]) -> str:
    """Return what earlier attempts taught, for the agent that tries again."""
    return "Earlier attempts taught:\n" + "\n".join(f"- {lesson}" for lesson in lessons)
