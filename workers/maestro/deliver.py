"""What becomes of the pull request: opened, worked on as people and checks want it, and merged when it may be."""

from collections.abc import Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.checks import CheckResult
from app.domain.concerns import Concern
from app.domain.ports import Clone, PullRequest
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.remarks import Heard
from app.errors import MergeConflict
from app.github.markdown import code
from workers.maestro import branch, foreign, pull_request, remarks
from workers.maestro.context import Context, State
from workers.maestro.follow_up import follow_up
from workers.maestro.landing import Standing, after_merge, land, listed, standing_of, stay_open

UNVERIFIED = "A checkpoint failed or could not be run, so it isn't merged by itself. `/aurora explain` says more."


async def deliver(
    _: State, runtime: Runtime[Context]
) -> Command[Literal["settle", "verify", "dispatch", "cancel", "escalate", "__end__"]]:
    """Push, report, open the pull request; then answer, merge, wait for people and checks, or verify again."""
    ctx = runtime.context
    project = await ctx.records.project()
    if project.pull_request and (ended := await _ended(ctx, project, project.pull_request.number)):
        return ended
    clone = await ctx.clone(project)
    await clone.fetch()
    if theirs := await branch.pushed(ctx, project, clone):
        return await _adopt(ctx, project, clone, theirs)
    results = await ctx.records.checks(project.head_sha or "")
    project, pull = await pull_request.publish(ctx, project, clone, results)
    if pull.merged:
        return await after_merge(ctx, project)
    await remarks.answer(ctx, project, await ctx.records.tasks(), pull)
    if pull.base_ref != project.base_branch:
        told = (
            f"It was checked for {code(project.base_branch or '', 100)} only, so it isn't merged elsewhere by itself."
        )
        return await stay_open(ctx, project, told)
    return await _go_on(ctx, project, clone, pull, results)


async def _ended(ctx: Context, project: Project, number: int) -> Command[Any] | None:
    """Return where to go when people have merged or closed the pull request."""
    pull = await ctx.forge.pull_request(number)
    if pull.merged:
        return await after_merge(ctx, project)
    if pull.state == "closed":
        await ctx.move(project, Phase.cancel, reason=f"Pull request #{number} was closed without being merged.")
        return Command(goto="cancel")
    return None


async def _adopt(ctx: Context, project: Project, clone: Clone, theirs: str) -> Command[Any]:
    """Keep what somebody pushed, and verify everything with it."""
    try:
        changes = await branch.adopt(ctx, project, clone, theirs)
    except MergeConflict as conflict:
        return await branch.clash(ctx, project, f"Somebody pushed to `{project.branch}`", conflict)
    await ctx.move(project, Phase.verify, status=ProjectStatus.verifying, reason=None, **changes)
    return Command(goto="verify")


async def _go_on(
    ctx: Context, project: Project, clone: Clone, pull: PullRequest, results: Sequence[CheckResult]
) -> Command[Any]:
    """Work on what people or checks want, merge what may be merged, or leave it to them."""
    heard = await remarks.listen(ctx, pull.number)
    standing = standing_of(ctx, project, heard)
    project, others = await foreign.look(ctx, project)
    if work := await _work(ctx, project, clone, heard, standing, others, results):
        return work
    if any(result.blocks for result in results):
        return await stay_open(ctx, project, UNVERIFIED)
    if others.failed:
        return await stay_open(ctx, project, f"It isn't merged by itself before {listed(others.failed)} passes.")
    if not standing.may_merge:
        return await stay_open(ctx, project, standing.stale)
    return await land(ctx, project, clone, others)


async def _work(
    ctx: Context,
    project: Project,
    clone: Clone,
    heard: Heard,
    standing: Standing,
    others: foreign.Foreign,
    results: Sequence[CheckResult],
) -> Command[Any] | None:
    """Take up what people say, unless they want it merged as it is, and what other apps' checks found."""
    stuck = any(result.blocks for result in results) or bool(others.failed)
    if (stuck or not standing.accepted) and (wanted := await remarks.gather(ctx, heard)):
        return await _take_up(ctx, project, clone, wanted)
    if not others.concerns:
        return None
    await follow_up(ctx, project.model_copy(update={"check_fixes": project.check_fixes + 1}), others.concerns)
    return Command(goto="dispatch")


async def _take_up(ctx: Context, project: Project, clone: Clone, wanted: Sequence[Concern]) -> Command[Any]:
    """Apply what is suggested as it is, and have an agent see to the rest on top of that."""
    verified = project.head_sha
    applied = await remarks.apply_suggestions(ctx, project, clone, wanted)
    if applied.task and applied.task.result:
        project = await ctx.move(
            project, Phase.verify, applied.task, status=ProjectStatus.verifying, reason=None, rounds=0,
            head_sha=applied.task.result.commit, onto=verified, merge_asked=None,
        )  # fmt: skip
    if not applied.rest:
        return Command(goto="verify")
    await follow_up(ctx, project, applied.rest, onto=verified)
    return Command(goto="dispatch")
