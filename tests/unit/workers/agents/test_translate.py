"""Whatever a model writes means actions or words about what was wrong; it never breaks the loop."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from app.domain.roles import Tool
from app.errors import BadAnswer
from workers.agents.actions import PUT_CODE, check_arguments
from workers.agents.guard import Refused
from workers.agents.splice import splice
from workers.agents.translate import read
from workers.llm.specs import Protocol

PIECES = [
    "```", "```python\n", "```json\n", "~~~", "# src/a.py\n", "**a.py**\n", "FILE: a.py\n", "def f():\n    return 1\n",
    '{"name": "read_file", "arguments": {"path": "a"}}', '{"action": "done"}', "{", "}", "[", "]", '"', ",", "<think>",
    "</think>", "--- a/x\n", "\n", " ", "\x00", "\\", '{"step": ', "“", "é", "... rest of the code", "class A:\n",
]  # fmt: skip
anything = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(anything, st.sampled_from(Protocol))
@settings(max_examples=300, deadline=None)
def test_any_text_can_be_read(text, protocol):
    reading = read(AIMessage(text), 3, protocol)
    assert bool(reading.calls) != bool(reading.problem)
    ids = [call["id"] for call in reading.calls]
    assert len(set(ids)) == len(ids)
    for call in reading.calls:
        try:
            check_arguments(call["name"], call["args"], frozenset(Tool))
        except Refused as refusal:
            assert str(refusal)  # noqa: PT017 - a refusal is as good an outcome as none
    assert read(AIMessage(text), 3, protocol) == reading


@given(anything, anything, st.sampled_from(["a.py", "a.ts", "a.txt"]))
@settings(max_examples=300, deadline=None)
def test_any_code_can_be_placed_or_is_refused_in_words(old, new, path):
    try:
        assert isinstance(splice(old, new, path), str)
    except BadAnswer as refusal:
        assert str(refusal)  # noqa: PT017 - as above


READ = {"path": "a.py"}


@pytest.mark.parametrize(
    "text",
    [
        {"name": "read_file", "arguments": READ},
        {"name": "read_file", "arguments": json.dumps(READ)},
        {"tool": "read_file", "args": READ},
        {"action": "read_file", "path": "a.py"},
        {"action": "read_file", "action_input": READ},
        {"function": {"name": "read_file", "arguments": json.dumps(READ)}},
        {"function": "read_file", "parameters": READ},
        {"tool_calls": [{"type": "function", "function": {"name": "read_file", "arguments": READ}}]},
        {"step": {"action": "read_file", "path": "a.py"}},
        {"read_file": READ},
        [{"name": "cat", "input": READ}],
    ],
)
def test_a_tool_call_is_known_in_all_its_spellings(text):
    for shown in (
        json.dumps(text),
        f"I look.\n```json\n{json.dumps(text, indent=1)}\n```",
        f"<tool_call>\n{json.dumps(text)}\n</tool_call>",
    ):
        (call,) = read(AIMessage(shown), 0, Protocol.tools).calls
        assert (call["name"], call["args"]) == ("read_file", READ)


def test_several_calls_in_one_text_keep_their_order():
    text = '<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>\n{"name": "done", "arguments": {}}'
    assert [call["name"] for call in read(AIMessage(text), 0, Protocol.tools).calls] == ["read_file", "done"]


def test_a_file_written_out_as_a_call_may_be_a_definition_only():
    text = json.dumps({"name": "write_file", "arguments": {"path": "a.py", "content": "def f(): ..."}})
    assert read(AIMessage(text), 0, Protocol.tools).calls[0]["name"] == PUT_CODE


def test_an_illustration_without_a_path_is_no_file_for_a_model_that_calls_tools():
    assert not read(AIMessage("For example:\n```python\nx = 1\n```"), 0, Protocol.tools).calls
    assert read(AIMessage("For example:\n```python\nx = 1\n```"), 0, Protocol.files).calls


def test_native_calls_get_ids_of_their_own():
    calls = [{"name": "done", "args": {}, "id": "x", "type": "tool_call"} for _ in range(2)]
    named = read(AIMessage("", tool_calls=calls), 4, Protocol.tools).calls
    assert [call["id"] for call in named] == ["x", "a4.1"]
