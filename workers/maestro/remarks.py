"""What people say in reviews of the pull request: gathered into concerns, and answered where they were raised."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from app.domain.concerns import Concern, ConcernKind, Suggestion
from app.domain.ports import Clone, Outcome, PullRequest
from app.domain.project import Project
from app.domain.remarks import Heard, decisions, unanswered
from app.domain.suggestions import applied, lines_of, overlaps, same_lines
from app.domain.task import Task, TaskResult, TaskStatus
from app.domain.ways import subject
from app.errors import GitError, NotFound
from app.github.markdown import plain
from app.github.remarks import answer as worded
from app.github.remarks import answers as worded_together
from app.github.render import count, marked, marker
from workers.agents.guard import is_off_limits
from workers.maestro.context import Context
from workers.maestro.follow_up import new_task
from workers.publish import push_once

REVIEWED = frozenset({ConcernKind.thread, ConcernKind.review})
SUGGESTED = "Make the suggested changes, so that the checkpoints pass with them."


async def listen(ctx: Context, number: int) -> Heard:
    """Read what was said of the pull request; each author's permission is asked for once."""
    reviews, comments = await asyncio.gather(ctx.forge.reviews(number), ctx.forge.review_comments(number))
    authors = {one.author for one in reviews} | {one.author for one in comments if not one.by_this_app}
    return Heard(reviews, comments, await ctx.writers(authors))


async def gather(ctx: Context, heard: Heard) -> list[Concern]:
    """Return what people with write permission want changed and nobody has answered or taken up, oldest first."""
    every = await ctx.records.tasks(superseded=True)
    return unanswered(heard, [concern for task in every for concern in task.concerns])


# --- suggested changes


@dataclass(frozen=True)
class Applied:
    """What became of the suggestions among some concerns."""

    task: Task | None  # completed, with a commit for each that was applied; None: there was none
    rest: list[Concern]


async def apply_suggestions(ctx: Context, project: Project, clone: Clone, concerns: Sequence[Concern]) -> Applied:
    """Commit the suggested changes among the concerns as they are, each by itself, onto the head; no model is asked.

    The commits are pushed as a task's are, so that they are at hand wherever work goes on; the task isn't written yet.
    """
    fitting = await _fitting(project, clone, concerns)
    rest = [concern for concern in concerns if concern not in fitting]
    if not fitting:
        return Applied(None, rest)
    head, commits = project.head_sha or "", {}
    for concern, what in sorted(_with_suggestion(fitting), key=lambda one: (one[0].path, -one[1].first)):
        content = await clone.read(head, concern.path) or b""
        named = subject(f"Apply suggestion by {plain(concern.author, 60)}", project.ways, [concern.path])
        message = f"{named}\n\nRefs #{project.issue_number}"
        head = commits[concern.key] = await clone.rewrite(head, concern.path, applied(content, what), message)
    task = _completed(ctx, project, await new_task(ctx, project, fitting), head, commits)
    if ctx.policy.push_task_branches:
        await push_once(ctx.effects, clone, head, task.branch, await clone.head(task.branch))
    return Applied(task, rest)


def _with_suggestion(concerns: Sequence[Concern]) -> list[tuple[Concern, Suggestion]]:
    return [(concern, concern.suggestion) for concern in concerns if concern.suggestion]


def _completed(ctx: Context, project: Project, task: Task, head: str, commits: dict[str, str]) -> Task:
    """Return the task that stands for commits which nobody had to be asked for."""
    now = ctx.clock()
    return task.model_copy(
        update={
            "title": f"Apply {count(len(commits), 'suggestion')}",
            "description": SUGGESTED,
            "requirements": (),
            "status": TaskStatus.completed,
            "base_sha": project.head_sha,
            "started_at": now,
            "completed_at": now,
            "result": TaskResult(commit=head, commits=commits),
        }
    )


async def _fitting(project: Project, clone: Clone, concerns: Sequence[Concern]) -> list[Concern]:
    """Return the concerns whose suggestion can be applied as it is; of two for the same line the earlier one."""
    fitting: list[Concern] = []
    for concern in concerns:
        what = concern.suggestion
        if what is None or is_off_limits(concern.path, project.settings.protected):
            continue
        taken = [one for other, one in _with_suggestion(fitting) if other.path == concern.path]
        if not any(overlaps(one, what) for one in taken) and await _fits(clone, project.head_sha or "", concern):
            fitting.append(concern)
    return fitting


async def _fits(clone: Clone, head: str, concern: Concern) -> bool:
    """Tell whether the lines that a suggestion is about still are what its author saw, and would change."""
    what = concern.suggestion
    present = await clone.read(head, concern.path)
    if what is None or present is None:
        return False
    try:
        seen = present if what.commit == head else await clone.read(what.commit, concern.path)
    except GitError:  # a commit that isn't part of the branch any more
        return False
    same = seen is not None and same_lines(lines_of(seen), lines_of(present), what)
    return same and applied(present, what) != present


# --- answers


async def answer(ctx: Context, project: Project, tasks: Sequence[Task], pull: PullRequest) -> None:
    """Answer, once each, every concern whose task has ended, and ask its reviewers to look again."""
    for task in tasks:
        if task.concerns and task.status.ended:
            act = partial(_answer_all, ctx, project, task, pull.number)
            await ctx.effects.once(f"answered.{_occurrence(task)}", act, _nothing)


def _occurrence(task: Task) -> str:
    """Name the end of a task: what failed may be tried again, and is then answered again."""
    return task.key if task.status is TaskStatus.completed else f"{task.key}.undone"


async def _nothing() -> Outcome | None:
    return None  # each step of it is found by itself, or changes nothing when it is done again


async def _answer_all(ctx: Context, project: Project, task: Task, number: int) -> Outcome:
    for concern in task.concerns:
        if concern.kind is ConcernKind.thread:
            await _reply(ctx, project, task, concern, number)
    others = [concern for concern in task.concerns if concern.kind is not ConcernKind.thread]
    if others:
        text = worded_together(task, others)
        await ctx.comment_once(project, "answers", _occurrence(task), text, number)
    if task.status is TaskStatus.completed:
        await _ask_again(ctx, task, number)
    return {"concerns": len(task.concerns)}


async def _reply(ctx: Context, project: Project, task: Task, concern: Concern, number: int) -> None:
    """Say in a thread what became of the concern."""
    done = task.status is TaskStatus.completed
    occurrence = concern.key if done else f"{concern.key}.undone"

    async def act() -> Outcome:
        text = marked(worded(task, concern), "reply", project.id, occurrence)
        try:
            return {"id": await ctx.forge.reply(number, concern.thread or concern.id, text)}
        except NotFound:
            return {"id": None}  # somebody deleted the thread

    async def find() -> Outcome | None:
        found = await ctx.forge.find_reply(number, marker("reply", project.id, occurrence))
        return {"id": found} if found is not None else None

    await ctx.effects.once(f"reply.{occurrence}", act, find)


async def _ask_again(ctx: Context, task: Task, number: int) -> None:
    """Ask those for another review who wanted changes and got an answer."""
    raised = {concern.author for concern in task.concerns if concern.kind in REVIEWED}
    if not raised:
        return

    async def act() -> Outcome:
        last = decisions(await ctx.forge.reviews(number))
        waiting = sorted(login for login in raised if login in last and last[login].state == "changes_requested")
        await ctx.forge.request_reviews(number, waiting)
        return {"asked": waiting}

    # The intent comes first: whoever approves between two tries isn't asked, and the effect has its outcome.
    await ctx.effects.once(f"review_requests.{task.key}", act, _nothing)
