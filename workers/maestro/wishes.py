"""What people want of a pull request: merged, brought up to date, changed, checked once more, or taken back."""

from collections.abc import Mapping
from uuid import uuid5

from app.domain.conversation import NO_PULL_YET, Happening
from app.domain.messages import notice
from app.domain.ports import Begun
from app.domain.project import Phase, Project, ProjectStatus
from app.errors import MergeConflict
from app.github import answers
from workers.maestro import branch
from workers.maestro import recheck as rechecking
from workers.maestro import reformat as formatter
from workers.maestro.change import Change, Told
from workers.maestro.context import Context
from workers.maestro.errors import of_conflict
from workers.maestro.follow_up import followed_up


async def change_too(ctx: Context, project: Project, told: Told) -> Change:
    """Have something changed on top of everything that was done."""
    if project.reverts and project.pull_request is None:
        return Change(project, (), NO_PULL_YET)
    return await followed_up(ctx, project, [told.wish])


async def ask_merge(ctx: Context, project: Project, _: Told) -> Change:
    """Have the head merged whatever the policy, unless it didn't pass its checkpoints."""
    blocking = [one for one in await ctx.records.checks(project.head_sha or "") if one.blocks]
    if blocking:
        return Change(project, (), answers.not_merged(blocking))
    return Change(project.model_copy(update={"merge_asked": project.head_sha}))


async def update(ctx: Context, project: Project, _: Told) -> Change:
    """Merge the base into the work, to be verified again."""
    clone = await ctx.clone(project)
    await clone.fetch()
    base = await clone.head(project.base_branch or "")
    if base is None or await clone.is_ancestor(base, project.head_sha or ""):
        return Change(project, (), answers.up_to_date(project))
    try:
        changes = await branch.bring_base_in(ctx, project, clone, base)
    except MergeConflict as conflict:
        error = of_conflict(ctx, project, conflict.paths, 0)
        return Change(project, (error,), answers.base_conflicts(project, conflict.paths))
    return _to_verify(project, changes)


async def reformat(ctx: Context, project: Project, told: Told) -> Change:
    """Apply the repository's formatter to the change, to be verified again."""
    if told.payload.get("head") != project.head_sha:
        return Change(project)  # the button of a commit that others have followed
    head = await formatter.reformat(ctx, project)
    if head is None:
        return Change(project)
    await branch.share(ctx, project, await ctx.clone(project), head)
    return _to_verify(project, {"head_sha": head, "onto": head, "merge_asked": None})


def _to_verify(project: Project, changes: Mapping[str, object]) -> Change:
    """Return the project with another head, which has to pass its checkpoints."""
    anew = {"phase": Phase.verify, "status": ProjectStatus.verifying, "reason": None}
    return Change(project.model_copy(update={**changes, **anew}))


async def follow_check(ctx: Context, project: Project, told: Told) -> Change:
    """Have an agent mend what one of the checkpoints found."""
    name, head, run = (told.payload.get(key) for key in ("check", "head", "run"))
    found = await formatter.concern_of_check(ctx, project, str(name), str(head), by=told.by or "", run=int(run or 0))
    return await followed_up(ctx, project, [found]) if found else Change(project)


async def recheck(ctx: Context, project: Project, told: Told) -> Change:
    """Run checks once more, as somebody asked."""
    occurrence = str(told.payload.get("guid") or told.comment)
    name, head = told.payload.get("check"), told.payload.get("head")
    return Change(await rechecking.recheck(ctx, project, name, head, occurrence))


async def revert(ctx: Context, project: Project, told: Told) -> Change:
    """Begin the run that takes the merged work back: the next one of the same issue."""
    if project.pull_request is None:
        return Change(project)
    last = await ctx.records.last_run()
    taken_back = last.reverts == project.id and last.status is ProjectStatus.merged
    if taken_back or not (last.id == project.id or last.status.ended):
        return Change(project, (), answers.not_taken_back(project, last))
    pull = await ctx.forge.pull_request(project.pull_request.number)
    begun = Project(
        id=uuid5(project.id, f"revert:{last.run + 1}"),
        repository=project.repository,
        issue_number=project.issue_number,
        run=last.run + 1,
        title=f"Revert: {project.title}",
        requested_by=told.by or project.requested_by,
        status=ProjectStatus.verifying,
        phase=Phase.integrate,
        base_branch=project.base_branch,
        base_sha=project.base_sha,
        head_sha=pull.head_sha,  # somebody may have pushed to it last
        onto=pull.merge_commit_sha,  # what is to be taken back, until that is done
        settings=project.settings,
        budget_usd=project.budget_usd,
        reverts=project.id,
        created_at=ctx.clock(),
    )
    begin = notice(uuid5(begun.id, "begin"), begun.id, ctx.clock(), Happening.labelled)
    return Change(project, (Begun(begun, begin),))
