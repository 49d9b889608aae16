"""Anthropic's API gets what it expects: headers, limits, tools, a form for the answer, and a hint what to cache."""

import json
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from pydantic import BaseModel

from app.domain.ports import Call, Prompt, Step, WorkEnd
from app.domain.roles import AgentRole
from workers.agents.crew import Agents
from workers.llm.ledger import Ledger
from workers.llm.models import Models
from workers.llm.thinker import StructuredThinker


class Word(BaseModel):
    """A form."""

    word: str


def message(*content: dict[str, Any], **usage: int) -> web.Response:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content),
        "stop_reason": "tool_use" if content[-1]["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 10, **usage},
    }
    return web.json_response(body)


@pytest.fixture
async def anthropic(aiohttp_server_url):
    answers, requests, headers, url = aiohttp_server_url
    models = Models("anthropic:claude-haiku-4-5", environment={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": url})
    yield models, answers, requests, headers
    await models.close()


@pytest.fixture
async def aiohttp_server_url():
    answers: list[web.Response] = []
    requests: list[dict[str, Any]] = []
    headers: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        requests.append(await request.json())
        headers.append({key.lower(): value for key, value in request.headers.items()})
        return answers.pop(0)

    app = web.Application()
    app.router.add_post("/v1/messages", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield answers, requests, headers, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_tools_headers_and_caching_reach_the_messages_api(anthropic, call, journal, tree, bench):
    models, answers, requests, headers = anthropic
    edit = {"path": "src/sums.py", "old": "-= value", "new": "+= value"}
    answers += [
        message(
            {"type": "text", "text": "I fix it."},
            {"type": "tool_use", "id": "toolu_1", "name": "edit_file", "input": edit},
            cache_creation_input_tokens=1000,
        ),
        message(
            {"type": "tool_use", "id": "toolu_2", "name": "done", "input": {"summary": "ok"}},
            cache_read_input_tokens=1000,
        ),
    ]
    agent = Agents(models, Ledger(lambda: 0.5)).of(AgentRole.backend)
    result = await agent.work(call, journal, Prompt("You fix.", "Fix it."), tree, bench)
    assert (result.end, result.summary) == (WorkEnd.done, "ok")
    assert headers[0]["x-aurora-step"] == "generate"
    assert requests[0]["max_tokens"] == 16384
    assert requests[0]["cache_control"] == {"type": "ephemeral"}
    assert [tool["name"] for tool in requests[0]["tools"]][:2] == ["read_file", "search"]
    assert requests[1]["messages"][-1]["content"][0]["tool_use_id"] == "toolu_1"
    assert journal.usages[0].usd == pytest.approx((100 + 1000 * 1.25 + 10 * 5) / 1e6)
    assert journal.usages[1].usd == pytest.approx((100 + 1000 * 0.1 + 10 * 5) / 1e6)


async def test_a_form_becomes_an_output_format_and_falls_back_to_words(anthropic, journal):
    models, answers, requests, _ = anthropic
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "output_config: not permitted"}}
    answers += [
        web.json_response(refusal, status=400),
        message({"type": "text", "text": 'It is {"word": "yes"}'}),
    ]
    thinker = StructuredThinker(models, Ledger(lambda: 0.5))
    call = Call(uuid4(), None, AgentRole.maestro, Step.parse, 1, "parse")
    assert (await thinker.answer(call, journal, Word, Prompt("s", "u"))).word == "yes"
    assert requests[0]["output_config"]["format"]["schema"]["required"] == ["word"]
    assert "output_config" not in requests[1]
    assert json.dumps("word") in requests[1]["system"]
