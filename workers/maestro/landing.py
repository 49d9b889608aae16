"""Merge the pull request when people, the policy and checks allow it, or leave it open and say why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langgraph.types import Command

from app.domain.ports import Clone, Fact, MergeOutcome, RepositoryInfo
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.remarks import Heard, decisions
from app.domain.repository_settings import MergePolicy
from app.errors import MergeConflict, Transient
from app.github import pull_request as wording
from app.github.markdown import code, inline
from workers.maestro import branch, foreign
from workers.maestro.context import WAIT, Context
from workers.maestro.turns import MOST_BASE_MOVES, keep_turn, leave, take_turn

STALE = "It was changed after it was approved. It is merged once somebody approves it as it is now."
MEANT_BEFORE = "It was changed after `/aurora merge` was written. Look at it as it is now, and write that again."
MERGE_TRIES = 3  # while GitHub says that the base was modified


@dataclass(frozen=True)
class Standing:
    """What people and the policy say about merging the present head."""

    accepted: bool  # a person wants it merged as it is
    may_merge: bool
    stale: str | None = None  # what is to be said where they allowed it for what isn't there any more


def standing_of(ctx: Context, project: Project, heard: Heard) -> Standing:
    """Tell whether people and the policy allow the merge of this very head."""
    asked = project.merge_asked == project.head_sha
    policy = ctx.policy.merge or project.settings.merge
    words = [review for author, review in decisions(heard.reviews).items() if author in heard.writers]
    approving = any(word.state == "approved" and word.commit_sha in project.stands_for for word in words)
    refusing = any(word.state == "changes_requested" for word in words)
    accepted = asked or (policy is MergePolicy.on_approval and approving and not refusing)
    once = any(word.state == "approved" for word in words) and policy is MergePolicy.on_approval
    stale = MEANT_BEFORE if project.merge_asked and not asked else STALE if once else None
    may_merge = accepted or (policy is MergePolicy.auto and not refusing)
    return Standing(accepted, may_merge, None if refusing else stale)


async def land(ctx: Context, project: Project, clone: Clone, others: foreign.Foreign) -> Command[Any]:
    """Merge what may be merged, once other apps' checks have passed and it is the project's turn."""
    awaited = await foreign.awaited(ctx, project, clone, others)
    if awaited.names:
        project, over = await keep_turn(ctx, project)
        again = foreign.look_again(ctx, project, awaited.since)
        reason = f"It is merged as soon as {listed(awaited.names)} has passed."
        return await _wait(ctx, project, reason, *again, *over)
    project, first = await take_turn(ctx, project)
    if first:
        return await _wait(ctx, project, first)
    return await _merge(ctx, project, clone, awaited.since)


async def _merge(ctx: Context, project: Project, clone: Clone, since: datetime) -> Command[Any]:
    """Merge the verified head into the verified base, or say what stands in the way."""
    assert project.pull_request  # noqa: S101 - nothing is merged before it is open
    number, head = project.pull_request.number, project.head_sha or ""
    info = await ctx.forge.info()
    title = wording.title(project, [change.path for change in await clone.changes(project.base_sha or "", head)])
    for _ in range(MERGE_TRIES):
        await clone.fetch()  # what it was verified against may not be what it would be merged into
        base = await clone.head(project.base_branch or "")
        if base is not None and base != project.base_sha and not await clone.is_ancestor(base, head):
            return await _follow_base(ctx, project, clone, base)
        merge = await ctx.forge.merge(number, head, _method(project, info), title)
        match merge.outcome:
            case MergeOutcome.merged:
                return await after_merge(ctx, project)
            case MergeOutcome.base_moved:
                continue
            case MergeOutcome.head_moved:
                return await stay_open(ctx, project, "Somebody pushed to the branch, so it wasn't merged.")
            case MergeOutcome.refused:
                if (await ctx.forge.pull_request(number)).merged:
                    return await after_merge(ctx, project)  # an earlier answer was lost
                about_checks = foreign.ABOUT_CHECKS.search(merge.reason)
                again = foreign.look_again(ctx, project, since) if about_checks else ()
                return await stay_open(ctx, project, _refused(project, merge.reason), *again)
    raise Transient(f"GitHub keeps saying that `{project.base_branch}` was modified, and it wasn't.")


def _refused(project: Project, reason: str) -> str:
    """Say why GitHub didn't merge it, and what can be done where that is known."""
    if "merge queue" in reason.lower():
        base = code(project.base_branch or "", 100)
        return f"It is ready. {base} has a merge queue, which the app leaves to people: press “Merge when ready” there."
    return f"GitHub refused to merge it: {inline(reason)}"


def _method(project: Project, info: RepositoryInfo) -> str:
    """Return how to merge: as the settings say, unless the repository doesn't allow that."""
    wanted = project.settings.merge_method
    return wanted.value if wanted and wanted.value in info.merge_methods else info.merge_methods[0]


async def _follow_base(ctx: Context, project: Project, clone: Clone, base: str) -> Command[Any]:
    """Merge the moved base into the branch and verify the result, a few times at most."""
    if project.base_moves >= MOST_BASE_MOVES:
        moving = f"{code(project.base_branch or '', 100)} kept moving while this was checked"
        return await stay_open(
            ctx, project, f"{moving}. When it is quiet, write `/aurora rebase`, or merge it yourself."
        )
    try:
        changes = await branch.bring_base_in(ctx, project, clone, base)
    except MergeConflict as conflict:
        return await branch.clash(ctx, project, f"`{project.base_branch}` has moved", conflict)
    await ctx.move(
        project, Phase.verify, base_moves=project.base_moves + 1, status=ProjectStatus.verifying, **changes
    )  # fmt: skip
    return Command(goto="verify")


async def after_merge(ctx: Context, project: Project) -> Command[Any]:
    """Note that the pull request is merged, whoever did that, and bring the project to its end."""
    assert project.pull_request  # noqa: S101 - nothing is merged without one
    merged = project.pull_request.model_copy(update={"merged": True})
    await ctx.move(project, Phase.settle, pull_request=merged)
    return Command(goto="settle")


async def stay_open(ctx: Context, project: Project, reason: str | None, *facts: Fact) -> Command[Any]:
    """Leave the pull request to people; a review, a push or a check that ends wakes Maestro again."""
    return await _wait(ctx, leave(project), reason, *facts)


async def _wait(ctx: Context, project: Project, reason: str | None, *facts: Fact) -> Command[Any]:
    """Leave it open; a project that is queued keeps its place."""
    changes = {"status": ProjectStatus.open, "reason": reason, "finished_at": ctx.clock()}
    waiting = await ctx.move(project, Phase.deliver, *facts, **changes)
    ctx.announce(waiting)
    return WAIT


def listed(checks: Sequence[str]) -> str:
    """Name checks in a sentence."""
    return ", ".join(code(name, 60) for name in checks)
