"""The pull request: the branch and the checks that it shows, and its title and text, made from the tables."""

import asyncio
from collections.abc import Awaitable, Sequence

from app.domain.checks import CheckResult
from app.domain.ports import Clone, Outcome, PullRequest
from app.domain.project import Phase, Project, PullRequestRef
from app.domain.task import Task, TaskStatus
from app.github import pull_request as wording
from workers.maestro import branch
from workers.maestro.context import Context
from workers.publish import publish_checks, publish_review, push_once

MOST_SHOWN = 4  # files as evidence of a requirement, of each task


async def publish(
    ctx: Context, project: Project, clone: Clone, results: list[CheckResult]
) -> tuple[Project, PullRequest]:
    """Make branch, check runs and pull request show the present head; return the pull request as it is then."""
    head = project.head_sha or ""
    before = await clone.head(project.branch)
    expected = before if await branch.is_ours(ctx, project, clone, before) else None
    await push_once(ctx.effects, clone, head, project.branch, expected)
    title, body = await describe(ctx, project, clone)
    showing: list[Awaitable[None]] = [
        publish_checks(ctx.effects, ctx.forge, head, project.base_sha or "", results, ctx.policy.public_url, project.id)
    ]
    if not project.reverts:
        showing.append(publish_review(ctx.effects, ctx.forge, head, project, ctx.clock))
    number, _ = await asyncio.gather(_open_once(ctx, project, title, body), asyncio.gather(*showing))
    pull = await ctx.forge.pull_request(number)
    if project.pull_request and project.pull_request.head_sha != head:
        await ctx.forge.edit_pull_request(pull.number, title, body)
    ref = PullRequestRef(number=pull.number, url=pull.url, head_sha=head, merged=pull.merged)
    return await ctx.move(project, Phase.deliver, pull_request=ref), pull


async def _open_once(ctx: Context, project: Project, title: str, body: str) -> int:
    """Open the pull request, unless there is one from branch to base; return its number."""
    base = project.base_branch or ""

    async def find() -> Outcome | None:
        found = await ctx.forge.find_pull_request(project.branch, base)
        if found is None:
            return None
        await ctx.forge.edit_pull_request(found.number, title, body)  # it may be somebody else's
        return {"number": found.number}

    async def act() -> Outcome:
        return {"number": (await ctx.forge.open_pull_request(title, body, project.branch, base)).number}

    opened = await ctx.effects.once("pull_request", act, find)
    return int(opened["number"])


async def describe(ctx: Context, project: Project, clone: Clone) -> tuple[str, str]:
    """Return title and text for the present head."""
    head = project.head_sha or ""
    tasks = await ctx.records.tasks()
    results = await ctx.records.checks(head)
    changed = [change.path for change in await clone.changes(project.base_sha or "", head)]
    evidence = await _evidence(clone, tasks)
    return wording.title(project, changed), wording.body(project, tasks, results, evidence=evidence, changed=changed)


async def retell(ctx: Context, project: Project) -> None:
    """Have the pull request say what has become true since it was written."""
    if project.pull_request is not None:
        title, body = await describe(ctx, project, await ctx.clone(project))
        await ctx.forge.edit_pull_request(project.pull_request.number, title, body)


async def _evidence(clone: Clone, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return, by requirement, the files in which it can be seen, tests first."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task.status is TaskStatus.completed and task.result and task.result.commit and task.base_sha:
            changed = [change.path for change in await clone.changes(task.base_sha, task.result.commit)]
            shown = sorted(changed, key=lambda path: ("test" not in path.lower(), path))
            for requirement in task.requirements:
                known = found.setdefault(requirement, [])  # a follow-up often changes what the task before it did
                known += [named for path in shown[:MOST_SHOWN] if (named := f"`{path}`") not in known]
    return found
