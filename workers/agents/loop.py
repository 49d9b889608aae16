"""The agent loop: LangChain's `create_agent`, with a middleware that records, replays, translates and limits.

Everything a model says and a tool answers goes through the journal first. The first entry of a scope holds the tree
as the work found it; after that, entries follow in the order in which things happened. On resume they are
replayed in that order, the tree is restored from the last patch among them, and the work goes on.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState, hook_config
from langchain.agents.middleware.types import ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.runtime import Runtime

from app.domain.ports import Entry, EntryKind, Prompt, WorkEnd, WorkResult
from app.domain.roles import Role, Tool
from app.edges import Edge, edge
from app.errors import GitError
from workers.agents.actions import FORMS, PUT_CODE, action_schema, check_arguments
from workers.agents.breakage import unbroken
from workers.agents.conversation import fit_into, plain_text, say_last
from workers.agents.guard import Refused
from workers.agents.prompts import protocol_words, reminder
from workers.agents.runaway import Watch
from workers.agents.tools import Outcome
from workers.agents.translate import IN_TEXT, Reading, read
from workers.agents.work import Unreplayable, Work
from workers.llm.ledger import Answer, ContextTooLong, Ledger, Question, as_answer, size_of
from workers.llm.manner import Manner
from workers.llm.specs import Protocol
from workers.llm.thinker import with_words_first

CHANGING = frozenset({Tool.edit_file, Tool.write_file})  # what is to leave it otherwise
LOOKING = frozenset({Tool.read_file, Tool.search, Tool.done})  # what leaves the tree as it is

BYTES_PER_TOKEN = 3  # of code, cautiously


# ruff: noqa: ARG002 - the hooks' signatures are LangChain's


class Recorder(AgentMiddleware[AgentState[Any], None, Any]):
    """The middleware through which all of an agent's work goes."""

    def __init__(self, work: Work, ledger: Ledger) -> None:
        """Serve one visit."""
        super().__init__()
        self._work = work
        self._ledger = ledger
        self._room = (work.model.spec.context - work.model.spec.max_output_tokens) * BYTES_PER_TOKEN
        self._reading = Reading()
        self._waiting: list[str] = []  # ids of the answer's actions that haven't run yet, in order
        self._turn = asyncio.Condition()
        self._failed = False  # an action of the present answer failed
        self._unusable = False  # an action of the present answer could not even be tried
        self._refused = 0  # times that it said so since the tree changed
        self._failed_edits = 0  # edits that failed since the tree changed
        self._asked = False  # whether it is done although nothing was changed
        self._watch = Watch(work.limits)
        self._last: tuple[str, int] = ("", 0)  # the last action's fingerprint, and how often it came in a row

    # --- the model ----------------------------------------------------------------------------------

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: AgentState[Any], runtime: Runtime[None]) -> dict[str, Any] | None:
        """End when the work is done, stuck or over a limit."""
        work = self._work
        if work.end is None and (limit := work.over_limit()):
            work.finish(WorkEnd.exhausted, limit)
        return {"jump_to": "end"} if work.end else None

    async def awrap_model_call(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> AIMessage:
        """Return the recorded answer, or ask; then read actions out of it."""
        work = self._work
        position = work.position
        entry = work.replayed(EntryKind.model)
        if entry is not None:
            answer = as_answer(entry)
        else:
            started = time.monotonic()
            if work.changed:
                work.toolbox.bench.anticipate()
            answer = await self._ask(request, handler, position)
            work.position += 1
            work.seconds += time.monotonic() - started
        message = answer.message
        work.steps += 1
        work.tokens += message.usage_metadata["total_tokens"] if message.usage_metadata else size_of(message)
        self._reading = read(message, position, work.model.acting(answer.manner))
        if self._reading.calls:
            work.model.observe(native=not self._reading.in_text)
        writes = bool(work.role.may_write)
        if loop := self._watch.answered(_words(message), cut_off=_cut_off(message), writes=writes):
            work.finish(WorkEnd.stuck, loop)
        self._waiting = [call["id"] or "" for call in self._reading.calls]
        self._failed = self._unusable = False
        return self._as_read(message, position)

    def _as_read(self, message: AIMessage, position: int) -> AIMessage:
        """Return the answer with the actions that were read out of it."""
        identity = f"answer-{position}"  # servers that repeat their ids would have answers overwrite each other
        if not self._reading.in_text:
            update = {"id": identity, "tool_calls": list(self._reading.calls), "invalid_tool_calls": []}
            return message.model_copy(update=update)
        calls = list(self._reading.calls)
        return AIMessage(message.text, id=identity, tool_calls=calls, additional_kwargs={IN_TEXT: True})

    async def _ask(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
        position: int,
    ) -> Answer:
        for _ in range(4):
            try:
                return await self._ledger.ask(
                    self._work.call, self._work.journal, position, self._work.model, self._question(request, handler)
                )
            except ContextTooLong:
                self._room //= 2  # leave out more of the oldest results
        return await self._ledger.ask(
            self._work.call, self._work.journal, position, self._work.model, self._question(request, handler)
        )

    def _question(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> Question:
        work = self._work
        schema = action_schema(work.role.tools)

        async def send(manner: Manner) -> AIMessage:
            acting = work.model.acting(manner)
            system = f"{request.system_prompt or ''}{protocol_words(acting, work.role)}"
            form = schema if acting is Protocol.actions else None
            settings = work.model.settings(work.call, manner, form, goes_on=acting is not Protocol.files)
            if acting is Protocol.actions:
                system += manner.words(schema)
            messages = plain_text(request.messages, acting)
            messages = fit_into(say_last(messages, reminder(acting)), self._room)
            response = await handler(
                request.override(
                    system_message=SystemMessage(system) if manner.system else None,
                    messages=messages if manner.system else [*with_words_first(system, messages)],
                    tools=request.tools if acting is Protocol.tools else [],
                    model_settings=settings,
                )
            )
            (message,) = response.result
            if not isinstance(message, AIMessage):
                raise TypeError("the model's answer is no answer")
            return message

        # Counted with tools and schema both, which is more than any manner of asking sends.
        size = size_of(request.system_prompt or "", *request.messages, schema, schema, "x" * 4_096)
        return Question(size, send)

    @hook_config(can_jump_to=["model", "end"])
    async def aafter_model(self, state: AgentState[Any], runtime: Runtime[None]) -> dict[str, Any] | None:
        """Tell the model what was wrong with an answer without actions."""
        work, reading = self._work, self._reading
        if work.end:
            return {"jump_to": "end"}
        if reading.calls:
            return None
        if reading.closing and work.changed:
            work.finish(WorkEnd.done, reading.closing)
            return {"jump_to": "end"}
        self._count_bad(reading.problem)
        if work.end:
            return {"jump_to": "end"}
        return {"messages": [HumanMessage(reading.problem)], "jump_to": "model"}

    def _count_bad(self, problem: str) -> None:
        work = self._work
        work.bad += 1
        if work.bad >= work.limits.bad_answers:
            work.finish(WorkEnd.stuck, f"No usable answer came {work.bad} times in a row; the last problem: {problem}")

    # --- the tools ----------------------------------------------------------------------------------

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> ToolMessage:
        """Run the actions of one answer one after the other; what is recorded isn't run again."""
        call = request.tool_call
        identity = call["id"] or ""
        async with self._turn:
            await self._turn.wait_for(lambda: self._waiting[:1] == [identity])
            # After an error nobody else gets the turn: LangGraph cancels those who wait.
            outcome = await self._perform(call["name"], call["args"])
            self._waiting.pop(0)
            self._turn.notify_all()
        return ToolMessage(
            outcome.text, name=call["name"], tool_call_id=identity, status="success" if outcome.ok else "error"
        )

    async def _perform(self, name: str, arguments: dict[str, Any]) -> Outcome:
        work = self._work
        times = self._times_in_a_row(name, arguments)
        entry = work.replayed(EntryKind.tool)
        if entry is not None:
            if entry.content.get("name") != name:
                raise Unreplayable
            said = entry.content
            outcome = Outcome(str(said["text"]), bool(said["ok"]), bool(said["touched"]), bool(said["usable"]))
            patch = entry.patch
        else:
            outcome = await self._run_and_record(name, arguments, times)
            patch = work.last_patch if outcome.touched else None
        self._take_in(name, outcome, times)
        fine = outcome.ok or name in CHANGING  # failed edits have a limit of their own
        if loop := self._watch.acted(self._last[0], outcome.text, ok=fine, patch=patch):
            work.finish(WorkEnd.stuck, loop)
        return outcome

    def _times_in_a_row(self, name: str, arguments: dict[str, Any]) -> int:
        """Count how often the very same action came without another in between."""
        text = json.dumps([name, arguments], sort_keys=True, default=str)
        fingerprint = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        times = self._last[1] + 1 if fingerprint == self._last[0] else 1
        self._last = (fingerprint, times)
        return times

    async def _run_and_record(self, name: str, arguments: dict[str, Any], times: int) -> Outcome:
        work = self._work
        started = time.monotonic()
        if name not in LOOKING:
            await work.toolbox.bench.calm()
        run = partial(self._run, name, arguments, times)
        outcome = await edge(Edge.tool, name if name in set(Tool) else "unknown", run)
        try:
            if outcome.touched and name == Tool.run and (forbidden := await work.toolbox.forbidden_changes()):
                await work.worktree.restore(work.last_patch)
                told = f"{', '.join(forbidden[:5])} may not be changed by {work.role.role}"
                outcome = Outcome(f"{outcome.text}\n{told}: what the command wrote was undone.", ok=False)
            patch = await work.worktree.patch() if outcome.touched else None
        except GitError as error:  # of what can't be committed, such as a huge file; a broken git fails again here
            await work.worktree.restore(work.last_patch)
            patch, outcome = None, Outcome(f"{outcome.text}\n{error} What was done just now was undone.", ok=False)
        if patch == work.last_patch:
            patch, outcome = None, replace(outcome, touched=False)
        elif patch is not None:
            work.last_patch = patch
        seconds = time.monotonic() - started
        work.seconds += seconds
        outcome = replace(outcome, text=_storable(outcome.text), broken=_storable(outcome.broken))
        content = {"name": name, "seconds": round(seconds, 3), **asdict(outcome)}
        await work.record(Entry(EntryKind.tool, content, patch))
        return outcome

    async def _run(self, name: str, arguments: dict[str, Any], times: int) -> Outcome:
        objection = self._objection(name, times)
        if objection is not None:
            return objection
        try:
            action = check_arguments(name, arguments, self._work.role.tools | {Tool.done})
        except Refused as refusal:
            return Outcome(str(refusal), ok=False, usable=False)
        try:
            return await unbroken(name, self._work.toolbox.perform(action))
        except Refused as refusal:
            return Outcome(str(refusal), ok=False, usable=name != PUT_CODE)

    def _objection(self, name: str, times: int) -> Outcome | None:
        """Say why an action isn't even tried now, None when it is."""
        work = self._work
        if work.end is WorkEnd.done:
            return Outcome("Not done: the task was finished before.", ok=False)
        if times >= work.limits.repeats:
            told = f"This was the same action {times} times in a row. Do something else, or call done."
            return Outcome(told, ok=False, usable=False)
        if name == Tool.done and self._failed:
            told = "Not finished yet, because an action before this one failed. Put that right."
            return Outcome(told, ok=False)
        if name == Tool.done and not work.changed and not self._asked and work.role.may_write:
            return Outcome("Nothing has been changed yet. If that is right, call done again.", ok=False)
        return None

    def _take_in(self, name: str, outcome: Outcome, times: int) -> None:
        """Draw the consequences of an action, replayed or not."""
        work = self._work
        work.changed |= outcome.touched
        if outcome.touched:
            self._refused = self._failed_edits = 0
        if outcome.ok:
            work.bad = 0
            if name == Tool.done:
                work.finish(WorkEnd.done, outcome.text)
            return
        self._asked |= name == Tool.done
        if name == Tool.done:
            self._refused += 1
            if self._refused >= work.limits.bad_answers:
                work.finish(WorkEnd.stuck, f"It said that it was done {self._refused} times, but: {outcome.text}")
        if not (outcome.usable or work.end or self._unusable):  # however many actions fail, it was one bad answer
            self._unusable = True
            self._count_bad(outcome.text)
        self._failed = True
        self._failed_edits += name in CHANGING
        if self._failed_edits >= work.limits.failed_edits:
            work.finish(WorkEnd.stuck, f"{self._failed_edits} edits failed one after the other. {outcome.text}")
        if times > work.limits.repeats:
            work.finish(WorkEnd.stuck, outcome.text)


def _storable(text: str) -> str:
    """Return the text as PostgreSQL's JSON takes it."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _words(message: AIMessage) -> str:
    """Return what an answer ends with: its text, or actions that were cut off."""
    return message.text + "".join(call["args"] or "" for call in message.invalid_tool_calls)


def _cut_off(message: AIMessage) -> bool:
    said = message.response_metadata
    return said.get("finish_reason", said.get("stop_reason")) in {"length", "max_tokens"}


def _tools(role: Role) -> Sequence[BaseTool]:
    """Return the role's actions as LangChain knows tools: names, words and schemas; the middleware runs them."""

    async def not_here(**_: Any) -> str:
        raise NotImplementedError("actions run in the middleware, where they are recorded")

    return [
        StructuredTool.from_function(
            coroutine=not_here,
            name=tool.value,
            description=FORMS[tool].__doc__ or tool.value,
            args_schema=FORMS[tool],
        )
        for tool in Tool
        if tool in role.tools
    ]


async def work_on(work: Work, ledger: Ledger, prompt: Prompt) -> WorkResult:
    """Work until done or out of limits."""
    chat = await work.model.chat()
    try:
        await work.open()
        recorder = Recorder(work, ledger)
        # Without `False` the loop would take over the saver of the graph that it runs in: a second record.
        agent = create_agent(
            chat, tools=_tools(work.role), system_prompt=prompt.system, middleware=[recorder], checkpointer=False
        )
        await agent.ainvoke({"messages": [HumanMessage(prompt.user)]}, {"recursion_limit": work.limits.steps * 8 + 50})
    except Unreplayable:
        work.finish(WorkEnd.stuck, "This visit was recorded by another version and can't be replayed.")
    return WorkResult(work.end or WorkEnd.stuck, work.summary, work.steps)
