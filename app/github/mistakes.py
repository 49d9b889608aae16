"""What the app says when `.github/aurora.yml` can't be used: a sentence for comments, and a check run."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.checks import SETTINGS_CHECK, Finding
from app.domain.ports import CheckRun
from app.domain.repository_settings import PATH, Problem
from app.github.markdown import code, inline

MOST_PROBLEMS = 5  # in a sentence
MOST_ANNOTATIONS = 50


def sentence(problems: Sequence[Problem], in_force: str | None) -> str:
    """Say what is wrong and what counts instead: the settings read at the commit `in_force`, or the defaults."""
    listed = " ".join(str(problem) for problem in problems[:MOST_PROBLEMS])
    more = f" And {len(problems) - MOST_PROBLEMS} more." if len(problems) > MOST_PROBLEMS else ""
    return f"`{PATH}` can't be used as it is, so {_instead(in_force)}. {listed}{more}"


def _instead(in_force: str | None) -> str:
    return f"the last good settings, of {in_force[:12]}, stay in force" if in_force else "the defaults are in force"


def check_run(problems: Sequence[Problem], in_force: str | None, head_sha: str, at: datetime) -> CheckRun:
    """Return the check run that shows each problem at its line."""
    listed = "\n".join(f"- {_place(problem)}{inline(problem.message, 500)}" for problem in problems[:MOST_ANNOTATIONS])
    noun = "mistake" if len(problems) == 1 else "mistakes"
    return CheckRun(
        name=SETTINGS_CHECK,
        head_sha=head_sha,
        external_id="settings",
        conclusion="failure",
        title=f"{len(problems)} {noun} in {PATH}",
        summary=f"`{PATH}` can't be used as it is, so {_instead(in_force)}.\n\n{listed}",
        started_at=at,
        completed_at=at,
        annotations=tuple(
            Finding(path=PATH, line=problem.line or 1, code=problem.key, message=f"{problem.message}.")
            for problem in problems[:MOST_ANNOTATIONS]
        ),
    )


def _place(problem: Problem) -> str:
    line = f"line {problem.line}" if problem.line else ""
    return "".join(f"{part}: " for part in [", ".join(filter(None, [line, problem.key and code(problem.key)]))] if part)
