"""Models are named, priced and chosen by settings alone."""

import json

import pytest

from app.domain.budget import FREE, Price
from app.domain.roles import Tier
from app.errors import ModelError
from workers.llm.manner import Form, Manner, next_manner
from workers.llm.models import Models, warmer
from workers.llm.specs import Protocol, known_models, parse_prices, specify


def test_every_row_of_the_table_has_a_price():
    assert all(row.price is not None for row in known_models())


def test_a_local_model_is_free_and_writes_files():
    spec = specify("openai:local-qwen2.5-coder-1.5b", {})
    assert (spec.price, spec.protocol) == (FREE, Protocol.files)


def test_a_dearer_variant_of_a_known_model_has_no_price():
    with pytest.raises(ModelError, match="has no price"):
        specify("openai:gpt-5-pro", {})


def test_later_attempts_are_made_with_more_variety():
    assert [warmer(0.2, attempt) for attempt in (1, 2, 9)] == [0.2, pytest.approx(0.35), 0.8]
    assert warmer(1.0, 5) == 1.0


def test_the_error_says_exactly_what_to_set():
    with pytest.raises(ModelError) as error:
        specify("openai:mine", {})
    assert 'AURORA_MODEL_PRICES to {"openai:mine": {"input": 3, "output": 15}}' in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "gpt-5", ":x", "openai:"])
def test_a_model_without_provider_is_refused(name):
    with pytest.raises(ModelError, match="provider:model"):
        specify(name, {})


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        ('{"openai:mine": {"input": 3, "output": 15}}', Price(3, 15)),
        ('{"openai:mine": [3, 15]}', Price(3, 15)),
        ('{"mine": [3, 15]}', Price(3, 15)),
        ('{"openai:*": [3, 15]}', Price(3, 15)),
        ('{"*": [1, 1], "openai:mine": [3, 15]}', Price(3, 15)),
        ('{"openai:mine": "free"}', FREE),
        ('{"openai:mine": 0}', FREE),
    ],
)
def test_prices_can_be_written_in_several_ways(prices, price):
    assert specify("openai:mine", parse_prices(prices)).price == price


def test_prices_can_come_from_a_file(tmp_path):
    (tmp_path / "p.json").write_text('{"openai:mine": [1, 2]}')
    (tmp_path / "p.toml").write_text('"openai:mine" = { input = 1, output = 2, protocol = "files" }')
    assert specify("openai:mine", parse_prices(str(tmp_path / "p.json"))).price == Price(1, 2)
    assert specify("openai:mine", parse_prices(str(tmp_path / "p.toml"))).protocol is Protocol.files


@pytest.mark.parametrize(
    "text", ["{", '{"a": "dear"}', '{"a": {"input": -1, "output": 1}}', "/nowhere.json", '{"a": {"x": 1}}']
)
def test_unreadable_prices_are_explained(text):
    with pytest.raises(ModelError, match="AURORA_MODEL_PRICES can't be read"):
        parse_prices(text)


def test_the_operator_overrides_single_fields_of_a_known_model():
    spec = specify("anthropic:claude-haiku-4-5", parse_prices('{"anthropic:*": {"max_output_tokens": 100}}'))
    assert (spec.max_output_tokens, spec.price) == (100, Price(1, 5))


def test_tiers_fall_back_to_the_common_model():
    models = Models("openai:local-a", {Tier.reviewer: "openai:local-b", Tier.coder: ""}, environment={})
    assert models.of(Tier.coder).spec.name == models.of(Tier.planner).spec.name == "openai:local-a"
    assert models.of(Tier.coder) is models.of(Tier.planner)
    assert models.of(Tier.reviewer).spec.name == "openai:local-b"


def test_a_protocol_can_be_forced():
    assert Models("openai:local-a", protocol="tools", environment={}).of(Tier.coder).spec.protocol is Protocol.tools
    with pytest.raises(ModelError, match="AURORA_MODEL_PROTOCOL"):
        Models("openai:local-a", protocol="x", environment={}).of(Tier.coder)


async def test_a_missing_key_is_named():
    with pytest.raises(ModelError, match="set ANTHROPIC_API_KEY"):
        await Models("anthropic:claude-haiku-4-5", environment={}).of(Tier.coder).chat()


def test_what_a_server_refuses_is_left_out():
    manner = next_manner(Manner(), "Unsupported value: 'temperature' does not support 0.2")
    assert manner == Manner(temperature=False)
    assert next_manner(Manner(), "response_format json_schema is not supported") == Manner(form=Form.json)
    assert next_manner(Manner(form=Form.json), "response_format is unknown") == Manner(form=Form.words)
    assert next_manner(Manner(form=Form.words), "schema?") is None
    assert next_manner(Manner(legacy_limit=True), "use 'max_completion_tokens' instead of max_tokens") == Manner()
    assert next_manner(Manner(), "tools are not supported") == Manner(tools=False)
    assert next_manner(Manner(), "no reason") is None


def test_a_schema_in_words_is_json():
    words = Manner(form=Form.words).words({"title": "A", "type": "object"})
    assert json.loads(words[words.index("{") :]) == {"title": "A", "type": "object"}
