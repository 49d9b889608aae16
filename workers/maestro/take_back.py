"""Take back what an earlier run of the issue had merged."""

from typing import Any

from langgraph.types import Command

from app.domain.project import Phase, Project, ProjectStatus
from app.errors import MergeConflict
from app.github import pull_request as wording
from app.github.markdown import code
from workers.maestro import branch
from workers.maestro.context import Context
from workers.maestro.errors import of_conflict


async def take_back(ctx: Context, project: Project) -> Command[Any]:
    """Make the commit that undoes it, on the present base, to be verified like any other work."""
    clone = await ctx.clone(project)
    await clone.fetch()
    base = await clone.head(project.base_branch or "")
    if project.plans or project.onto is None or base is None:  # it was done already, or there is nothing to do it on
        await ctx.move(project, Phase.verify, status=ProjectStatus.verifying)
        return Command(goto="verify")
    work = (project.base_sha or "", project.head_sha or "")
    try:
        head = await clone.take_back(base, project.onto, work, wording.title(project))
    except MergeConflict as conflict:
        paths = ", ".join(code(path) for path in conflict.paths)
        told = f"Later work builds on it in {paths}, so a person has to take it back."
        return await ctx.escalate(project, told, of_conflict(ctx, project, conflict.paths, 0))
    await branch.share(ctx, project, clone, head)
    changes = {"head_sha": head, "base_sha": base, "onto": None, "plans": 1}  # what was to be done is done
    await ctx.move(project, Phase.verify, status=ProjectStatus.verifying, **changes)
    return Command(goto="verify")
