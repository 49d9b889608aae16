"""Checks asked for once more: run as nobody had run them before, and shown as new check runs of the same name."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.checks import REVIEW_CHECK, Checkpoint, CheckResult
from app.domain.ports import Checked, CheckRun, Outcome, Workbench
from app.domain.project import Project
from app.errors import GitError
from app.github import checks
from workers.maestro import review
from workers.maestro.context import Context
from workers.maestro.pull_request import retell
from workers.maestro.ways import settings_for
from workers.publish import publish_anew
from workers.transcripts import build_log_url, with_logs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Subject:
    """A commit of the project, and what it is judged against."""

    commit: str
    base: str
    task_id: UUID | None  # None: the combination
    occurrence: str  # which asking this is


async def recheck(ctx: Context, project: Project, name: str | None, head_sha: str | None, occurrence: str) -> Project:
    """Run the named check on a commit of the project once more; unknown names and commits are nothing to do.

    No name means the four checkpoints; without a commit, those of the head that block, or all when none does.
    `occurrence` tells this asking from others: the same one again does nothing twice.
    """
    subject = await _subject(ctx, project, head_sha or project.head_sha, occurrence)
    if subject is None:
        return project
    if name == REVIEW_CHECK:
        return await _review(ctx, project, subject)
    wanted = await _wanted(ctx, subject, name, blocking=head_sha is None)
    if not wanted or not await _there(ctx, project, subject):
        return project
    await _run(ctx, project, subject, wanted)
    if subject.commit == project.head_sha:
        await retell(ctx, project)
    return project


async def _subject(ctx: Context, project: Project, commit: str | None, occurrence: str) -> _Subject | None:
    if commit is None:
        return None
    if commit == project.head_sha:
        return _Subject(commit, project.base_sha or "", None, occurrence)
    for task in await ctx.records.tasks(superseded=True):
        if task.result and task.result.commit == commit and task.base_sha:
            return _Subject(commit, task.base_sha, task.id, occurrence)
    return None


async def _wanted(ctx: Context, subject: _Subject, name: str | None, *, blocking: bool) -> list[Checkpoint]:
    if name is not None:
        return [checkpoint for checkpoint in Checkpoint if checkpoint.check_name == name]
    return await _blocking(ctx, subject) or list(Checkpoint) if blocking else list(Checkpoint)


async def _blocking(ctx: Context, subject: _Subject) -> list[Checkpoint]:
    """Return what blocked when it was first asked: when this runs again, it may have passed meanwhile."""

    async def choose() -> Outcome:
        results = await ctx.records.checks(subject.commit)
        return {"checkpoints": [result.checkpoint.value for result in results if result.blocks]}

    async def find() -> Outcome | None:
        return None

    chosen = await ctx.effects.once(f"recheck.{subject.occurrence}", choose, find)
    return [Checkpoint(name) for name in chosen["checkpoints"]]


async def _there(ctx: Context, project: Project, subject: _Subject) -> bool:
    """Tell whether the commit can still be had: a branch may be gone for long."""
    clone = await ctx.clone(project)
    try:
        await clone.fetch()
        await clone.tree(subject.commit)
    except GitError as error:
        log.info("a commit can't be checked again", extra={"why": str(error)})
        return False
    return True


async def _run(ctx: Context, project: Project, subject: _Subject, wanted: Sequence[Checkpoint]) -> None:
    """Run the checkpoints on a workbench that knows nothing; what goes wrong ends none of the others."""
    clone = await ctx.clone(project)
    async with clone.worktree(f"{project.id.hex[:12]}-recheck", subject.base, at=subject.commit) as tree:
        settings = await settings_for(clone, project)
        bench = ctx.checkers.bench(clone, tree, settings.checkpoints, settings.setup, fresh=True)
        ran = await asyncio.gather(
            *(_again(ctx, project, subject, one, bench) for one in wanted), return_exceptions=True
        )
    for error in ran:
        if isinstance(error, BaseException):
            raise error


async def _again(ctx: Context, project: Project, subject: _Subject, checkpoint: Checkpoint, bench: Workbench) -> None:
    external_id = f"{checkpoint}.{subject.base[:12]}.{subject.occurrence}"

    async def judge(_: datetime) -> CheckRun:
        result = await _judged(bench, checkpoint)
        found = [Checked(subject.commit, result, subject.task_id, 1)]
        await ctx.records.write(*await with_logs(ctx.archive, project.id, found))
        url = build_log_url(ctx.policy.public_url, project.id, subject.commit, result)
        return checks.check_run(result, subject.commit, external_id, url)

    await publish_anew(ctx.effects, ctx.forge, ctx.clock, checkpoint.check_name, subject.commit, external_id, judge)


async def _judged(bench: Workbench, checkpoint: Checkpoint) -> CheckResult:
    match checkpoint:
        case Checkpoint.syntax:
            return await bench.syntax()
        case Checkpoint.types:
            return await bench.types()
        case Checkpoint.lint:
            return await bench.lint()
        case Checkpoint.tests:
            return await bench.tests()


async def _review(ctx: Context, project: Project, subject: _Subject) -> Project:
    """Have the head reviewed once more; that costs money, so nothing is shown before it is known to be had."""
    if subject.task_id is not None or project.status.ended:
        return project
    found = await review.ask(ctx, project, subject.occurrence)
    external_id = f"review.{subject.occurrence}"

    async def judge(began: datetime) -> CheckRun:
        return checks.review_run(found, subject.commit, began, external_id)

    project = await ctx.move(project, project.phase, review=found)
    await publish_anew(ctx.effects, ctx.forge, ctx.clock, REVIEW_CHECK, subject.commit, external_id, judge)
    return project
