"""Generate: put the task's agent to work on the tree, with what the last visit left to fix."""

import hashlib
from typing import Any, Literal
from uuid import UUID

from langgraph.runtime import Runtime
from langgraph.types import Command

from app.domain.concerns import declined
from app.domain.memory import MARK, Question, cited, describe
from app.domain.ports import Prompt, Step, WorkEnd
from workers.agents.prompts import system_prompt
from workers.agents.roster import roster
from workers.codegen.errors import of_tools
from workers.codegen.instructions import characters
from workers.codegen.spec import build_spec
from workers.codegen.state import Context, State
from workers.transcripts import keep_agent_log

SPEC_TOKENS = 6000
MEMORY_TOKENS = 500  # of them for what is known from earlier work
UNTOUCHED = hashlib.sha256(b"").hexdigest()
NOTHING_SAID = "The agent said that it was done, but changed nothing, and gave no reason against each concern."
SAME_AGAIN = "The agent made the very same change again, although it was told what is wrong with it."


async def spec(_: State, runtime: Runtime[Context]) -> Command[Literal["generate"]]:
    """Gather what the agent has to know: task, criteria, instructions, map, files."""
    ctx = runtime.context
    shown = roster()[ctx.task.assigned_agent].context
    told = await ctx.memories.recall(_question(ctx), ctx.clone)
    memories = [describe(number, memory) for number, memory in enumerate(told, 1)]
    text = await build_spec(ctx.project, ctx.task, ctx.clone, ctx.worktree.base, memories, SPEC_TOKENS, shown)
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
            "told": [str(memory.id) for memory in told],
            "cited": [],
        },
    )


def _question(ctx: Context) -> Question:
    """Ask what is known of what the task is about."""
    project, task = ctx.project, ctx.task
    said = (concern.text for concern in task.concerns)
    wanted = [*task.feedback, task.title, task.description, *said, *(item.title for item in project.requirements)]
    return Question(
        project.repository.full_name, project.id, task.assigned_agent, "\n".join(wanted), task.footprint,
        ctx.worktree.base, characters(MEMORY_TOKENS),
    )  # fmt: skip


async def generate(state: State, runtime: Runtime[Context]) -> Command[Literal["validate", "commit", "reflect"]]:
    """Let the agent change the tree until it says that it is done."""
    ctx = runtime.context
    scope = ctx.scope(f"a{state['attempt']}.v{state['visit']}")
    call = ctx.call(Step.generate, state["attempt"], scope)
    prompt = Prompt(system_prompt(Step.generate, ctx.task.assigned_agent), _user(state))
    result = await ctx.agent.work(call, ctx.journal, prompt, ctx.worktree, ctx.bench)
    said = await ctx.journal.read(scope)
    title = f"{ctx.task.key}: {ctx.task.title}, attempt {state['attempt']}"
    kept = await keep_agent_log(ctx.archive, call, title, prompt, said, result)
    broken = list(of_tools(ctx, said))
    if kept or broken:
        await ctx.records.write(*kept, *broken)
    patch = await ctx.worktree.patch()
    named = cited(result.summary, [UUID(one) for one in state.get("told", ())])
    update: dict[str, Any] = {
        "visit": state["visit"] + 1,
        "visited": ctx.clock().isoformat(),
        "patch": patch,
        "made": hashlib.sha256(patch).hexdigest(),
        "summary": MARK.sub("", result.summary).strip() or state.get("summary", ""),
        "cited": sorted({*state.get("cited", ()), *(str(one) for one in named)}),
    }
    same = update["made"] == state.get("made", UNTOUCHED)
    update["idle"] = state.get("idle", 0) + 1 if same else 0
    if result.end is not WorkEnd.done:
        await ctx.bench.calm()
    if result.end is WorkEnd.done and patch and _no_progress(state, update["made"], patch):
        return Command(goto="reflect", update={**update, "report": f"{SAME_AGAIN}\n{state['report']}"})
    if result.end is WorkEnd.done and patch:
        return Command(goto="validate", update={**update, "report": ""})
    if result.end is WorkEnd.done and declined(result.summary, ctx.task.concerns):
        return Command(goto="commit", update={**update, "report": "", "results": []})
    if result.end is WorkEnd.done:
        why = NOTHING_SAID if ctx.task.concerns else "The agent said that it was done, but changed nothing."
    elif result.end is WorkEnd.exhausted:
        why = f"The agent ran out of its limits after {result.steps} steps."
    else:
        why = f"The agent got stuck: {result.summary}"
    return Command(goto="reflect", update={**update, "report": why, "results": []})


def _no_progress(state: State, made: str, patch: bytes) -> bool:
    """Tell whether what went back to the agent within this attempt came again as it was."""
    sent_back = state["regenerations"] + state["fixes"] > 0
    return sent_back and (made == state.get("made") or patch == state.get("patch"))


def _user(state: State) -> str:
    """Return the prompt: what stays the same first, then what was learned, then what is to be fixed now."""
    parts = [state["spec"]]
    if state["lessons"]:
        parts.append("What earlier attempts taught:\n" + "\n".join(f"- {lesson}" for lesson in state["lessons"]))
    if state["report"]:
        parts.append(f"This is still wrong with your last change:\n{state['report']}")
    return "\n\n".join(parts)
