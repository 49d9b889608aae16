"""A checkpoint's result as a check run on GitHub."""

from app.domain.checks import CheckResult, Conclusion
from app.domain.ports import CheckRun
from app.github.markdown import block, fence, inline, plain

CONCLUSIONS = {
    Conclusion.passed: "success",
    Conclusion.failed: "failure",
    Conclusion.not_run: "action_required",
    Conclusion.skipped: "skipped",
}
LOG_CHARACTERS = 60_000


def check_run(result: CheckResult, head_sha: str, external_id: str, details_url: str | None = None) -> CheckRun:
    """Return the check run that shows `result` on a commit; what was there before isn't annotated."""
    return CheckRun(
        name=result.checkpoint.check_name,
        head_sha=head_sha,
        external_id=external_id,
        conclusion=CONCLUSIONS[result.conclusion],
        title=plain(result.title, 200),
        summary=block(result.summary, LOG_CHARACTERS) or inline(result.title),
        started_at=result.started_at,
        completed_at=max(result.completed_at, result.started_at),
        text=fence(result.log, LOG_CHARACTERS) if result.log.strip() else "",
        annotations=tuple(finding for finding in result.new_findings if finding.path),
        details_url=details_url,
    )
