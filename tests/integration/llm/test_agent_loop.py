"""An agent works in a real repository with whatever a model server answers."""

import asyncio
import errno
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import StateGraph

from app.domain.ports import Entry, EntryKind, Prompt, WorkEnd
from app.domain.roles import AgentRole
from app.errors import GitError, LeaseLost
from workers.agents.crew import Agents
from workers.agents.limits import Limits
from workers.llm.ledger import Ledger
from workers.llm.models import Models

PROMPT = Prompt("You fix code.", "The function total in src/sums.py subtracts. Make it add.")
FIXED = "def total(values):\n    return sum(values)\n"


@pytest.fixture
async def agents(server):
    made = []

    def make(protocol="tools", model="openai:test", **limits):
        prices = '{"openai:*": {"input": 3, "output": 15, "timeout": 10}}'
        models = Models(model, prices=prices, protocol=protocol, environment={"OPENAI_BASE_URL": server.url})
        made.append(models)
        return Agents(models, Ledger(lambda: 0.5, pace=0.001), Limits(**limits))

    yield make
    for models in made:
        await models.close()


def work(agents, call, journal, tree, bench, role=AgentRole.backend, protected=()):
    return agents.of(role, protected).work(call, journal, PROMPT, tree, bench)


async def test_native_tool_calls_run_in_order_and_end_with_done(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.said(calls=[("read_file", {"path": "src/sums.py"}), ("search", {"pattern": "tot[a-z]+"})]),
        saying.said(calls=[("edit_file", {"path": "src/sums.py", "old": "result -= value", "new": "result += value"})]),
        saying.said(calls=[("run", {"command": "python3 -c 'from src.sums import *; print(total([2, 3]))'"})]),
        saying.said(calls=[("done", {"summary": "It adds now."})]),
    ]
    result = await work(agents(), call, journal, tree, bench)
    assert (result.end, result.summary, result.steps) == (WorkEnd.done, "It adds now.", 4)
    assert "result += value" in (tree.path / "src/sums.py").read_text()
    told = [message["content"] for message in server.requests[3]["messages"] if message["role"] == "tool"]
    assert "    6  def total(values):" in told[0]
    assert "src/sums.py:6:def total" in told[1]
    assert "5\n(exit code 0)" in told[3]
    kinds = [entry.kind for entry in await journal.read(call.scope)]
    assert kinds == [
        EntryKind(kind) for kind in ["tool", "model", "tool", "tool", "model", "tool", "model", "tool", "model", "tool"]
    ]
    header = server.headers[0]
    assert header["x-aurora-step"] == "generate"
    assert header["x-aurora-task"] == str(call.task_id)
    assert header["x-aurora-project"] == str(call.project_id)
    assert header["x-aurora-attempt"] == "1"
    assert server.requests[0]["max_tokens"] == 8192
    assert not journal.open
    assert journal.spent == pytest.approx(4 * (100 * 3 + 20 * 15) / 1e6)


async def test_a_resumed_agent_repeats_nothing_and_finds_its_edits(agents, server, saying, call, journal, tree, bench):
    edit = {"path": "src/sums.py", "old": "result -= value", "new": "result += value"}
    server.answers = [
        saying.said(calls=[("run", {"command": "echo once"}), ("edit_file", edit)]),
        saying.said(calls=[("done", {"summary": "Added."})]),
    ]
    journal.fail_at = (4, LeaseLost("another worker took over"))  # the second answer
    with pytest.raises(LeaseLost):
        await work(agents(), call, journal, tree, bench)
    journal.open.clear()
    (tree.path / "src/sums.py").write_text("half an edit that nobody recorded")
    (tree.path / "stray.txt").write_text("x")

    server.answers = [saying.said(calls=[("done", {"summary": "Added."})])]
    result = await work(agents(), call, journal, tree, bench)
    assert result.end is WorkEnd.done
    assert len(server.requests) == 3
    assert len(server.requests[2]["messages"]) == 5  # system, task, answer, two results
    assert server.requests[2]["messages"] == server.requests[1]["messages"]
    assert bench.ran == ["echo once"]
    assert "result += value" in (tree.path / "src/sums.py").read_text()
    assert not (tree.path / "stray.txt").exists()

    again = await work(agents(), call, journal, tree, bench)
    assert again == result
    assert len(server.requests) == 3


async def test_after_a_lost_lease_no_later_action_of_the_same_answer_runs(
    agents, server, saying, call, journal, tree, bench
):
    server.answers = [saying.said(calls=[("run", {"command": "echo one"}), ("run", {"command": "echo two"})])]
    journal.fail_at = (2, LeaseLost("another worker took over"))
    with pytest.raises(LeaseLost):
        await work(agents(), call, journal, tree, bench)
    await asyncio.sleep(0.05)
    assert bench.ran == ["echo one"]


async def test_a_model_that_writes_its_tool_calls_out_is_asked_for_code_from_then_on(
    agents, server, saying, call, journal, tree, bench
):
    server.answers = [
        saying.said('I look.\n```json\n{"name": "read_file", "arguments": {"path": "src/sums.py"}}\n```'),
        saying.said(f"Here it is.\n\n**src/sums.py**\n```python\n{FIXED}```\n"),
    ]
    crew = agents()
    result = await work(crew, call, journal, tree, bench)
    assert (result.end, result.summary, result.steps) == (WorkEnd.done, "Here it is.", 2)
    text = (tree.path / "src/sums.py").read_text()
    assert "return sum(values)" in text
    assert "import math" in text
    assert "tools" in server.requests[0]
    assert "tools" not in server.requests[1]
    assert {message["role"] for message in server.requests[1]["messages"]} == {"system", "user", "assistant"}
    assert await work(agents(), call, journal, tree, bench) == result
    assert len(server.requests) == 2


async def test_code_among_native_calls_counts_too_and_plain_words_end_the_work(
    agents, server, saying, call, journal, tree, bench
):
    server.answers = [
        saying.said(calls=[("read_file", {"path": "src/sums.py"})]),
        saying.said(f"**src/sums.py**\n```python\n{FIXED}```\n"),
        saying.said("I made total add."),
    ]
    result = await work(agents(), call, journal, tree, bench)
    assert (result.end, result.summary) == (WorkEnd.done, "I made total add.")
    assert "tools" in server.requests[2]


async def test_one_answer_with_definitions_is_all_that_the_files_protocol_needs(
    agents, server, saying, call, journal, tree, bench
):
    server.answers = [saying.said(f"It adds now.\n```python\n# src/sums.py\n{FIXED}```\n```md\n# docs/x.md\nHi\n```")]
    result = await work(agents("files"), call, journal, tree, bench)
    assert (result.end, result.summary, result.steps) == (WorkEnd.done, "It adds now.", 1)
    assert (tree.path / "docs/x.md").read_text() == "Hi\n"
    assert "tools" not in server.requests[0]


async def test_code_is_put_into_the_files_as_the_model_was_shown_them(
    agents, server, saying, call, journal, tree, bench
):
    """What an earlier visit wrote isn't shown to such a model, so it could never mend it."""
    (tree.path / "src/sums.py").write_text("import left_over\n" + (tree.path / "src/sums.py").read_text())
    (tree.path / "src/more.py").write_text("wrong = True\n")
    server.answers = [saying.said(f"```python\n# src/sums.py\n{FIXED}```")]
    crew = agents("files")
    await work(crew, call, journal, tree, bench)
    after = (tree.path / "src/sums.py").read_text()
    assert "left_over" not in after
    assert "return sum(values)" in after
    assert not (tree.path / "src/more.py").exists()
    tree.git("reset", "--hard", "-q")
    await work(crew, call, journal, tree, bench)
    assert (tree.path / "src/sums.py").read_text() == after


async def test_code_without_a_path_finds_the_file_that_defines_it(agents, server, saying, call, journal, tree, bench):
    server.answers = [saying.said(f"```python\n{FIXED}```")]
    assert (await work(agents("files"), call, journal, tree, bench)).end is WorkEnd.done
    assert "return sum(values)" in (tree.path / "src/sums.py").read_text()


async def test_the_actions_protocol_asks_for_one_action_as_json(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.said('{"step": {"action": "edit_file", "path": "src/sums.py", "old": "-= value", "new": "+= value"}}'),
        saying.said('{"step": {"action": "done", "summary": "ok"}}'),
    ]
    assert (await work(agents("actions"), call, journal, tree, bench)).end is WorkEnd.done
    assert server.requests[0]["response_format"]["type"] == "json_schema"
    assert "Result of edit_file" in server.requests[1]["messages"][-1]["content"]


async def test_a_syntax_error_is_shown_and_not_applied(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.said("```python\n# src/sums.py\ndef total(values:\n    return 1\n```"),
        saying.said(f"```python\n# src/sums.py\n{FIXED}```"),
    ]
    assert (await work(agents("files"), call, journal, tree, bench)).steps == 2
    assert "syntax error in line 1" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I can't.",
        "```diff\n--- a/x\n```",
        "<think>hm",
        '{"name": "fly", "arguments": {}}',
        "```python\n# src/sums.py\ndef total(",
    ],
)
async def test_useless_answers_are_told_and_bounded(agents, server, saying, call, journal, tree, bench, answer):
    server.answers = [saying.said(answer) for _ in range(5)]
    result = await work(agents("files"), call, journal, tree, bench)
    assert (result.end, result.steps) == (WorkEnd.stuck, 3)
    assert server.requests[1]["messages"][-1]["role"] == "user"


async def test_broken_arguments_and_unknown_tools_are_told(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.said(calls=[("read_file", '{"path": "src/sums.py"')]),
        saying.said(calls=[("delete_everything", {})]),
        saying.said(calls=[("read_file", "[]")]),
        saying.said(calls=[("done", {"summary": "x"})]),
    ]
    result = await work(agents(), call, journal, tree, bench)
    assert result.end is WorkEnd.stuck
    assert "doesn't exist" in server.requests[2]["messages"][-1]["content"]


async def test_the_same_action_over_and_over_ends_the_work(agents, server, saying, call, journal, tree, bench):
    server.answers = [saying.said(calls=[("read_file", {"path": "README.md"})]) for _ in range(9)]
    result = await work(agents(), call, journal, tree, bench)
    assert (result.end, result.steps) == (WorkEnd.stuck, 4)


async def test_edits_that_never_succeed_end_the_work(agents, server, saying, call, journal, tree, bench):
    """Looking between them is no progress either."""
    for number in range(20):
        edit = ("edit_file", {"path": "src/sums.py", "old": f"no such line {number}", "new": "x"})
        look = ("read_file", {"path": "src/sums.py", "start": number % 3 + 1})
        server.answers.append(saying.said(calls=[look, edit]))
    result = await work(agents(), call, journal, tree, bench)
    assert (result.end, result.steps) == (WorkEnd.stuck, 8)
    assert "doesn't occur" in result.summary


async def test_steps_and_tokens_are_limited(agents, server, saying, call, journal, tree, bench):
    server.answers = [saying.said(calls=[("search", {"pattern": f"a{n}"})]) for n in range(9)]
    assert (await work(agents(steps=3), call, journal, tree, bench)).end is WorkEnd.exhausted
    journal.entries.clear()
    result = await work(agents(tokens=200), call, journal, tree, bench)
    assert (result.end, result.steps) == (WorkEnd.exhausted, 2)


async def test_done_without_a_change_is_asked_about_once(agents, server, saying, call, journal, tree, bench):
    server.answers = [saying.said(calls=[("done", {"summary": "Nothing to do."})]) for _ in range(2)]
    assert (await work(agents(), call, journal, tree, bench)).steps == 2


async def test_a_role_is_held_to_its_paths(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.said(calls=[("write_file", {"path": "src/sums.py", "content": "x = 1\n"}), ("done", {"summary": "d"})]),
        saying.said(
            calls=[("write_file", {"path": "tests/test_sums.py", "content": "x = 1\n"}), ("done", {"summary": "d"})]
        ),
    ]
    result = await work(agents(), call, journal, tree, bench, role=AgentRole.test_engineer)
    assert (result.end, result.steps) == (WorkEnd.done, 2)
    refusals = [message["content"] for message in server.requests[1]["messages"] if message["role"] == "tool"]
    assert "test_engineer may not change src/sums.py" in refusals[0]
    assert "action before this one failed" in refusals[1]
    assert "x = 1" not in (tree.path / "src/sums.py").read_text()


async def test_a_conversation_that_is_too_long_is_shortened(agents, server, saying, call, journal, tree, bench):
    (tree.path / "long.txt").write_text("word " * 20 + "\n" * 300 + "word\n" * 300)
    server.answers = [
        saying.said(calls=[("read_file", {"path": "long.txt"})]),
        saying.said(calls=[("search", {"pattern": "total"})]),
        saying.said(calls=[("search", {"pattern": "root"})]),
        saying.failed(400, "This model's maximum context length is 4096 tokens"),
        saying.failed(400, "This model's maximum context length is 4096 tokens"),
        saying.failed(400, "This model's maximum context length is 4096 tokens"),
        saying.failed(400, "This model's maximum context length is 4096 tokens"),
        saying.said(calls=[("done", {"summary": "d"})]),
        saying.said(calls=[("done", {"summary": "d"})]),
    ]
    assert (await work(agents(), call, journal, tree, bench)).end is WorkEnd.done
    assert any("left out" in str(message["content"]) for message in server.requests[7]["messages"])


async def test_a_server_without_tools_is_asked_for_code(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.failed(400, "tools are not supported by this model"),
        saying.said(f"```python\n# src/sums.py\n{FIXED}```"),
    ]
    result = await work(agents(), call, journal, tree, bench)
    assert (result.end, result.steps) == (WorkEnd.done, 1)
    assert "tools" not in server.requests[1]
    assert "fenced block" in server.requests[1]["messages"][-1]["content"]
    assert await work(agents(), call, journal, tree, bench) == result  # another process reads it the same way


async def test_a_command_cannot_change_what_the_role_may_not(agents, server, saying, call, journal, tree, bench):
    server.answers = [
        saying.said(calls=[("write_file", {"path": "tests/test_a.py", "content": "x = 1\n"})]),
        saying.said(calls=[("run", {"command": "echo 'x = 2' > src/sums.py; echo ran"})]),
        saying.said(calls=[("done", {"summary": "d"})]),
    ]
    assert (await work(agents(), call, journal, tree, bench, role=AgentRole.test_engineer)).end is WorkEnd.done
    assert "def total" in (tree.path / "src/sums.py").read_text()
    assert (tree.path / "tests/test_a.py").exists()
    assert "src/sums.py may not be changed by test_engineer" in server.requests[2]["messages"][-1]["content"]


async def test_what_cannot_be_committed_is_told_and_undone(agents, server, saying, call, journal, tree, bench):
    ordinary = tree.patch

    async def patch():
        if (tree.path / "huge.bin").exists():
            raise GitError("huge.bin has 30 MB, which can't be committed.")
        return await ordinary()

    tree.patch = patch
    server.answers = [
        saying.said(calls=[("write_file", {"path": "new.py", "content": "x = 1\n"})]),
        saying.said(calls=[("run", {"command": "echo 1 > huge.bin; echo ran"})]),
        saying.said(calls=[("done", {"summary": "d"})]),
    ]
    assert (await work(agents(), call, journal, tree, bench)).end is WorkEnd.done
    assert not (tree.path / "huge.bin").exists()
    assert (tree.path / "new.py").exists()
    assert "huge.bin has 30 MB" in server.requests[2]["messages"][-1]["content"]


@pytest.mark.parametrize("path", ["x" * 300, "src/\ud800.py", "src/sums.py/below"])
async def test_a_tool_that_breaks_costs_the_action_and_not_the_task(
    agents, server, saying, call, journal, tree, bench, path
):
    """Such as over a path that is too long: again and again it would, however often the task were tried."""
    (tree.path / "src/sums.py").write_text(FIXED)
    server.answers = [
        saying.said(calls=[("read_file", {"path": path})]),
        saying.said(calls=[("write_file", {"path": path, "content": "x = 1\n"})]),
        *[saying.said(calls=[("done", {"summary": "d"})])] * 2,
    ]
    assert (await work(agents(), call, journal, tree, bench)).end is WorkEnd.done


async def test_what_broke_a_tool_is_recorded_with_its_trace(agents, server, saying, call, journal, tree, bench):
    """The model is told in a sentence, and what it had changed stays."""

    def breaks(*_):
        raise ZeroDivisionError("a defect of ours")

    server.answers = [
        saying.said(calls=[("write_file", {"path": "new.py", "content": "x = 1\n"})]),
        saying.said(calls=[("edit_file", {"path": "new.py", "old": "x = 1", "new": "x = 2"})]),
        saying.said(calls=[("done", {"summary": "d"})]),
    ]
    ordinary, bench.syntax_error = bench.syntax_error, lambda path, text: breaks() if "2" in text else None
    assert (await work(agents(), call, journal, tree, bench)).end is WorkEnd.done
    bench.syntax_error = ordinary
    assert "The tool edit_file broke over this (ZeroDivisionError)" in server.requests[2]["messages"][-1]["content"]
    broken = [entry.content["broken"] for entry in await journal.read(call.scope) if entry.content.get("broken")]
    assert len(broken) == 1
    assert "a defect of ours" in broken[0]
    assert (tree.path / "new.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_is_waited_for_and_told_to_no_model(
    agents, server, saying, call, journal, tree, bench, monkeypatch, number
):
    """No other action would help; the answer is recorded, and tried again when there is room."""
    said = saying.said(calls=[("write_file", {"path": "new.py", "content": "x = 1\n"})])
    server.answers = [said, saying.said(calls=[("done", {"summary": "d"})])]
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(number, "full")))
        with pytest.raises(OSError, match="full"):
            await work(agents(), call, journal, tree, bench)
    assert len(server.requests) == 1
    assert (await work(agents(), call, journal, tree, bench)).end is WorkEnd.done
    assert len(server.requests) == 2
    assert (tree.path / "new.py").read_text() == "x = 1\n"


async def test_a_record_of_another_version_ends_the_visit_only(agents, server, call, journal, tree, bench):
    await journal.append(call.scope, 0, Entry(EntryKind.tool, {"name": "start"}, b""))
    await journal.append(call.scope, 1, Entry(EntryKind.tool, {"name": "dance", "seconds": 1}))
    result = await work(agents(), call, journal, tree, bench)
    assert result.end is WorkEnd.stuck
    assert "another version" in result.summary
    assert server.requests == []


async def test_a_task_longer_than_the_model_reads_is_shortened_as_the_last_resort(
    agents, server, saying, call, journal, tree, bench
):
    too_long = saying.failed(400, "maximum context length exceeded")
    server.answers = [*[too_long] * 4, saying.said(f"```python\n# src/sums.py\n{FIXED}```")]
    prompt = Prompt("You fix code.", "begin " + "x" * 90_000 + " end")
    result = await agents("files").of(AgentRole.backend).work(call, journal, prompt, tree, bench)
    assert result.end is WorkEnd.done
    assert len(server.requests[4]["messages"][1]["content"]) < 10_000


async def test_inside_a_graph_with_saved_state_the_loop_saves_none_of_its_own(
    agents, server, saying, call, journal, tree, bench
):
    server.answers = [saying.said(f"```python\n# src/sums.py\n{FIXED}```")]
    crew = agents("files")

    async def generate(_):
        return {"end": (await work(crew, call, journal, tree, bench)).end}

    saver = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=[WorkEnd]))
    graph = StateGraph(dict).add_node(generate).set_entry_point("generate").compile(checkpointer=saver)
    config = {"configurable": {"thread_id": "1"}}
    await graph.ainvoke({}, config)
    spaces = {saved.config["configurable"]["checkpoint_ns"] async for saved in saver.alist(None)}
    assert spaces == {""}
