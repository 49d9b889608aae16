"""Open the pull request with its evidence, and merge it when the repository's policy allows."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.checks import CheckResult
from app.domain.concerns import Concern
from app.domain.ports import Clone, Fact, MergeOutcome, Outcome, PullRequest, RepositoryInfo
from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef
from app.domain.remarks import Heard, decisions
from app.domain.repository_settings import MergePolicy
from app.errors import MergeConflict, Transient
from app.github import pull_request as wording
from app.github.markdown import code, inline
from workers.maestro import branch, foreign, remarks
from workers.maestro.context import WAIT, Context, State
from workers.maestro.describe import describe
from workers.maestro.follow_up import follow_up
from workers.maestro.turns import MOST_BASE_MOVES, keep_turn, leave, take_turn
from workers.publish import own_commits, publish_checks, publish_review, push_once

UNVERIFIED = "A checkpoint failed or could not be run, so it isn't merged by itself."
STALE = "It was changed after it was approved. It is merged once somebody approves it as it is now."
MERGE_TRIES = 3  # while GitHub says that the base was modified


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
    project, pull = await _publish(ctx, project, clone, results)
    if pull.merged:
        return await _merged(ctx, project)
    await remarks.answer(ctx, project, await ctx.records.tasks(), pull)
    if pull.base_ref != project.base_branch:
        told = f"It was verified for `{project.base_branch}`, so it isn't merged elsewhere."
        return await _stay_open(ctx, project, told)
    return await _go_on(ctx, project, clone, pull, results)


async def _ended(ctx: Context, project: Project, number: int) -> Command[Any] | None:
    """Return where to go when people have merged or closed the pull request."""
    pull = await ctx.forge.pull_request(number)
    if pull.merged:
        return await _merged(ctx, project)
    if pull.state == "closed":
        await ctx.move(project, Phase.cancel, reason=f"Pull request #{number} was closed without being merged.")
        return Command(goto="cancel")
    return None


async def _adopt(ctx: Context, project: Project, clone: Clone, theirs: str) -> Command[Any]:
    """Keep what somebody pushed, and verify everything with it."""
    try:
        changes = await branch.adopt(ctx, project, clone, theirs)
    except MergeConflict as conflict:
        return await ctx.escalate(project, branch.clash(f"Somebody pushed to `{project.branch}`", conflict))
    await ctx.move(project, Phase.verify, status=ProjectStatus.verifying, reason=None, **changes)
    return Command(goto="verify")


async def _go_on(
    ctx: Context, project: Project, clone: Clone, pull: PullRequest, results: Sequence[CheckResult]
) -> Command[Any]:
    """Work on what people or checks want, merge what may be merged, or leave it to them."""
    heard = await remarks.listen(ctx, pull.number)
    standing = _standing(ctx, project, heard)
    project, others = await foreign.look(ctx, project)
    if work := await _work(ctx, project, clone, heard, standing, others, results):
        return work
    if any(result.blocks for result in results):
        return await _stay_open(ctx, project, UNVERIFIED)
    if others.failed:
        return await _stay_open(ctx, project, f"It isn't merged by itself before {_named(others.failed)} passes.")
    if not standing.may_merge:
        return await _stay_open(ctx, project, STALE if standing.stale else None)
    return await _land(ctx, project, clone, others)


async def _work(
    ctx: Context,
    project: Project,
    clone: Clone,
    heard: Heard,
    standing: "Standing",
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


async def _land(ctx: Context, project: Project, clone: Clone, others: foreign.Foreign) -> Command[Any]:
    """Merge what may be merged, once other apps' checks have passed and it is the project's turn."""
    awaited = await foreign.awaited(ctx, project, clone, others)
    if awaited.names:
        project, over = await keep_turn(ctx, project)
        again = foreign.look_again(ctx, project, awaited.since)
        reason = f"It is merged as soon as {_named(awaited.names)} has passed."
        return await _wait(ctx, project, reason, *again, *over)
    project, first = await take_turn(ctx, project)
    if first:
        return await _wait(ctx, project, first)
    return await _merge(ctx, project, clone, awaited.since)


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


def _named(checks: Sequence[str]) -> str:
    return ", ".join(code(name, 60) for name in checks)


async def _publish(
    ctx: Context, project: Project, clone: Clone, results: list[CheckResult]
) -> tuple[Project, PullRequest]:
    """Make branch, check runs and pull request show the present head."""
    head = project.head_sha or ""
    before = await clone.head(project.branch)
    ours = await _ours(ctx, project, clone, before)
    await push_once(ctx.effects, clone, head, project.branch, before if ours else None)
    title, body = await describe(ctx, project, clone)
    base = project.base_branch or ""

    async def find() -> Outcome | None:
        found = await ctx.forge.find_pull_request(project.branch, base)
        if found is None:
            return None
        await ctx.forge.edit_pull_request(found.number, title, body)  # it may be somebody else's
        return {"number": found.number}

    async def act() -> Outcome:
        return {"number": (await ctx.forge.open_pull_request(title, body, project.branch, base)).number}

    shown: list[Awaitable[Any]] = (
        [] if project.reverts else [publish_review(ctx.effects, ctx.forge, head, project, ctx.clock)]
    )
    opened, *_ = await asyncio.gather(
        ctx.effects.once("pull_request", act, find),
        publish_checks(
            ctx.effects, ctx.forge, head, project.base_sha or "", results, ctx.policy.public_url, project.id
        ),
        *shown,
    )
    pull = await ctx.forge.pull_request(opened["number"])
    if project.pull_request and project.pull_request.head_sha != head:
        await ctx.forge.edit_pull_request(pull.number, title, body)
    ref = PullRequestRef(number=pull.number, url=pull.url, head_sha=head, merged=pull.merged)
    return await ctx.move(project, Phase.deliver, pull_request=ref), pull


async def _ours(ctx: Context, project: Project, clone: Clone, there: str | None) -> bool:
    """Tell whether what the branch is at may be replaced by the head: it is the work's own, or part of it."""
    if there is None or there in own_commits(project, await ctx.records.tasks(superseded=True)):
        return True
    return await clone.is_ancestor(there, project.head_sha or "")


@dataclass(frozen=True)
class Standing:
    """What people and the policy say about merging the present head."""

    accepted: bool  # a person wants it merged as it is
    may_merge: bool
    stale: bool = False  # what somebody approved isn't what is there now


def _standing(ctx: Context, project: Project, heard: Heard) -> Standing:
    """Tell whether people and the policy allow the merge of this very head."""
    asked = project.merge_asked == project.head_sha
    policy = ctx.policy.merge or project.settings.merge
    words = [review for author, review in decisions(heard.reviews).items() if author in heard.writers]
    approving = any(word.state == "approved" and word.commit_sha in project.stands_for for word in words)
    once = any(word.state == "approved" for word in words) and policy is MergePolicy.on_approval
    refusing = any(word.state == "changes_requested" for word in words)
    accepted = asked or (policy is MergePolicy.on_approval and approving and not refusing)
    stale = once and not accepted and not refusing
    return Standing(accepted, accepted or (policy is MergePolicy.auto and not refusing), stale)


async def _merge(ctx: Context, project: Project, clone: Clone, since: datetime) -> Command[Any]:
    """Merge the verified head into the verified base, or say what stands in the way."""
    assert project.pull_request  # noqa: S101 - `_publish` has set it
    number, head = project.pull_request.number, project.head_sha or ""
    info = await ctx.forge.info()
    title = wording.title(project, [change.path for change in await clone.changes(project.base_sha or "", head)])
    for _ in range(MERGE_TRIES):
        base = await clone.head(project.base_branch or "")
        if base is not None and base != project.base_sha and not await clone.is_ancestor(base, head):
            return await _follow_base(ctx, project, clone, base)
        merge = await ctx.forge.merge(number, head, _method(project, info), title)
        match merge.outcome:
            case MergeOutcome.merged:
                return await _merged(ctx, project)
            case MergeOutcome.base_moved:
                await clone.fetch()  # what it was verified against may not be what it would be merged into
            case MergeOutcome.head_moved:
                return await _stay_open(ctx, project, "Somebody pushed to the branch, so it wasn't merged.")
            case MergeOutcome.refused:
                if (await ctx.forge.pull_request(number)).merged:
                    return await _merged(ctx, project)  # an earlier answer was lost
                about_checks = foreign.ABOUT_CHECKS.search(merge.reason)
                again = foreign.look_again(ctx, project, since) if about_checks else ()
                return await _stay_open(ctx, project, f"GitHub refused to merge it: {inline(merge.reason)}", *again)
    raise Transient(f"GitHub keeps saying that `{project.base_branch}` was modified, and it wasn't.")


def _method(project: Project, info: RepositoryInfo) -> str:
    """Return how to merge: as the settings say, unless the repository doesn't allow that."""
    wanted = project.settings.merge_method
    return wanted.value if wanted and wanted.value in info.merge_methods else info.merge_methods[0]


async def _follow_base(ctx: Context, project: Project, clone: Clone, base: str) -> Command[Any]:
    """Merge the moved base into the branch and verify the result, a few times at most."""
    if project.base_moves >= MOST_BASE_MOVES:
        text = f"`{project.base_branch}` kept moving while this was verified. Merge it when it is quiet."
        return await _stay_open(ctx, project, text)
    try:
        changes = await branch.bring_base_in(ctx, project, clone, base)
    except MergeConflict as conflict:
        return await ctx.escalate(project, branch.clash(f"`{project.base_branch}` has moved", conflict))
    await ctx.move(
        project, Phase.verify, base_moves=project.base_moves + 1, status=ProjectStatus.verifying, **changes
    )  # fmt: skip
    return Command(goto="verify")


async def _merged(ctx: Context, project: Project) -> Command[Any]:
    assert project.pull_request  # noqa: S101 - nothing is merged without one
    merged = project.pull_request.model_copy(update={"merged": True})
    await ctx.move(project, Phase.settle, pull_request=merged)
    return Command(goto="settle")


async def _stay_open(ctx: Context, project: Project, reason: str | None, *facts: Fact) -> Command[Any]:
    """Leave the pull request to people; a review, a push or a check that ends wakes Maestro again."""
    return await _wait(ctx, leave(project), reason, *facts)


async def _wait(ctx: Context, project: Project, reason: str | None, *facts: Fact) -> Command[Any]:
    """Leave it open; a project that is queued keeps its place."""
    changes = {"status": ProjectStatus.open, "reason": reason, "finished_at": ctx.clock()}
    waiting = await ctx.move(project, Phase.deliver, *facts, **changes)
    ctx.announce(waiting)
    return WAIT
