"""What people say in reviews of the pull request: gathered into concerns, and answered where they were raised."""

from collections.abc import Sequence

from app.domain.concerns import Concern
from app.domain.ports import Clone, PullRequest
from app.domain.project import Project
from app.domain.task import Task
from workers.maestro.context import Context


async def gather(ctx: Context, project: Project, pull: PullRequest) -> list[Concern]:
    """Return what people with write permission want changed and nobody has answered or taken up, oldest first."""
    return []


async def apply_suggestions(
    ctx: Context, project: Project, clone: Clone, concerns: Sequence[Concern]
) -> tuple[str | None, list[Concern]]:
    """Commit the suggested changes among the concerns as they are; return the new head, None without any, and the rest."""
    return None, list(concerns)


async def answer(ctx: Context, project: Project, tasks: Sequence[Task], pull: PullRequest) -> None:
    """Answer, once each, every concern whose task has ended, and ask its reviewers to look again."""
