"""Generate: put the task's agent to work on the tree, with what the last visit left to fix."""

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.ports import Prompt, Step, WorkEnd
from workers.agents.prompts import system_prompt
from workers.agents.roster import roster
from workers.codegen.spec import build_spec
from workers.codegen.state import Context, State

SPEC_TOKENS = 6000


async def spec(_: State, runtime: Runtime[Context]) -> Command[Literal["generate"]]:
    """Gather what the agent has to know: task, criteria, instructions, map, files."""
    ctx = runtime.context
    shown = roster()[ctx.task.assigned_agent].context
    text = await build_spec(ctx.project, ctx.task, ctx.clone, ctx.worktree.base, (), SPEC_TOKENS, shown)
    return Command(
        goto="generate",
        update={
            "spec": text,
            "attempt": 1,
            "attempts_before": ctx.task.attempts,
            "visit": 0,
            "regenerations": 0,
            "fixes": 0,
            "report": "",
            "lessons": [],
            "summary": "",
        },
    )


async def generate(state: State, runtime: Runtime[Context]) -> Command[Literal["validate", "reflect"]]:
    """Let the agent change the tree until it says that it is done."""
    ctx = runtime.context
    scope = ctx.scope(f"a{state['attempt']}.v{state['visit']}")
    call = ctx.call(Step.generate, state["attempt"], scope)
    prompt = Prompt(system_prompt(Step.generate, ctx.task.assigned_agent), _user(state))
    result = await ctx.agent.work(call, ctx.journal, prompt, ctx.worktree, ctx.bench)
    update: dict[str, Any] = {
        "visit": state["visit"] + 1,
        "patch": await ctx.worktree.patch(),
        "summary": result.summary or state.get("summary", ""),
    }
    if result.end is not WorkEnd.done:
        await ctx.bench.calm()
    if result.end is WorkEnd.done and update["patch"]:
        return Command(goto="validate", update={**update, "report": ""})
    if result.end is WorkEnd.done:
        why = "The agent said that it was done, but changed nothing."
    elif result.end is WorkEnd.exhausted:
        why = f"The agent ran out of its limits after {result.steps} steps."
    else:
        why = f"The agent gave no usable answer: {result.summary}"
    return Command(goto="reflect", update={**update, "report": why, "results": []})


def _user(state: State) -> str:
    """Return the prompt: what stays the same first, then what was learned, then what is to be fixed now."""
    parts = [state["spec"]]
    if state["lessons"]:
        parts.append("What earlier attempts taught:\n" + "\n".join(f"- {lesson}" for lesson in state["lessons"]))
    if state["report"]:
        parts.append(f"Your last change is in the files already. This is what is still wrong:\n{state['report']}")
    return "\n\n".join(parts)
