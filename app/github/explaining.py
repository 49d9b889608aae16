"""What `/aurora explain` answers: what each checkpoint found, how it was judged, and what can be written next."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.project import Project, ProjectStatus
from app.domain.review import ReviewFinding
from app.github.markdown import block, code, fence, fit, inline
from app.github.render import count, duration, fold

MOST_FOUND = 20  # findings that are listed, of a checkpoint
MOST_BEFORE = 10
MOST_LOG = 3000  # characters from its end, where the cause usually stands
MOST_SUMMARY = 3000
MOST_WORDS = 20_000  # of the whole answer

REVIEW = "review"
NAMES = (*(checkpoint.value for checkpoint in Checkpoint), REVIEW)

VERDICTS = {
    Conclusion.passed: "passed",
    Conclusion.failed: "failed",
    Conclusion.not_run: "could not be run",
    Conclusion.skipped: "had nothing to check",
}
HOW = {
    Checkpoint.syntax: "Every changed file was parsed, as it is now and as it is on",
    Checkpoint.types: "The type checker was run with the change and on",
    Checkpoint.lint: "Linter and formatter were run with the change and on",
    Checkpoint.tests: "The tests were run with the change and on",
}


def explain(project: Project, results: Sequence[CheckResult], name: str | None = None) -> str:
    """Return what the checkpoints found, or the named one; `results` are of the latest commit that was judged."""
    wanted = _nearest(name) if name and name.strip() else None
    if name and name.strip() and wanted is None:
        return f"There is no checkpoint {code(name.strip(), 60)}. There are {_listed(NAMES)}."
    if wanted == REVIEW:
        return fit(_review(project), MOST_WORDS)
    chosen = [result for result in results if wanted in {None, result.checkpoint.value}]
    if not chosen:
        who = f"{code(f'aurora / {wanted}')} hasn't" if wanted else "No checkpoint has"
        return f"{who} judged anything of this run yet."
    parts = [_overview(chosen)] if wanted is None else []
    parts += [_explained(project, result) for result in chosen if wanted or result.blocks]
    parts.append(_next(project, chosen))
    return fit("\n\n".join(part for part in parts if part), MOST_WORDS)


def _nearest(name: str) -> str | None:
    """Return the checkpoint that is meant: by its name, by how it begins, by a word, or nearly."""
    words = re.findall(r"[a-z]+", name.lower().replace("aurora", " "))
    for word in words:
        if found := [one for one in NAMES if one.startswith(word) or word.startswith(one.rstrip("s"))]:
            return found[0]
    close = [match for word in words for match in get_close_matches(word, NAMES, 1, 0.6)]
    return close[0] if close else None


def _listed(names: Sequence[str]) -> str:
    shown = [code(name) for name in names]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _overview(results: Sequence[CheckResult]) -> str:
    return "\n".join(
        f"- {code(result.checkpoint.check_name)} {VERDICTS[result.conclusion]}: {inline(result.title, 200)}"
        for result in results
    )


def _explained(project: Project, result: CheckResult) -> str:
    before = [finding for finding in result.findings if not finding.is_new]
    took = duration((result.completed_at - result.started_at).total_seconds())
    parts = [
        f"### {code(result.checkpoint.check_name)} {VERDICTS[result.conclusion]}",
        f"{inline(result.title, 300)} ({took})",
        _found("What this change brought in", result.new_findings, MOST_FOUND),
        _found("What was there before, and doesn't count against it", before, MOST_BEFORE),
        f"**How it was judged.** {_judged(project, result)}",
        fold("In its own words", block(result.summary, MOST_SUMMARY)) if result.summary.strip() else "",
        fold("The end of its output", fence(result.log, MOST_LOG)) if result.log.strip() else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _found(heading: str, findings: Sequence[Finding], most: int) -> str:
    if not findings:
        return ""
    lines = [f"- {_place(finding)}{inline(finding.message, 300)}{_rule(finding)}" for finding in findings[:most]]
    more = [f"- and {len(findings) - most} more"] if len(findings) > most else []
    return f"**{heading}** ({len(findings)}):\n\n" + "\n".join([*lines, *more])


def _place(finding: Finding | ReviewFinding) -> str:
    return f"{code(f'{finding.path}:{max(finding.line, 1)}', 160)} " if finding.path else ""


def _rule(finding: Finding) -> str:
    return f" ({code(finding.code, 120)})" if finding.code else ""


def _judged(project: Project, result: CheckResult) -> str:
    base = code(project.base_branch or "the base", 80)
    at = f" at {code(project.base_sha[:7])}" if project.base_sha else ""
    if result.conclusion is Conclusion.not_run:
        return "It wasn't: what can't be run proves nothing, so nothing is merged on it."
    if result.conclusion is Conclusion.skipped:
        return "There was nothing of its kind, neither in the change nor in the repository."
    flaky = " A test that fails and then passes unchanged is only called flaky."
    tests = result.checkpoint is Checkpoint.tests
    return f"{HOW[result.checkpoint]} {base}{at}. Only what the change brought in counts.{flaky if tests else ''}"


def _review(project: Project) -> str:
    if project.review is None:
        return "No review of this run is known: it comes when everything together has passed its checkpoints."
    findings = project.review.findings
    if not findings:
        return f"{code('aurora / review')} read the whole change and found nothing that should be changed."
    lines = [f"- {_place(one)}**{one.severity}** {inline(one.message, 500)}" for one in findings[:MOST_FOUND]]
    said = f"{code('aurora / review')} read the whole change and has {count(len(findings), 'remark')}:"
    return f"{said}\n\n" + "\n".join(lines) + "\n\nRemarks don't keep it from being merged."


def _next(project: Project, results: Sequence[CheckResult]) -> str:
    """Say what can be written or pressed next, where something is wrong and somebody can."""
    wrong = [result for result in results if result.blocks]
    if not wrong:
        return ""
    if project.status is ProjectStatus.open:
        said = ["`/aurora retry` runs it once more", "`/aurora fix <text>` has an agent mend it with your hint"]
        if any(result.checkpoint is Checkpoint.lint and result.conclusion is Conclusion.failed for result in wrong):
            said.append("the button *Fix formatting* beside the check runs the formatter")
        return f"**What you can do.** {'; '.join(said)}."
    if project.status is ProjectStatus.escalated:
        return "**What you can do.** `/aurora retry` tries again; `/aurora fix <text>` tries again with your hint."
    return "" if project.status.ended else "It is being worked on; nothing has to be done."
