"""The branch of the pull request, which isn't ours alone: people push to it, and the base moves under it."""

from typing import Any

from langgraph.types import Command

from app.domain.ports import Clone
from app.domain.project import Project
from app.errors import MergeConflict
from app.github.markdown import code
from workers.maestro.context import Context
from workers.maestro.errors import of_conflict
from workers.maestro.merging import unite
from workers.publish import own_commits, push_once

MOST_PATHS = 10  # named in a sentence


async def pushed(ctx: Context, project: Project, clone: Clone) -> str | None:
    """Return the head of the branch where it is somebody else's commit that isn't part of the work yet."""
    there = await clone.head(project.branch)
    return None if await is_ours(ctx, project, clone, there) else there


async def is_ours(ctx: Context, project: Project, clone: Clone, there: str | None) -> bool:
    """Tell whether what the branch is at may be replaced by the head: it is the work's own, or part of it."""
    if there is None or there in own_commits(project, await ctx.records.tasks(superseded=True)):
        return True
    return await clone.is_ancestor(there, project.head_sha or "")


async def adopt(ctx: Context, project: Project, clone: Clone, theirs: str) -> dict[str, object]:
    """Return what changes of the project when somebody's commits are kept and built upon; raises `MergeConflict`."""
    head = await unite(ctx, project, clone, theirs, project.head_sha or "", f"Merge the work on {project.branch}")
    base = await clone.head(project.base_branch or "")
    newer = base is not None and await clone.is_ancestor(base, head)  # they may have brought the base in
    await share(ctx, project, clone, head)
    return {"head_sha": head, "onto": head, "base_sha": base if newer else project.base_sha}


async def bring_base_in(ctx: Context, project: Project, clone: Clone, base: str) -> dict[str, object]:
    """Return what changes of the project when the base is merged into its head; raises `MergeConflict`."""
    text = f"Merge {project.base_branch} into the work"
    head = await unite(ctx, project, clone, project.head_sha or "", base, text)
    await share(ctx, project, clone, head)
    seen = await _by_itself(clone, project, base, text, head)
    asked = head if seen and project.merge_asked == project.head_sha else project.merge_asked  # else of another head
    follows = (head, *sorted(project.stands_for)) if seen else ()
    return {"head_sha": head, "onto": head, "base_sha": base, "merge_asked": asked, "follows": follows}


async def _by_itself(clone: Clone, project: Project, base: str, message: str, head: str) -> bool:
    """Tell whether `head` is what git alone makes of work and base: then people have seen all of it."""
    try:
        return await clone.merge(project.head_sha or "", base, message) == head
    except MergeConflict:
        return False


async def share(ctx: Context, project: Project, clone: Clone, head: str) -> None:
    """Push a head that was made here and has yet to be verified, so that it is at hand wherever that is done.

    Its branch is no pull request's: what isn't verified can't be merged by mistake. It goes with the others.
    """
    if ctx.policy.push_task_branches:
        await push_once(ctx.effects, clone, head, project.next_branch, await clone.head(project.next_branch))


async def clash(ctx: Context, project: Project, happened: str, conflict: MergeConflict) -> Command[Any]:
    """Ask a person: what came between, where it conflicts with the work, and why that isn't resolved."""
    shown = [code(path) for path in conflict.paths[:MOST_PATHS]]
    more = [f"{len(conflict.paths) - MOST_PATHS} more files"] if len(conflict.paths) > MOST_PATHS else []
    told = f"{happened}, and that conflicts with the work in {', '.join([*shown, *more])}. {conflict}"
    return await ctx.escalate(project, told, of_conflict(ctx, project, conflict.paths, 0))
