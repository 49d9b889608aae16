"""A delivery is opened only when its signature is right."""

import hashlib
import hmac

import pytest

from app.web.webhooks import Refused, opened, signed

BODY = b'{"action": "labeled"}'


def headers(body: bytes = BODY, secret: bytes = b"s3cret", **changes: str) -> dict[str, str]:
    signature = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    named = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": "d-1", "X-GitHub-Event": "issues"}
    return named | {name.replace("_", "-"): value for name, value in changes.items()}


def test_githubs_own_example_is_signed():
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed(b"Hello, World!", signature, b"It's a Secret to Everybody")


def test_a_signed_delivery_is_opened():
    envelope = opened(headers(), BODY, b"s3cret")
    assert (envelope.guid, envelope.event, envelope.action) == ("d-1", "issues", "labeled")


@pytest.mark.parametrize(
    ("changes", "body", "status"),
    [
        ({"X_Hub_Signature_256": ""}, BODY, 401),
        ({"X_Hub_Signature_256": "sha256=é"}, BODY, 401),
        ({"X_Hub_Signature_256": "sha1=" + "0" * 40}, BODY, 401),
        ({}, BODY + b" ", 401),
        ({"X_GitHub_Delivery": "../x"}, BODY, 400),
        ({"X_GitHub_Event": ""}, BODY, 400),
    ],
)
def test_what_is_wrong_is_refused(changes: dict[str, str], body: bytes, status: int):
    with pytest.raises(Refused) as raised:
        opened(headers(**changes), body, b"s3cret")
    assert raised.value.status == status


@pytest.mark.parametrize("body", [b"", b"payload=%7B%7D", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes):
    with pytest.raises(Refused) as raised:
        opened(headers(body), body, b"s3cret")
    assert raised.value.status == 400


@pytest.mark.parametrize("action", ["null", "3", "{}"])
def test_an_odd_action_is_none(action: str):
    body = f'{{"action": {action}}}'.encode()
    assert opened(headers(body), body, b"s3cret").action is None
