"""What people read of a checkpoint: titles of one line, and summaries in Markdown."""

import re
from collections.abc import Sequence

from app.domain.checks import Checkpoint, Conclusion, Finding
from workers.checkpoints.observation import Observation, Status
from workers.checkpoints.verdict import GONE, Verdict

_TAIL = 12_000  # characters of output
_LISTED = 20
_NOUNS = {Checkpoint.syntax: "syntax error", Checkpoint.types: "type error", Checkpoint.lint: "lint finding"}
NO_TESTS = "No tests in this repository"


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def static_title(checkpoint: Checkpoint, findings: Sequence[Finding]) -> str:
    """Return the title of a checkpoint whose tools read the code without running it."""
    new = sum(finding.is_new for finding in findings)
    known = len(findings) - new
    noun = _NOUNS[checkpoint]
    suffix = f" ({known} known)" if known else ""
    return f"{count(new, f'new {noun}')}{suffix}" if new else f"No new {noun}s{suffix}"


def static_summary(observation: Observation, findings: Sequence[Finding], notes: Sequence[str]) -> str:
    """Return the summary of such a checkpoint."""
    new = [finding for finding in findings if finding.is_new]
    known = len(findings) - len(new)
    parts = [_ran(observation), *_notes(notes), _listing("New", new)]
    if known:
        parts.append(f"Red before this change, so not counted: {count(known, 'finding')} in the changed files.")
    return _join(parts)


def tests_title(now: Observation, verdict: Verdict) -> str:
    """Return the title of a test run."""
    new = [finding for finding in verdict.findings if finding.is_new]
    lost = [finding for finding in new if GONE in finding.message]
    broken = [finding for finding in new if GONE not in finding.message and finding.code != "exit"]
    ran = sum(test.ran for test in now.tests)
    if broken:
        more = f", {count(len(lost), 'test')} no longer run{'s' if len(lost) == 1 else ''}" if lost else ""
        return f"{len(broken)} of {count(ran, 'test')} {'fails' if len(broken) == 1 else 'fail'}{more}"
    if lost:
        return f"{count(len(lost), 'test')} that passed before no longer run{'s' if len(lost) == 1 else ''}"
    if new:
        return new[0].message.replace("`", "").split(", so ")[0][:120]
    return _green_title(now, verdict)


def _green_title(now: Observation, verdict: Verdict) -> str:
    passed = sum(test.status is Status.passed for test in now.tests)
    if not now.tests:
        return "The tests failed before this change too" if verdict.findings else "The tests passed"
    extra = []
    if verdict.red_before:
        extra.append(f"{len(verdict.red_before)} red before this change")
    if verdict.flaky:
        extra.append(f"{len(verdict.flaky)} flaky")
    return f"{count(passed + len(verdict.flaky), 'test')} passed{' (' + ', '.join(extra) + ')' if extra else ''}"


def tests_summary(base: Observation, now: Observation, verdict: Verdict, notes: Sequence[str]) -> str:
    """Return the summary of a test run: counts, what broke, what was red before, what is flaky."""
    new = [finding for finding in verdict.findings if finding.is_new]
    lost = [finding for finding in new if GONE in finding.message]
    broken = [finding for finding in new if GONE not in finding.message]
    parts = [_ran(now), _counts(base, now), *_notes(notes)]
    parts.append(_listing("Failing because of this change", broken))
    parts.append(_listing("Passed before, no longer run", lost))
    parts.append(_names("Red before this change, so not counted", verdict.red_before))
    parts.append(_names("Flaky: failed once, then passed unchanged", verdict.flaky))
    parts.append(_names("Removed together with what they tested", verdict.excused))
    if not now.tests and not new and verdict.findings:
        parts.append("Red before this change, so not counted: " + "; ".join(f.message for f in verdict.findings))
    return _join(parts)


def _counts(base: Observation, now: Observation) -> str:
    if not now.tests and not base.tests:
        return ""
    rows = ["| | passed | failed | skipped |", "|---|---:|---:|---:|"]
    for name, seen in (("base", base), ("**this change**", now)):
        numbers = [sum(test.status is status for test in seen.tests) for status in Status]
        rows.append(f"| {name} | {numbers[0]} | {numbers[1]} | {numbers[2]} |")
    return "\n".join(rows)


def _ran(observation: Observation) -> str:
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(observation.commands))
    return f"Ran {commands} in {observation.seconds:.1f} s." if commands else ""


def _notes(notes: Sequence[str]) -> list[str]:
    return [f"> [!NOTE]\n> {note}" for note in notes]


def _listing(title: str, findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    lines = [f"**{title}**", ""]
    for finding in findings[:_LISTED]:
        place = f"`{finding.path}:{finding.line}` " if finding.path else ""
        code = f"`{finding.code}` " if finding.code and finding.code != "exit" else ""
        lines.append(f"- {place}{code}{_one_line(finding.message)}")
    if len(findings) > _LISTED:
        lines.append(f"- … and {len(findings) - _LISTED} more")
    return "\n".join(lines)


def _one_line(message: str) -> str:
    """Pick the line that says most: pytest marks it with an E, others say it first."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    text = (marked or lines or [""])[0]
    return text if len(text) <= 200 else text[:199] + "…"


def _names(title: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    listed = [f"- `{name}`" for name in names[:_LISTED]]
    if len(names) > _LISTED:
        listed.append(f"- … and {len(names) - _LISTED} more")
    return "\n".join([f"**{title}**", "", *listed])


def _output(log: str) -> str:
    """Show the end of a tool's output as code."""
    text = log if len(log) <= _TAIL else "…\n" + log[-_TAIL:]
    ticks = "`" * (3 + max((len(run) for run in re.findall("`{3,}", text)), default=0))
    return f"{ticks}\n{text}\n{ticks}" if text else ""


def _join(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def reason(sentence: str) -> str:
    """Show why something was not run: a sentence, and after an empty line what a tool said."""
    first, _, output = sentence.partition("\n\n")
    return _join([first, _output(output)])


def conclude(findings: Sequence[Finding]) -> Conclusion:
    """Fail on anything new."""
    return Conclusion.failed if any(finding.is_new for finding in findings) else Conclusion.passed
