"""Read the issue: what it asks for becomes requirements, or questions back."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.ports import Comment, Issue, Step
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.requirements import ParsedIssue
from app.errors import BadAnswer, NotFound
from app.github import render
from workers.agents.prompts import prompt_for
from workers.maestro.answers import IssueAnswer
from workers.maestro.context import WAIT, Context, State
from workers.maestro.ways import look_around

FEWEST_WORDS = 3  # a title of fewer, without a body, asks for nothing
EMPTY_REPOSITORY = (
    "This repository is empty, so there is nothing to branch from. "
    "Push a first commit (a README is enough), then label the issue again."
)
UNREADABLE_ISSUE = (
    "The model gave no usable reading of this issue. Say in it what should be different afterwards and how one can "
    "tell, then label it again."
)
STANDARD_QUESTIONS = (
    "What should be different once this is done?",
    "How can one tell that it works: an example, a command and what it prints, a test?",
)


async def parse(_: State, runtime: Runtime[Context]) -> Command[Literal["plan", "escalate", "cancel", "__end__"]]:
    """Turn the issue and its comments into requirements, ask what is missing, or say why it can't be done."""
    ctx = runtime.context
    project = await ctx.records.project()
    try:
        issue, info = await asyncio.gather(ctx.forge.issue(project.issue_number), ctx.forge.info())
    except NotFound:
        await ctx.move(project, Phase.cancel, reason="The issue is gone.")
        return Command(goto="cancel")
    if info.archived:
        return await ctx.escalate(project, "The repository is archived: nothing can be pushed to it.")
    clone = await ctx.clone(project)
    await clone.fetch()
    house = await look_around(ctx, clone, info.default_branch, issue.labels)
    if house is None:
        return await ctx.escalate(project, EMPTY_REPOSITORY)
    settings, ways = house.settings, house.ways
    await ctx.memories.look_back(project.repository.full_name, clone, house.base)
    said = await ctx.comments_of_writers(project)
    project = await ctx.move(
        project, Phase.parse, *house.kept, title=issue.title, request=_request(issue, said),
        base_branch=house.base_branch, base_sha=house.base, settings=settings, ways=ways,
        notes=(ways.mistakes,) if ways.mistakes else (), status=ProjectStatus.parsing,
        budget_usd=min(project.budget_usd, (not project.budget_set and settings.budget) or project.budget_usd),
    )  # fmt: skip
    ctx.prepare_ahead(clone, project)
    ctx.announce(project)
    try:
        parsed = await _read(ctx, project)
    except BadAnswer as error:
        return await ctx.escalate(project, f"{UNREADABLE_ISSUE}\n\n{error}")
    if not parsed.requirements:
        return await _ask(ctx, project, parsed.questions or STANDARD_QUESTIONS)
    await ctx.move(project, Phase.plan, status=ProjectStatus.planning, requirements=parsed.requirements, reason=None)
    return Command(goto="plan")


def _request(issue: Issue, said: Sequence[Comment]) -> str:
    """Return everything that was asked for: the issue's text, then the answers below it."""
    return "\n\n".join([issue.body.strip(), *(f"{comment.author}:\n{comment.body}" for comment in said)]).strip()


async def _read(ctx: Context, project: Project) -> ParsedIssue:
    """Ask the model what the issue wants; raises `BadAnswer` when it gave no usable answer."""
    if not project.request and len(re.findall(r"\w+", project.title)) < FEWEST_WORDS:
        return ParsedIssue()
    prompt = prompt_for(Step.parse, title=project.title, issue=project.request)
    scope = f"parse.{hashlib.sha256(prompt.user.encode()).hexdigest()[:12]}"  # another text is another question
    return await ctx.thinker.answer(ctx.call(Step.parse, scope), ctx.journal, IssueAnswer, prompt)


async def _ask(ctx: Context, project: Project, questions: tuple[str, ...]) -> Command[Any]:
    # The same questions after another answer are asked again: silence would be no answer to it.
    digest = hashlib.sha256("\n".join([project.request, *questions]).encode()).hexdigest()[:12]
    await ctx.comment_once(project, "questions", digest, render.questions(project, questions))
    waiting = await ctx.move(
        project, Phase.parse, status=ProjectStatus.waiting, reason="It waits for answers to its questions."
    )
    ctx.announce(waiting)
    return WAIT
