"""Steps get valid answers from a model server that errs, and pay for no more than they must."""

import asyncio
import json
import socket
from uuid import uuid4

import pytest
from aiohttp import web
from pydantic import BaseModel

from app import metrics
from app.domain.budget import Cap, Refusal
from app.domain.plan import Plan
from app.domain.ports import Call, Prompt, Step
from app.domain.roles import AgentRole
from app.errors import BadAnswer, BudgetExceeded, ModelError, ModelUnavailable, Transient
from workers.llm.ledger import Ledger
from workers.llm.models import Models
from workers.llm.thinker import StructuredThinker


class Colours(BaseModel):
    """A form."""

    colours: tuple[str, ...]
    best: str


GOOD = '{"colours": ["red"], "best": "red"}'
PROMPT = Prompt("You like colours.", "Which?")


@pytest.fixture
def call() -> Call:
    return Call(uuid4(), None, AgentRole.maestro, Step.parse, 1, "parse")


@pytest.fixture
async def thinker(server):
    made = []

    def make(timeout=10, url="", retries=4, pace=0.001):
        prices = f'{{"openai:*": {{"input": 1000, "output": 1000, "timeout": {timeout}, "max_output_tokens": 100}}}}'
        models = Models("openai:test", prices=prices, environment={"OPENAI_BASE_URL": url or server.url})
        made.append(models)
        return StructuredThinker(models, Ledger(lambda: 0.5, pace=pace, retries=retries))

    yield make
    for models in made:
        await models.close()


async def test_an_answer_in_the_right_form_is_asked_for_once(thinker, server, saying, call, journal):
    server.answers = [saying.said(GOOD)]
    answer = await thinker().answer(call, journal, Colours, PROMPT)
    assert answer.best == "red"
    form = server.requests[0]["response_format"]["json_schema"]
    assert (form["name"], form["strict"], form["schema"]["required"]) == ("Colours", True, ["colours", "best"])
    assert server.headers[0]["x-aurora-task"] == "-"
    assert await thinker().answer(call, journal, Colours, PROMPT) == answer  # from the journal
    assert len(server.requests) == 1
    assert journal.usages[0].usd == pytest.approx(0.12)


async def test_the_model_hears_what_was_wrong(thinker, server, saying, call, journal):
    server.answers = [saying.said("Red!"), saying.said('{"colours": "red"}'), saying.said(GOOD)]
    assert (await thinker().answer(call, journal, Colours, PROMPT)).best == "red"
    assert "no valid JSON" in server.requests[1]["messages"][-1]["content"]
    assert "best: Field required" in server.requests[2]["messages"][-1]["content"]


async def test_after_three_tries_the_answer_is_bad(thinker, server, saying, call, journal):
    server.answers = [saying.said(""), saying.said(None, refusal="no"), saying.said('{"colours": [', finish="length")]
    with pytest.raises(BadAnswer, match=r"3 tries.*cut off"):
        await thinker().answer(call, journal, Colours, PROMPT)
    with pytest.raises(BadAnswer):
        await thinker().answer(call, journal, Colours, PROMPT)
    assert len(server.requests) == 3


async def test_a_list_or_a_wrapper_around_the_answer_is_forgiven(thinker, server, saying, call, journal):
    server.answers = [saying.said('{"plan": [{"key": "t1", "title": "Do it", "kind": "magic"}]}')]
    plan = await thinker().answer(call, journal, Plan, PROMPT)
    assert (plan.tasks[0].key, plan.tasks[0].kind) == ("t1", "integration")


@pytest.mark.filterwarnings("ignore:This model does not support OpenAI:UserWarning")
@pytest.mark.parametrize(
    "complaint",
    ["response_format is not supported", "'response_format' of type 'json_schema' is not supported with this model"],
)
async def test_a_server_without_schemas_gets_them_in_words(thinker, server, saying, call, journal, complaint):
    server.answers = [
        saying.failed(400, complaint),
        saying.failed(400, complaint),
        saying.said(f"```json\n{GOOD}\n```"),
    ]
    asking = thinker()
    assert (await asking.answer(call, journal, Colours, PROMPT)).best == "red"
    assert [request.get("response_format", {}).get("type") for request in server.requests] == [
        "json_schema", "json_object", None,
    ]  # fmt: skip
    assert '"colours"' in server.requests[2]["messages"][0]["content"]
    server.answers = [saying.said(GOOD)]
    journal.entries.clear()
    await asking.answer(call, journal, Colours, PROMPT)
    assert "response_format" not in server.requests[3]
    assert journal.forfeits == []


async def test_a_server_without_a_system_role_gets_its_words_with_the_first_message(
    thinker, server, saying, call, journal
):
    server.answers = [saying.failed(400, "System role not supported"), saying.said(GOOD)]
    assert (await thinker().answer(call, journal, Colours, PROMPT)).best == "red"
    (message,) = server.requests[1]["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith(PROMPT.system)
    assert message["content"].endswith(PROMPT.user)


@pytest.mark.parametrize(("status", "complaint"), [(400, "Bad Request"), (422, "Extra inputs are not permitted")])
async def test_one_s_own_server_that_does_not_say_what_it_refuses_is_asked_more_and_more_plainly(
    thinker, server, saying, call, journal, status, complaint
):
    server.answers = [saying.failed(status, complaint), saying.said(GOOD)]
    assert (await thinker().answer(call, journal, Colours, PROMPT)).best == "red"
    assert "response_format" not in server.requests[1]
    journal.entries.clear()
    server.answers = [saying.failed(status, complaint) for _ in range(9)]
    with pytest.raises(ModelError, match=complaint):
        await thinker().answer(call, journal, Colours, PROMPT)
    assert len(server.requests) <= 2 + 5


async def test_a_server_that_never_answers_is_not_waited_for_again_and_again(thinker, server, saying, call, journal):
    stop = asyncio.Event()

    class Hanging(web.Response):
        async def prepare(self, request):
            await stop.wait()
            return await super().prepare(request)

    server.answers = [lambda _: Hanging(text="{}") for _ in range(5)]
    with pytest.raises(ModelError, match="did not answer within"):
        await thinker(timeout=0.2).answer(call, journal, Colours, PROMPT)
    assert len(server.requests) == 2
    stop.set()


async def test_a_wait_longer_than_one_s_patience_is_left_to_a_person(thinker, server, saying, call, journal):
    server.answers = [saying.failed(429, "quota", **{"Retry-After": "3600"})]
    with pytest.raises(ModelError, match="3600 seconds"):
        await thinker().answer(call, journal, Colours, PROMPT)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529, 408])
async def test_passing_failures_are_retried_and_counted(thinker, server, saying, call, journal, status, caplog):
    server.answers = [saying.failed(status, "later"), saying.failed(status, "later"), saying.said(GOOD)]
    counted = metrics.MODEL_RETRIES.labels("openai:test", "parse")._value
    before = counted.get()
    assert (await thinker().answer(call, journal, Colours, PROMPT)).best == "red"
    assert not journal.open
    assert counted.get() - before == 2
    told = [record for record in caplog.records if record.message == "a model call is tried again"]
    assert [(record.step, "later" in record.why) for record in told] == [("parse", True)] * 2


async def test_being_turned_away_costs_nothing_but_a_server_error_may_have(thinker, server, saying, call, journal):
    server.answers = [saying.failed(429, "later"), saying.said(GOOD)]
    await thinker().answer(call, journal, Colours, PROMPT)
    assert journal.forfeits == []
    journal.entries.clear()
    server.answers = [saying.failed(500, "oops"), saying.said(GOOD)]
    await thinker().answer(call, journal, Colours, PROMPT)
    assert journal.forfeits == [True]


async def test_retrying_ends(thinker, server, saying, call, journal):
    server.answers = [saying.failed(503, "overloaded", **{"Retry-After": "7"}) for _ in range(9)]
    with pytest.raises(Transient, match="overloaded") as error:
        await thinker().answer(call, journal, Colours, PROMPT)
    assert len(server.requests) == 5
    assert error.value.retry_after == 7
    assert not journal.open


def garbage(_):
    return web.Response(text="<html>login</html>", content_type="text/html")


def no_choices(_):
    return web.json_response({"object": "chat.completion", "choices": None})


@pytest.mark.parametrize("answer", [garbage, no_choices])
async def test_what_is_no_answer_is_retried_too(thinker, server, saying, call, journal, answer):
    server.answers = [answer, saying.said(GOOD)]
    assert (await thinker().answer(call, journal, Colours, PROMPT)).best == "red"


@pytest.mark.parametrize(
    ("status", "words"), [(401, "check OPENAI_API_KEY"), (403, "may not use"), (404, "check AURORA_MODEL")]
)
async def test_what_a_person_must_change_is_said_at_once(thinker, server, saying, call, journal, status, words):
    server.answers = [saying.failed(status, "Incorrect API key provided: sk-abc123456789")]
    with pytest.raises(ModelError, match=words) as error:
        await thinker().answer(call, journal, Colours, PROMPT)
    assert "sk-abc" not in str(error.value)
    assert len(server.requests) == 1
    assert journal.forfeits == [False]


async def test_a_server_that_is_not_there_costs_nothing(thinker, call, journal):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with pytest.raises(Transient):
        await thinker(url=url, retries=1).answer(call, journal, Colours, PROMPT)
    assert journal.forfeits == [False]


async def test_an_answer_that_takes_too_long_is_given_up(thinker, server, saying, call, journal):
    stop = asyncio.Event()

    class Slow(web.Response):
        async def prepare(self, request):
            await stop.wait()
            return await super().prepare(request)

    server.answers = [lambda _: Slow(text="{}"), saying.said(GOOD)]
    assert (await thinker(timeout=0.2).answer(call, journal, Colours, PROMPT)).best == "red"
    assert journal.forfeits == [True]
    stop.set()


@pytest.mark.parametrize("sent", [True, False])
async def test_a_cancelled_call_is_closed_and_costs_what_may_have_been_billed(
    thinker, server, saying, call, journal, sent
):
    reached, stop = asyncio.Event(), asyncio.Event()

    class Silent(web.Response):
        async def prepare(self, request):
            reached.set()
            await stop.wait()
            return await super().prepare(request)

    def refuse(_):
        asyncio.get_running_loop().call_later(0.3, reached.set)
        return web.json_response({"error": {"message": "busy"}}, status=429, headers={"retry-after": "60"})

    server.answers = [(lambda _: Silent()) if sent else refuse]
    asking = asyncio.create_task(thinker(pace=1.0).answer(call, journal, Colours, PROMPT))
    await reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    stop.set()
    assert journal.open == {}
    assert journal.forfeits == [sent]


async def test_a_call_that_could_cost_too_much_is_not_made(thinker, server, call, journal):
    journal.budget = 0.1
    with pytest.raises(BudgetExceeded):
        await thinker().answer(call, journal, Colours, PROMPT)
    assert server.requests == []


@pytest.mark.parametrize("spent", ["0", "0.9"])
async def test_a_call_waits_for_what_other_calls_under_way_really_cost(
    thinker, server, saying, call, journal, monkeypatch, spent
):
    """Only when money that is spent stands against it, it is refused at once."""
    tries = []

    async def reserve(*args):
        tries.append(args)
        if len(tries) < 4:
            values = {"limit": "1", "spent": spent, "reserved": "0.8", "needed": "0.5"}
            raise BudgetExceeded(Refusal(cap=Cap.day, step="parse", **values))
        return await really_reserve(*args)

    really_reserve = journal.reserve
    monkeypatch.setattr(journal, "reserve", reserve)
    server.answers = [saying.said(GOOD)]
    if spent == "0":
        assert (await thinker().answer(call, journal, Colours, PROMPT)).best == "red"
        assert len(tries) == 4
    else:
        with pytest.raises(BudgetExceeded):
            await thinker().answer(call, journal, Colours, PROMPT)
        assert len(tries) == 1


async def test_tokens_that_the_server_does_not_count_are_counted_in_bytes(thinker, server, saying, call, journal):
    server.answers = [saying.said(GOOD, usage=False)]
    await thinker().answer(call, journal, Colours, PROMPT)
    assert journal.usages[0].input_tokens > 100
    assert journal.usages[0].output_tokens >= len(GOOD)
    assert journal.usages[0].usd > 0


@pytest.mark.parametrize(
    "count",
    [
        {"prompt_tokens": -10_000_000, "completion_tokens": -5},
        {"prompt_tokens": 10**15, "completion_tokens": 10**15},
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 10**9}},
    ],
)
async def test_a_count_that_cannot_be_true_is_not_believed(thinker, server, saying, call, journal, count):
    """Else a server that counts wrongly would give money back, or its answer could not be written down."""

    def counting(request):
        answer = json.loads(saying.said(GOOD)(request).body)
        return web.json_response({**answer, "usage": {**count, "total_tokens": sum(list(count.values())[:2])}})

    server.answers = [counting]
    await thinker().answer(call, journal, Colours, PROMPT)
    (usage,) = journal.usages
    assert 0 < usage.usd < 10
    assert usage.output_tokens >= len(GOOD)


async def test_an_answer_that_is_none_is_said_in_words_for_a_person(thinker, server, call, journal):
    """And not in those of the SDK's inside."""
    server.answers = [garbage] * 5
    with pytest.raises(ModelUnavailable, match="what came back is no answer of a model") as raised:
        await thinker().answer(call, journal, Colours, PROMPT)
    assert "attribute" not in str(raised.value)


async def test_what_a_database_cannot_hold_is_replaced(thinker, server, saying, call, journal):
    server.answers = [saying.said('{"colours": ["a\\u0000b"], "best": "x\x00\ud800"}'.replace("\ud800", ""))]
    await thinker().answer(call, journal, Colours, PROMPT)
    assert "\x00" not in str((await journal.read("parse"))[0].content)


async def test_material_that_is_too_long_is_shortened(thinker, server, saying, call, journal):
    too_long = saying.failed(400, "the request exceeds the available context size, try increasing it")
    server.answers = [too_long, too_long, saying.said(GOOD)]
    prompt = Prompt("s", "begin " + "x" * 4000 + " end")
    assert (await thinker().answer(call, journal, Colours, prompt)).best == "red"
    sent = server.requests[2]["messages"][1]["content"]
    assert 1000 < len(sent) < 1100
    assert sent.startswith("begin")
    assert sent.endswith("end")
    assert journal.forfeits == [False, False]
