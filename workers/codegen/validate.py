"""Validate, format and test: three nodes, four checkpoints, and where each failure leads."""

import asyncio
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.checks import CheckResult, Conclusion
from workers import feedback
from workers.codegen.errors import of_check
from workers.codegen.state import Context, State, results_of

MOST_REGENERATIONS = 3  # within an attempt
MOST_FIXES = 3  # within an attempt


async def validate(state: State, runtime: Runtime[Context]) -> Command[Literal["generate", "format", "reflect"]]:
    """Run Syntax, then Types: broken syntax is regenerated, type errors go back as a list to fix."""
    ctx = runtime.context
    syntax = await ctx.bench.syntax()
    if syntax.conclusion is Conclusion.failed:
        return await again(ctx, state, "regenerations", MOST_REGENERATIONS, [syntax])
    types = await ctx.bench.types()
    if types.conclusion is Conclusion.failed:
        return await again(ctx, state, "fixes", MOST_FIXES, [syntax, types])
    return Command(goto="format", update={"results": dump([syntax, types])})


async def format_(state: State, runtime: Runtime[Context]) -> Command[Literal["generate", "test", "reflect"]]:
    """Run the formatter, then Lint: what it can't fix goes back."""
    ctx = runtime.context
    altered = await ctx.bench.format()
    results = results_of(state)
    if altered:  # a formatter that broke something would otherwise go unseen
        results = list(await asyncio.gather(ctx.bench.syntax(), ctx.bench.types()))
    lint = await ctx.bench.lint()
    update = {"patch": await ctx.worktree.patch()}
    if lint.conclusion is Conclusion.failed:
        return await again(ctx, state, "regenerations", MOST_REGENERATIONS, [*results, lint], **update)
    return Command(goto="test", update={**update, "results": dump([*results, lint])})


async def test(state: State, runtime: Runtime[Context]) -> Command[Literal["commit", "reflect"]]:
    """Run Tests: a failure ends the attempt."""
    tests = await runtime.context.bench.tests()
    results = [*results_of(state), tests]
    if any(result.conclusion is Conclusion.failed for result in results):
        return Command(goto="reflect", update={"results": dump(results), "report": feedback.of_checks([tests])})
    return Command(goto="commit", update={"results": dump(results)})


async def again(
    ctx: Context,
    state: State,
    counter: Literal["regenerations", "fixes"],
    most: int,
    results: list[CheckResult],
    **update: object,
) -> Command[Any]:
    """Send the failures back to the agent; when that was done too often in this attempt, end it."""
    used = state[counter]
    failed = [result for result in results if result.conclusion is Conclusion.failed]
    if used < most:  # else the attempt has failed, and what ended it is stored with what it taught
        await ctx.records.write(*(of_check(ctx, state, result, used, most) for result in failed))
    return Command(
        goto="generate" if used < most else "reflect",
        update={**update, counter: used + 1, "report": feedback.of_checks(failed), "results": dump(results)},
    )


def dump(results: list[CheckResult]) -> list[dict[str, object]]:
    """Return the results as saved state keeps them."""
    return [result.model_dump(mode="json") for result in results]
