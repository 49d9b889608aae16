"""The buttons beside a failing check: have the formatter mend it, or an agent."""

from app.domain.checks import Conclusion
from app.domain.concerns import Concern, ConcernKind
from app.domain.project import Project
from app.domain.ways import subject
from workers import feedback
from workers.agents.guard import is_off_limits
from workers.maestro.context import Context
from workers.maestro.ways import settings_for

MESSAGE = "Apply the formatter"
MOST_TEXT = 8000  # characters of a concern


async def reformat(ctx: Context, project: Project) -> str | None:
    """Commit what the repository's formatter and safe fixes make of the change; return the new head, None if nothing.

    The commit isn't pushed: it has to be verified first.
    """
    head, clone = project.head_sha or "", await ctx.clone(project)
    settings = await settings_for(clone, project)
    async with clone.worktree(f"{project.id.hex[:12]}-format", project.base_sha or "", at=head) as tree:
        bench = ctx.checkers.bench(clone, tree, settings.checkpoints, settings.setup)
        # The repository's own command may have touched anything; of that only what no rule keeps from agents goes in.
        altered = [path for path in await bench.format() if not is_off_limits(path, settings.protected)]
        if not altered:
            return None
        return await tree.commit(subject(MESSAGE, project.ways, altered), [head], altered)


async def concern_of_check(
    ctx: Context, project: Project, name: str, head: str, *, by: str = "", run: int = 0
) -> Concern | None:
    """Return what a failing checkpoint of ours found on a commit, as something to be mended; None where it passes.

    `by` pressed the button of the check run `run`; pressing it twice is one concern.
    """
    failed = [
        result
        for result in await ctx.records.checks(head)
        if result.checkpoint.check_name == name and result.conclusion is Conclusion.failed
    ]
    if not failed:
        return None
    place = next((finding for finding in failed[0].new_findings if finding.path), None)
    return Concern(
        kind=ConcernKind.check,
        id=run,
        author=by or project.requested_by,
        text=feedback.of_checks(failed)[:MOST_TEXT],
        path=place.path if place else "",
        line=place.line if place else None,
    )
