"""A checkpoint's result as a check run on GitHub."""

from datetime import datetime

from app.domain.checks import REVIEW_CHECK, Checkpoint, CheckResult, Conclusion, Finding
from app.domain.ports import CheckAction, CheckRun
from app.domain.review import Review
from app.github.markdown import block, fence, inline, plain

CONCLUSIONS = {
    Conclusion.passed: "success",
    Conclusion.failed: "failure",
    Conclusion.not_run: "action_required",
    Conclusion.skipped: "skipped",
}
LOG_CHARACTERS = 60_000
FIX_FORMATTING = CheckAction("Fix formatting", "Run the formatter and check again", "format")
TRY_AGAIN = CheckAction("Try again", "Have an agent fix what was found", "retry")


def check_run(result: CheckResult, head_sha: str, external_id: str, log_url: str | None = None) -> CheckRun:
    """Return the check run that shows `result` on a commit; what was there before isn't annotated.

    `log_url` is where the whole build log can be read.
    """
    more = f"[Build log]({log_url}) (with the operator's token)\n\n" if log_url else ""
    return CheckRun(
        name=result.checkpoint.check_name,
        head_sha=head_sha,
        external_id=external_id,
        conclusion=CONCLUSIONS[result.conclusion],
        title=plain(result.title, 200),
        summary=more + (block(result.summary, LOG_CHARACTERS) or inline(result.title)),
        details_url=log_url,
        started_at=result.started_at,
        completed_at=max(result.completed_at, result.started_at),
        text=fence(result.log, LOG_CHARACTERS) if result.log.strip() else "",
        annotations=tuple(finding for finding in result.new_findings if finding.path),
        actions=actions(result),
    )


def actions(result: CheckResult) -> tuple[CheckAction, ...]:
    """Return the buttons beside a result: there is something to press only where something is wrong."""
    if result.conclusion is not Conclusion.failed:
        return ()
    return (FIX_FORMATTING, TRY_AGAIN) if result.checkpoint is Checkpoint.lint else (TRY_AGAIN,)


def review_run(review: Review | None, head_sha: str, at: datetime, external_id: str = "review") -> CheckRun:
    """Return the check run that shows the code review; findings inform and don't block by themselves."""
    findings = review.findings if review else ()
    if review is None:
        conclusion, title = "neutral", "No usable review came from the model"
    elif findings:
        conclusion, title = "neutral", f"{len(findings)} {'remark' if len(findings) == 1 else 'remarks'}"
    else:
        conclusion, title = "success", "Nothing found that should be changed"
    listed = "\n".join(f"- **{one.severity}** {inline(one.message, 500)}" for one in findings)
    return CheckRun(
        name=REVIEW_CHECK,
        head_sha=head_sha,
        external_id=external_id,
        conclusion=conclusion,
        title=title,
        summary=f"The whole change was read against the criteria of the issue.\n\n{listed}".rstrip(),
        started_at=at,
        completed_at=at,
        annotations=tuple(
            Finding(path=one.path, line=max(one.line, 1), message=one.message) for one in findings if one.path
        ),
    )
