"""From what a model answered, in whatever form, to actions. Pure: a replayed answer means what it meant before."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, ToolCall

from app.domain.roles import Tool
from app.errors import BadAnswer
from workers.agents.actions import FORMS, PUT_CODE, known_name
from workers.llm.answers import Block, code_blocks, is_cut_off, is_diff, json_values, parse_json, without_thoughts
from workers.llm.specs import Protocol

MAX_ACTIONS = 20  # of one answer
IN_TEXT = "aurora_in_text"  # marks an answer whose actions were read out of its text
CUT_OFF = {"length", "max_tokens"}


@dataclass(frozen=True)
class Reading:
    """What an answer means: actions, or what was wrong with it."""

    calls: tuple[ToolCall, ...] = ()
    problem: str = ""
    in_text: bool = False
    closing: str = ""  # plain words without an action: how many models say that they are done


def read(message: AIMessage, position: int, protocol: Protocol) -> Reading:
    """Return what `message` means; `position` makes the ids of its calls."""
    native = [*message.tool_calls, *(_repaired(call) for call in message.invalid_tool_calls)]
    if native:
        return Reading(_named(native, position))
    text = without_thoughts(message.text)
    if refusal := message.additional_kwargs.get("refusal"):
        return Reading(problem=f"That was a refusal ({refusal}). The task is ordinary work on a code base: go on.")
    cut = message.response_metadata.get("finish_reason", message.response_metadata.get("stop_reason")) in CUT_OFF
    if not text:
        why = "it was cut off while thinking" if cut else "it was empty"
        return Reading(problem=f"There was nothing in the answer ({why}). {_wanted(protocol)}")
    calls = [_lenient(call) for call in _actions(text)]
    if calls:
        return Reading(_named(calls, position), in_text=True)
    return _code(text, position, protocol, cut=cut)


def _lenient(call: ToolCall) -> ToolCall:
    """Take a file written out in text for what it may be: only the definitions that change."""
    if call["name"] == Tool.write_file and isinstance(call["args"].get("content"), str) and call["args"].get("path"):
        return ToolCall(name=PUT_CODE, args={key: call["args"][key] for key in ("path", "content")}, id=None)
    return call


def _repaired(call: Any) -> ToolCall:
    """Read the arguments of a call whose JSON the provider's library couldn't."""
    raw = call.get("args") or ""
    try:
        arguments = parse_json(raw)
    except BadAnswer:
        arguments = {}
    return ToolCall(
        name=call.get("name") or "", args=arguments if isinstance(arguments, dict) else {}, id=call.get("id")
    )


def _named(calls: list[ToolCall], position: int) -> tuple[ToolCall, ...]:
    """Give every call an id of its own, and the action's own name."""
    seen: set[str] = set()
    named = []
    for number, call in enumerate(calls[:MAX_ACTIONS]):
        identity = call.get("id") or ""
        if not identity or identity in seen:
            identity = f"a{position}.{number}"
        seen.add(identity)
        named.append(ToolCall(name=known_name(call["name"]), args=call["args"], id=identity, type="tool_call"))
    return tuple(named)


def _actions(text: str) -> Iterator[ToolCall]:
    """Yield the actions written as JSON in a text."""
    try:
        whole = parse_json(text)
    except BadAnswer:
        whole = None
    found = list(json_values(text))
    values = found if len(found) > 1 else [whole] if whole is not None else found
    for value in values:
        yield from _from_value(value)


def _from_value(value: Any) -> Iterator[ToolCall]:
    if isinstance(value, list):
        for item in value:
            yield from _from_value(item)
        return
    if not isinstance(value, dict):
        return
    for wrapper in ("step", "actions", "steps", "tool_calls", "calls", "function"):
        inner = value.get(wrapper)
        if isinstance(inner, list) or (isinstance(inner, dict) and _name(inner)):
            yield from _from_value(inner)
            return
    if name := _name(value):
        yield ToolCall(name=name, args=_arguments(value), id=None)
        return
    if len(value) == 1:  # {"read_file": {"path": …}}
        ((key, inner),) = value.items()
        if known_name(str(key)) in Tool.__members__ and isinstance(inner, dict):
            yield ToolCall(name=known_name(str(key)), args=inner, id=None)


def _name(value: dict[str, Any]) -> str:
    for key in ("action", "tool", "name", "tool_name", "function"):
        if isinstance(value.get(key), str) and known_name(value[key]) in Tool.__members__:
            return known_name(value[key])
    # A name that isn't ours still is an action when it comes with arguments: the model is told what there is.
    if isinstance(value.get("name"), str) and isinstance(value.get("arguments"), dict):
        return str(value["name"])
    return ""


def _arguments(value: dict[str, Any]) -> dict[str, Any]:
    for key in ("arguments", "args", "parameters", "input", "action_input"):
        inner = value.get(key)
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except ValueError:
                continue
        if isinstance(inner, dict):
            return inner
    return {key: item for key, item in value.items() if key not in {"action", "tool", "tool_name", "function"}}


def _code(text: str, position: int, protocol: Protocol, *, cut: bool) -> Reading:
    """Read whole files and definitions out of a text."""
    blocks = [_unlabelled(block) for block in code_blocks(text)]
    if protocol is not Protocol.files:  # elsewhere a snippet without a path may be only an illustration
        blocks = [block for block in blocks if block.path]
    if any(is_diff(block) for block in blocks):
        return Reading(problem="Diffs can't be applied. Write the whole function, class or file instead.")
    if blocks and (cut or not blocks[-1].complete):
        if len(blocks) == 1:
            return Reading(problem="The answer was cut off inside the code. Write only what changes, and briefly.")
        blocks = blocks[:-1]
    if blocks:
        calls = [
            ToolCall(name=PUT_CODE, args={"path": block.path, "content": block.code}, id=None)
            for block in blocks[: MAX_ACTIONS - 1]
        ]
        if protocol is Protocol.files:
            calls.append(ToolCall(name=Tool.done, args={"summary": _prose(text)}, id=None))
        return Reading(_named(calls, position), in_text=True)
    if cut or (text.lstrip()[:1] in "{[" and is_cut_off(text)):
        return Reading(problem=f"The answer was cut off. {_wanted(protocol)}")
    return Reading(problem=f"There was no action in the answer. {_wanted(protocol)}", closing=text[:2000])


def _unlabelled(block: Block) -> Block:
    return replace(block, code=block.code if block.code.endswith("\n") else block.code + "\n")


def _prose(text: str) -> str:
    """Return the words before the first code block: what the model says that it did."""
    head = text.split("```", 1)[0].strip()
    lines = [line for line in head.splitlines() if line.strip() and not line.strip().endswith((":", "**", "`"))]
    return " ".join(lines)[:1000] or "The code was written."


def _wanted(protocol: Protocol) -> str:
    if protocol is Protocol.files:
        return "Answer with the changed code in a fenced block whose first line is a comment with the file's path."
    names = ", ".join(name for name in FORMS if name != PUT_CODE)
    if protocol is Protocol.actions:
        return f'Answer with one JSON object: {{"step": {{"action": …}}}}; the actions are {names}.'
    return f"Call one of the tools ({names}); call done when the task is finished."
