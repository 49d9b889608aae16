"""What both Maestro and the code generation show on GitHub: branches and check runs, each once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from app.domain.checks import CheckResult
from app.domain.ports import CheckRun, Clock, Clone, Effects, Forge, Outcome
from app.domain.project import Project
from app.domain.repository_settings import Problem
from app.domain.task import Task
from app.github import checks, mistakes
from workers.transcripts import build_log_url


async def push_once(effects: Effects, clone: Clone, commit: str, branch: str, expected: str | None) -> None:
    """Make the branch point to the commit; raises `PushRejected` when somebody else moved it."""

    async def act() -> Outcome:
        await clone.push(commit, branch, expected)
        return {"commit": commit}

    async def find() -> Outcome | None:
        return None  # pushing what is there already changes nothing

    await effects.once(f"push.{branch}.{(expected or '')[:12]}.{commit}", act, find)


def own_commits(project: Project, tasks: Sequence[Task]) -> set[str]:
    """Return the commits of a project that its branch may be at: whatever else is there is somebody else's."""
    known = {project.head_sha, project.onto, project.pull_request.head_sha if project.pull_request else None}
    known |= {task.result.commit for task in tasks if task.result}
    return {commit for commit in known if commit}


async def publish_checks(
    effects: Effects,
    forge: Forge,
    commit: str,
    base: str,
    results: Sequence[CheckResult],
    public_url: str | None,
    project: UUID,
) -> None:
    """Make a check run of each result; a result that was found against another base gets its own."""
    runs = [
        checks.check_run(result, commit, _external_id(result, base), build_log_url(public_url, project, commit, result))
        for result in results
    ]
    await asyncio.gather(*(_publish(effects, forge, run) for run in runs))


def _external_id(result: CheckResult, base: str) -> str:
    return f"{result.checkpoint}.{base[:12]}"


async def publish_review(effects: Effects, forge: Forge, commit: str, project: Project, clock: Clock) -> None:
    """Make a check run of the code review."""
    await _publish(effects, forge, checks.review_run(project.review, commit, clock()))


async def publish_mistakes(
    effects: Effects, forge: Forge, commit: str, problems: Sequence[Problem], in_force: str | None, clock: Clock
) -> None:
    """Make a check run of what is wrong with the settings that the repository has at a commit."""
    await _publish(effects, forge, mistakes.check_run(problems, in_force, commit, clock()))


async def _publish(effects: Effects, forge: Forge, run: CheckRun) -> None:
    async def find() -> Outcome | None:
        found = await forge.find_check(run.head_sha, run.name, run.external_id)
        return {"id": found} if found is not None else None

    async def act() -> Outcome:
        return {"id": await forge.create_check(run)}

    await effects.once(f"check.{run.head_sha}.{run.name}.{run.external_id}", act, find)


async def publish_anew(
    effects: Effects,
    forge: Forge,
    clock: Clock,
    name: str,
    commit: str,
    external_id: str,
    judge: Callable[[datetime], Awaitable[CheckRun]],
) -> None:
    """Show a check as being under way, judge, and show its end; once for each external id, whatever dies in between.

    What `judge` writes is written before its end is shown, and isn't judged again once that was.
    """
    key, began = f"check.{commit}.{name}.{external_id}", clock()

    async def found(*, ended: bool) -> Outcome | None:
        number = await forge.find_check(commit, name, external_id, ended=ended)
        return {"id": number} if number is not None else None

    async def begin() -> Outcome:
        return {"id": await forge.begin_check(name, commit, external_id, began)}

    begun = await effects.once(f"{key}.begun", begin, partial(found, ended=False))

    async def end() -> Outcome:
        return {"id": await forge.create_check(await judge(began), begun["id"])}

    await effects.once(key, end, partial(found, ended=True))
