"""A model that goes in circles is stopped after a bounded number of calls, with a sentence that says which circle."""

import json
from itertools import count, cycle

import pytest

from app.domain.ports import Prompt, WorkEnd
from app.domain.roles import AgentRole
from workers.agents.crew import Agents
from workers.agents.limits import Limits
from workers.llm.ledger import Ledger
from workers.llm.models import Models

PROMPT = Prompt("You fix code.", "Make total add.")
SOURCE = "src/sums.py"


@pytest.fixture
async def stopped(server, call, journal, tree, bench):
    """Let a model answer the same way for ever; return what the visit said, and how many calls it made."""
    models = Models(
        "openai:test",
        prices='{"openai:*": {"input": 3, "output": 15, "timeout": 10}}',
        protocol="tools",
        environment={"OPENAI_BASE_URL": server.url},
    )
    crew = Agents(models, Ledger(lambda: 0.5, pace=0.001), Limits(steps=100))

    async def run(answers):
        server.answers = [answer for answer, _ in zip(answers, range(120), strict=False)]
        agent = crew.of(AgentRole.backend)
        result = await agent.work(call, journal, PROMPT, tree, bench)
        made = len(server.requests)
        again = await agent.work(call, journal, PROMPT, tree, bench)
        assert (again, len(server.requests)) == (result, made)  # a replay comes to the same end
        assert result.end is WorkEnd.stuck
        assert not journal.open
        return result.summary, made

    yield run
    await models.close()


def edit(old, new):
    return ("edit_file", {"path": SOURCE, "old": old, "new": new})


async def test_the_same_action(stopped, saying):
    said, calls = await stopped(cycle([saying.said(calls=[("read_file", {"path": SOURCE})])]))
    assert "same action" in said
    assert calls == 4


async def test_actions_in_turn(stopped, saying):
    looks = [("read_file", {"path": SOURCE}), ("search", {"pattern": "total"}), ("read_file", {"path": "README.md"})]
    said, calls = await stopped(cycle([saying.said(calls=[look]) for look in looks]))
    assert said == "The same 3 actions came 3 times in turn and changed nothing."
    assert calls == 9


async def test_the_same_error(stopped, saying):
    """Other words, other lines, one error."""
    said, calls = await stopped(
        saying.said(calls=[("run", {"command": f"echo 'boom at line {number}'; exit 3"})]) for number in count()
    )
    assert said == "The same error came 6 times: boom at line 5"
    assert calls == 6


async def test_changes_that_are_made_and_undone(stopped, saying):
    there, back = edit("result -= value", "result += value"), edit("result += value", "result -= value")
    said, calls = await stopped(cycle([saying.said(calls=[there]), saying.said(calls=[back])]))
    assert said == "The same changes were made and undone again 4 times."
    assert calls == 7


async def test_answers_that_change_nothing(stopped, saying):
    said, calls = await stopped(saying.said(calls=[("search", {"pattern": f"nothing{number}"})]) for number in count())
    assert said == "20 answers in a row changed no file."
    assert calls == 21


async def test_an_answer_without_end(stopped, saying):
    said, calls = await stopped(cycle([saying.said("Let me see. " + "I will fix it. " * 100, finish="length")]))
    assert said == "2 answers repeated the same words until they were cut off."
    assert calls == 2


async def test_an_action_without_end(stopped, saying):
    endless = json.dumps({"path": "a.py", "content": "x = 1\n" * 200})[:-40]
    _, calls = await stopped(cycle([saying.said(calls=[("write_file", endless)])]))
    assert calls <= 3


async def test_no_usable_answer(stopped, saying):
    said, calls = await stopped(cycle([saying.said("Hm.")]))
    assert "No usable answer came 3 times" in said
    assert calls == 3
