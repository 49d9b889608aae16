"""A recorded conversation answers by what is asked, and keeps nothing in mind."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from app.domain.roles import Tier
from app.errors import ModelError
from workers.llm.models import Models
from workers.llm.scripted import ScriptedChat

FILE = """
- step: parse
  answer: {json: {requirements: []}}
- step: generate
  attempt: 2
  answer: {text: second try}
- step: generate
  contains: [slugify, tests]
  tokens: [900, 120]
  answers:
    - calls: [{name: read_file, args: {path: a.py}}, {name: done}]
    - text: bye
- step: generate
  answer: {text: anything else}
"""


@pytest.fixture
def chat(tmp_path):
    (tmp_path / "c.yaml").write_text(FILE)
    return ScriptedChat.from_file(tmp_path / "c.yaml")


async def ask(chat, *messages, step="generate", attempt="1"):
    bound = chat.bind(extra_headers={"X-Aurora-Step": step, "X-Aurora-Attempt": attempt}, max_tokens=5)
    return await bound.ainvoke(list(messages))


async def test_the_first_entry_that_fits_answers(chat):
    assert (await ask(chat, HumanMessage("x"), step="parse")).text == '{"requirements": []}'
    assert (await ask(chat, HumanMessage("x"))).text == "anything else"
    assert (await ask(chat, HumanMessage("slugify tests"), attempt="2")).text == "second try"


async def test_the_next_answer_follows_from_the_conversation(chat):
    task = [SystemMessage("tests"), HumanMessage("write slugify")]
    first = await ask(chat, *task)
    assert [call["name"] for call in first.tool_calls] == ["read_file", "done"]
    assert first.usage_metadata == {"input_tokens": 900, "output_tokens": 120, "total_tokens": 1020}
    assert (await ask(chat, *task, first)).text == "bye"
    with pytest.raises(ModelError, match="has 2 answers for step generate, attempt 1, and number 3"):
        await ask(chat, *task, first, AIMessage("bye"))


async def test_a_step_without_entry_is_named(chat):
    with pytest.raises(ModelError, match="no entry for step review"):
        await ask(chat, HumanMessage("x"), step="review")


BROKEN = ["{}", "- step: parse", "- {answer: {text: a, json: 1}}", "- {answer: {text: a}, x: 1}", "- ["]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_explained(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ModelError, match="can't be read"):
        ScriptedChat.from_file(tmp_path / "c.yaml")


async def test_a_model_named_scripted_is_free(tmp_path):
    (tmp_path / "c.yaml").write_text(FILE)
    model = Models(f"scripted:{tmp_path / 'c.yaml'}", environment={}).of(Tier.coder)
    assert isinstance(await model.chat(), ScriptedChat)
    assert model.spec.price.cost(10, 10) == 0
