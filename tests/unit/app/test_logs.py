"""Logs are JSON lines with ids, and without credentials."""

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app import logs

SECRETS = [
    "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghijkl_mnop",
    "v1.1f699f1069f60xxx1f699f1069f601f699f106900"[:3] + "a" * 40,
    "sk-proj-abcdefghijklmnop",
    "sk-ant-api03-abcdefgh",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiI3In0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers = []
    logs.configure("INFO", stream)
    yield stream
    root.handlers, level = before[0], before[1]
    root.setLevel(level)


def last(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return found


def test_an_event_is_a_line_with_its_fields_and_bound_ids(lines: io.StringIO):
    with logs.bound(delivery="d1"), logs.bound(project=7):
        logging.getLogger("x").info("stored %s", "it", extra={"kind": "issues", "new": True})
    event = last(lines)
    assert event["event"] == "stored it"
    assert (event["delivery"], event["project"], event["kind"], event["new"]) == ("d1", "7", "issues", True)
    logging.getLogger("x").info("after")
    assert "delivery" not in last(lines)


@pytest.mark.parametrize("secret", SECRETS)
def test_credentials_are_hidden_wherever_they_are(lines: io.StringIO, secret: str):
    try:
        raise ValueError(f"refused {secret}")
    except ValueError:
        logging.getLogger("x").exception("with %s", secret, extra={"deep": {"a": [f"x {secret} y"]}})
    assert secret not in lines.getvalue()
    assert secret.replace("\n", "\\n") not in lines.getvalue()
    assert last(lines)["deep"] == {"a": ["x [secret] y"]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef123", "Authorization: Bearer [secret]"),
        ("authorization: token abcdef123", "authorization: token [secret]"),
        ("https://x-access-token:abc@host/o/r.git", "https://[secret]@host/o/r.git"),
        ("postgresql://user:pass@host/db", "postgresql://[secret]@host/db"),
        ("the bearer of news at http://host:80/x", "the bearer of news at http://host:80/x"),
        ("task-skills and a risk-free disk-image", "task-skills and a risk-free disk-image"),
    ],
)
def test_what_is_redacted_and_what_is_not(text: str, shown: str):
    assert logs.redact(text) == shown


def test_known_secrets_are_hidden_wherever_they_stand_and_ordinary_words_stay(lines: io.StringIO, monkeypatch):
    monkeypatch.setattr(logs, "_known", set())
    logs.hide("the operator's long token", "test", None, "")
    logging.getLogger("x").warning("got the operator's long token in a test")
    assert last(lines)["event"] == "got [secret] in a test"


def test_what_others_tell_of_each_step_is_left_out_unless_asked_for(lines: io.StringIO):
    for name in ("httpx", "httpx2", "arq.worker", "aiohttp.access"):
        logging.getLogger(name).info("one more request")
    logging.getLogger("asyncpg.pool").warning("one more try")
    assert lines.getvalue() == ""
    logs.configure("DEBUG", lines)
    logging.getLogger("arq.worker").info("one more job")
    assert last(lines)["event"] == "one more job"
    logs.configure("INFO", lines)


def test_hostile_output_does_not_hold_everything_up():
    """A token's beginning without end, again and again, is looked at once each."""
    begun = time.process_time()
    logs.redact("eyJaaaaaaaaa-" * 40_000)
    assert time.process_time() - begun < 3.0


def test_of_two_secrets_the_longer_one_is_hidden_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "_known", set())
    for number in range(20):
        logs.hide(f"{number}-open-sesame", f"{number}-open-sesame-and-more")
    for number in range(20):
        assert logs.redact(f"{number}-open-sesame-and-more") == logs.HIDDEN
