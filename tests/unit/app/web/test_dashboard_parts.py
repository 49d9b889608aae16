"""Small parts of the dashboard: words, the count of wrong tokens, the description of the API."""

import json
from datetime import UTC, datetime

import jsonschema_rs
import pytest

from app.domain.board import ProjectRequest
from app.web import openapi, wording
from app.web.session import Attempts, Refused


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (2.34, "2.3 s"), (59.4, "59 s"), (60, "1 min"), (132, "2 min 12 s"), (7260, "2 h 1 min")],
)
def test_durations_are_told_in_two_units(seconds: float, words: str):
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"), [(0, "$0.00"), (0.24, "$0.24"), (0.0123, "$0.0123"), (0.00001, "< $0.0001"), (12.3, "$12.30")]
)
def test_small_amounts_have_more_digits(amount: float, words: str):
    assert wording.usd(amount) == words


@pytest.mark.parametrize(
    "text", ["<script>x", "![a](https://evil.example/p)", "[a](javascript:x)", "<img src=x>", "<a href='data:x'>"]
)
def test_markdown_of_strangers_loads_and_runs_nothing(text: str):
    shown = wording.markdown(text)
    assert not any(word in shown for word in ("<script", "<img", 'href="javascript', "<a href='data"))


def test_aligned_columns_bring_no_style():
    """The page's policy refuses styles within it."""
    shown = wording.markdown("| a | b |\n|--:|:-:|\n| 1 | 2 |")
    assert "<td>1</td>" in shown


def test_a_moment_carries_its_time_zone():
    assert 'datetime="2026-01-02T03:04:05+00:00"' in wording.moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_wrong_tokens_are_forgotten_after_a_minute_and_counted_by_address():
    now = 0.0
    attempts = Attempts(clock=lambda: now)
    for _ in range(10):
        attempts.check("a")
        attempts.wrong("a")
    with pytest.raises(Refused) as refusal:
        attempts.check("a")
    assert refusal.value.headers["Retry-After"] == "61"
    attempts.check("b")
    now = 61.0
    attempts.check("a")


def test_a_request_is_headed_by_its_title_or_its_first_line():
    assert ProjectRequest(repository="a/b", text="# Do  this\n\nplease").heading == "Do this"
    assert ProjectRequest(repository="a/b", text="x", title="Title").heading == "Title"


def test_the_description_is_one_of_the_openapi_kind():
    described = json.loads(json.dumps(openapi.describe()))
    assert described["openapi"] == "3.1.0"
    for name, schema in described["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        assert name.isidentifier()
    text, names = json.dumps(described), described["components"]["schemas"]
    assert {one.partition('"')[0] for one in text.split("#/components/schemas/")[1:]} <= set(names)
    identities = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(identities) == len(set(identities))
