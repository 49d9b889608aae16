"""Open the pull request with its evidence, and merge it when the repository's policy allows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.checks import CheckResult
from app.domain.ports import Clone, Fact, MergeOutcome, Outcome, PullRequest
from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef
from app.domain.repository_settings import MergePolicy
from app.domain.task import Task, TaskStatus
from app.errors import MergeConflict, Transient
from app.github import pull_request as wording
from app.github.markdown import code
from workers.maestro import branch, foreign, remarks
from workers.maestro.context import WAIT, Context, State
from workers.maestro.follow_up import follow_up
from workers.maestro.turns import MOST_BASE_MOVES, keep_turn, leave, take_turn
from workers.publish import own_commits, publish_checks, publish_review, push_once

UNVERIFIED = "A checkpoint failed or could not be run, so it isn't merged by itself."
MOST_SHOWN = 4  # files as evidence of a requirement, of each task
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
        paths = ", ".join(f"`{path}`" for path in conflict.paths)
        reason = f"Somebody pushed to `{project.branch}`, and that conflicts with the work in {paths}."
        return await ctx.escalate(project, reason)
    await ctx.move(project, Phase.verify, status=ProjectStatus.verifying, reason=None, **changes)
    return Command(goto="verify")


async def _go_on(
    ctx: Context, project: Project, clone: Clone, pull: PullRequest, results: Sequence[CheckResult]
) -> Command[Any]:
    """Work on what people or checks want, merge what may be merged, or leave it to them."""
    standing = await _standing(ctx, project, pull)
    others = await foreign.look(ctx, project)
    if not standing.accepted and (wanted := await remarks.gather(ctx, project, pull)):
        head, rest = await remarks.apply_suggestions(ctx, project, clone, wanted)
        if head:
            project = await ctx.move(project, Phase.verify, head_sha=head, onto=head, status=ProjectStatus.verifying)
        if rest:
            await follow_up(ctx, project, rest)
            return Command(goto="dispatch")
        if head:
            return Command(goto="verify")
    if others.concerns:
        await follow_up(ctx, project.model_copy(update={"check_fixes": project.check_fixes + 1}), others.concerns)
        return Command(goto="dispatch")
    if any(result.blocks for result in results):
        return await _stay_open(ctx, project, UNVERIFIED)
    if others.failed:
        return await _stay_open(ctx, project, f"It isn't merged by itself while {_named(others.failed)} fails.")
    if not standing.may_merge:
        return await _stay_open(ctx, project, None)
    if others.pending:
        project, over = await keep_turn(ctx, project)
        return await _wait(ctx, project, f"It is merged as soon as {_named(others.pending)} has passed.", *over)
    project, first = await take_turn(ctx, project)
    if first:
        return await _wait(ctx, project, first)
    return await _merge(ctx, project, clone)


def _named(checks: Sequence[str]) -> str:
    return ", ".join(code(name, 60) for name in checks)


async def _publish(
    ctx: Context, project: Project, clone: Clone, results: list[CheckResult]
) -> tuple[Project, PullRequest]:
    """Make branch, check runs and pull request show the present head."""
    head = project.head_sha or ""
    tasks = await ctx.records.tasks()
    before = await clone.head(project.branch)
    ours = await _ours(ctx, project, clone, before)
    await push_once(ctx.effects, clone, head, project.branch, before if ours else None)
    changed = [change.path for change in await clone.changes(project.base_sha or "", head)]
    evidence = await _evidence(clone, tasks)
    title = wording.title(project)
    body = wording.body(project, tasks, results, evidence=evidence, changed=changed)

    base = project.base_branch or ""

    async def find() -> Outcome | None:
        found = await ctx.forge.find_pull_request(project.branch, base)
        if found is None:
            return None
        await ctx.forge.edit_pull_request(found.number, title, body)  # it may be somebody else's
        return {"number": found.number}

    async def act() -> Outcome:
        return {"number": (await ctx.forge.open_pull_request(title, body, project.branch, base)).number}

    opened, *_ = await asyncio.gather(
        ctx.effects.once("pull_request", act, find),
        publish_checks(
            ctx.effects, ctx.forge, head, project.base_sha or "", results, ctx.policy.public_url, project.id
        ),
        publish_review(ctx.effects, ctx.forge, head, project, ctx.clock),
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


async def _evidence(clone: Clone, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return, by requirement, the files in which it can be seen, tests first."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task.status is TaskStatus.completed and task.result and task.result.commit and task.base_sha:
            changed = [change.path for change in await clone.changes(task.base_sha, task.result.commit)]
            shown = sorted(changed, key=lambda path: ("test" not in path.lower(), path))
            for requirement in task.requirements:
                found.setdefault(requirement, []).extend(f"`{path}`" for path in shown[:MOST_SHOWN])
    return found


@dataclass(frozen=True)
class Standing:
    """What people and the policy say about merging the present head."""

    accepted: bool  # a person wants it merged as it is
    may_merge: bool


async def _standing(ctx: Context, project: Project, pull: PullRequest) -> Standing:
    """Tell whether people and the policy allow the merge of this very head."""
    asked = project.merge_asked == project.head_sha
    policy = ctx.policy.merge or project.settings.merge
    approving, refusing = await _words(ctx, project, pull)
    accepted = asked or (policy is MergePolicy.on_approval and approving and not refusing)
    return Standing(accepted, accepted or (policy is MergePolicy.auto and not refusing))


async def _words(ctx: Context, project: Project, pull: PullRequest) -> tuple[bool, bool]:
    """Tell whether somebody with write permission approved the head, and whether such a person still wants changes."""
    latest = {}
    for review in await ctx.forge.reviews(pull.number):
        if review.state in {"approved", "changes_requested", "dismissed"}:
            latest[review.author] = review
    standings = await asyncio.gather(*(ctx.forge.permission(author) for author in latest))
    words = [review for review, standing in zip(latest.values(), standings, strict=True) if standing.may_write]
    approving = any(word.state == "approved" and word.commit_sha == project.head_sha for word in words)
    return approving, any(word.state == "changes_requested" for word in words)


async def _merge(ctx: Context, project: Project, clone: Clone) -> Command[Any]:
    """Merge the verified head into the verified base, or say what stands in the way."""
    assert project.pull_request  # noqa: S101 - `_publish` has set it
    number, head = project.pull_request.number, project.head_sha or ""
    info = await ctx.forge.info()
    for _ in range(MERGE_TRIES):
        base = await clone.head(project.base_branch or "")
        if base is not None and base != project.base_sha and not await clone.is_ancestor(base, head):
            return await _follow_base(ctx, project, clone, base)
        merge = await ctx.forge.merge(number, head, info.merge_methods[0], wording.title(project))
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
                return await _stay_open(ctx, project, f"GitHub refused to merge it: {merge.reason}")
    raise Transient(f"GitHub keeps saying that `{project.base_branch}` was modified, and it wasn't.")


async def _follow_base(ctx: Context, project: Project, clone: Clone, base: str) -> Command[Any]:
    """Merge the moved base into the branch and verify the result, a few times at most."""
    if project.base_moves >= MOST_BASE_MOVES:
        text = f"`{project.base_branch}` kept moving while this was verified. Merge it when it is quiet."
        return await _stay_open(ctx, project, text)
    changes = await branch.bring_base_in(ctx, project, clone, base)
    if changes is None:
        return await ctx.escalate(project, f"`{project.base_branch}` has moved, and now conflicts with the work.")
    await ctx.move(
        project, Phase.verify, base_moves=project.base_moves + 1, status=ProjectStatus.verifying, **changes
    )  # fmt: skip
    return Command(goto="verify")


async def _merged(ctx: Context, project: Project) -> Command[Any]:
    assert project.pull_request  # noqa: S101 - nothing is merged without one
    merged = project.pull_request.model_copy(update={"merged": True})
    await ctx.move(project, Phase.settle, pull_request=merged)
    return Command(goto="settle")


async def _stay_open(ctx: Context, project: Project, reason: str | None) -> Command[Any]:
    """Leave the pull request to people; a review or a push wakes Maestro again."""
    return await _wait(ctx, leave(project), reason)


async def _wait(ctx: Context, project: Project, reason: str | None, *facts: Fact) -> Command[Any]:
    """Leave it open; a project that is queued keeps its place."""
    changes = {"status": ProjectStatus.open, "reason": reason, "finished_at": ctx.clock()}
    waiting = await ctx.move(project, Phase.deliver, *facts, **changes)
    ctx.announce(waiting)
    return WAIT
