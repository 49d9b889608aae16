"""Commit what passed, learn from what failed, and give up openly when the attempts are used up."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.checks import CheckResult, Conclusion
from app.domain.concerns import narrative
from app.domain.memory import Kind
from app.domain.ports import Step
from app.domain.recovery import Escalate, decide
from app.domain.task import TaskResult, TaskStatus
from app.domain.ways import subject
from workers.agents.reflexion import reflect as learn
from workers.codegen.commits import commit_all, written
from workers.codegen.errors import of_attempt
from workers.codegen.state import Context, State, results_of
from workers.publish import own_commits, publish_checks, push_once

FINISHED: Command[Any] = Command(goto=END)
MOST_IDLE = 3  # visits in a row that leave the tree as it was: more attempts would end the same


async def commit(state: State, runtime: Runtime[Context]) -> Command[Literal["__end__"]]:
    """Commit the tree onto its base, push the feature branch, report the checkpoints."""
    ctx = runtime.context
    if not state.get("patch"):
        return await _decline(ctx, state)
    results = results_of(state)
    sha, commits = await commit_all(ctx.worktree, ctx.task, state["summary"], ctx.project)
    await _publish(ctx, sha, results)
    if summary := narrative(
        state["summary"]
    ):  # for those who work beside this; what is merged is kept when the project settles
        changed = [change.path for change in await ctx.worktree.changes()]
        how = await ctx.remember(Kind.pattern, f"{ctx.task.title}: {summary}", sha, changed)
        await ctx.memories.note(ctx.project.repository.full_name, how)
    await ctx.finish(
        TaskStatus.completed,
        TaskResult(commit=sha, summary=state["summary"], lessons=tuple(state["lessons"]), commits=commits),
        *await ctx.checked(sha, results, state["attempt"]),
        ctx.used(state),
        attempts=state["attempts_before"] + state["attempt"],
    )
    return FINISHED


async def _decline(ctx: Context, state: State) -> Command[Literal["__end__"]]:
    """End a follow-up without a change: there is a reason against every concern."""
    await ctx.finish(
        TaskStatus.completed,
        TaskResult(summary=state["summary"], lessons=tuple(state["lessons"])),
        ctx.used(state),
        attempts=state["attempts_before"] + state["attempt"],
    )
    return FINISHED


async def reflect(state: State, runtime: Runtime[Context]) -> Command[Literal["generate", "give_up"]]:
    """Write down what the failed attempt taught, and start the next one with it."""
    ctx = runtime.context
    attempt = state["attempt"]
    call = ctx.call(Step.reflect, attempt, ctx.scope(f"a{attempt}.reflect"))
    failures = [result for result in results_of(state) if result.conclusion is Conclusion.failed]
    lesson = await learn(
        ctx.thinker,
        call,
        ctx.journal,
        task=f"{ctx.task.title}\n{ctx.task.description}",
        failures=failures,
        diff=state.get("patch", b"").decode(errors="replace"),
        summary=state["summary"] if failures else state["report"],
        lessons=state["lessons"],
    )
    lessons = [*state["lessons"], lesson]
    found = [finding.path for failure in failures for finding in failure.new_findings]
    changed = [change.path for change in await ctx.worktree.changes()]
    paths = [*changed, *found, *ctx.task.footprint]
    learned = await ctx.remember(Kind.reflexion, lesson, ctx.worktree.base, paths)
    error = of_attempt(ctx, state, failures)
    idle = state.get("idle", 0) >= MOST_IDLE
    last = idle or isinstance(
        decide(error, attempt, ctx.project.settings.max_attempts, 0.0, transient=False), Escalate
    )  # the results of the last attempt are kept with its commit
    checked = [] if last else await ctx.checked(None, results_of(state), attempt)
    await ctx.save(error, learned, *checked, attempts=state["attempts_before"] + attempt)
    if idle:
        report = f"{MOST_IDLE} visits of the agent in a row changed nothing in the files.\n{state['report']}"
        return Command(goto="give_up", update={"lessons": lessons, "report": report})
    if last:
        return Command(goto="give_up", update={"lessons": lessons})
    return Command(
        goto="generate",
        update={"attempt": attempt + 1, "regenerations": 0, "fixes": 0, "lessons": lessons, "cited": []},
    )


async def give_up(state: State, runtime: Runtime[Context]) -> Command[Literal["__end__"]]:
    """Push the last attempt with its failing check runs, for a person to look at."""
    ctx = runtime.context
    lessons = tuple(state["lessons"])
    sha, facts = None, []
    if state.get("patch"):
        bench = ctx.bench
        results = await asyncio.gather(bench.syntax(), bench.types(), bench.lint(), bench.tests())
        changed = [change.path for change in await ctx.worktree.changes()]
        named = subject(ctx.task.title, ctx.project.ways, changed)
        message = written(named, narrative(state["summary"]), ctx.project.issue_number)
        sha = await ctx.worktree.commit(message, [ctx.worktree.base])
        await _publish(ctx, sha, results, even_if_local=True)
        facts = await ctx.checked(sha, results, state["attempt"])
    result = TaskResult(commit=sha, summary=state.get("summary", ""), failure=state["report"], lessons=lessons)
    await ctx.finish(TaskStatus.failed, result, *facts, ctx.used(state))
    return FINISHED


async def _publish(ctx: Context, sha: str, results: Sequence[CheckResult], *, even_if_local: bool = False) -> None:
    """Make the feature branch point to a commit of the tree, and report."""
    if ctx.push or even_if_local:
        await push_once(ctx.effects, ctx.clone, sha, ctx.task.branch, await _expected(ctx))
        await publish_checks(ctx.effects, ctx.forge, sha, ctx.worktree.base, results, ctx.public_url, ctx.project.id)


async def _expected(ctx: Context) -> str | None:
    """Return where the task's branch should be before the push; the project's own may have gone on since."""
    task = ctx.task
    before = task.result.commit if task.result else None
    if task.branch != ctx.project.branch or not (task.round or task.dependencies or ctx.project.plans > 1):
        return before
    await ctx.clone.fetch()
    now = await ctx.clone.head(task.branch)
    return now if now in own_commits(ctx.project, await ctx.records.tasks(superseded=True)) else before
