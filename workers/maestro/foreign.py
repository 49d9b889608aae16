"""What other apps, GitHub Actions among them, say of the pull request's head: awaited, read, and fixed within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.concerns import Concern
from app.domain.project import Project
from workers.maestro.context import Context

MOST_FIXES = 2  # how often a project works on other apps' failing checks before a person has to


@dataclass(frozen=True)
class Foreign:
    """How other apps' checks of a commit stand."""

    pending: Sequence[str] = ()  # names of those that haven't ended
    failed: Sequence[str] = ()
    concerns: Sequence[Concern] = ()  # what is to be fixed, where it may still be tried


async def look(ctx: Context, project: Project) -> Foreign:
    """Return how other apps' checks of the head stand."""
    return Foreign()
