"""What an exception from a model's SDK means: try again, ask differently, or tell the operator."""

import logging
import re
from dataclasses import dataclass
from enum import StrEnum

SECRET = re.compile(
    r"(sk-[A-Za-z0-9_\-*]{4,}|Bearer\s+\S+|(?:api[_-]?key|x-api-key|token)[\"']?\s*[:=]\s*[\"']?[^\s\"',}]+)",
    re.IGNORECASE,
)
TOO_LONG = re.compile(
    r"context.{0,12}(length|window|size)|prompt is too long|too many (input )?tokens|exceed\w* .{0,40}context|"
    r"maximum context|input tokens exceed",
    re.IGNORECASE,
)
NEVER_SENT = ("ConnectError", "ConnectTimeout", "gaierror", "ConnectionRefusedError")
TIMED_OUT = ("APITimeoutError", "TimeoutError")
CONNECTION = ("APIConnectionError", "APITimeoutError", "TransportError", "TimeoutError", "OSError")


NO_ANSWER = "what came back is no answer of a model: see whether its address leads to one, and what its server says"

log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What follows a failure."""

    transient = "transient"  # later it may work
    too_long = "too_long"  # a shorter request may work
    refused = "refused"  # another form of the same request may work
    fatal = "fatal"  # a person must change something


@dataclass(frozen=True)
class Failure:
    """A failed request; `billable` says whether it may have cost something."""

    kind: Kind
    message: str
    billable: bool
    retry_after: float | None = None  # seconds
    timed_out: bool = False  # there was time to answer, and no answer


def redact(text: str) -> str:
    """Take out what looks like a key, and all but the beginning of a long text."""
    return SECRET.sub("[secret]", text)[:500]


def classify(error: BaseException) -> Failure:
    """Say what `error` means; SDKs are told apart by HTTP status and class names, so that none is imported."""
    message = redact(str(error) or type(error).__name__)
    status = getattr(error, "status_code", None)
    names = _names(error)
    if TOO_LONG.search(message) and status in {None, 400, 413, 422, 500}:
        return Failure(Kind.too_long, message, billable=False)
    if isinstance(status, int):
        return _by_status(status, message, _retry_after(error))
    if names & set(NEVER_SENT):
        return Failure(Kind.transient, message, billable=False)
    if names & set(CONNECTION):
        return Failure(Kind.transient, message, billable=True, timed_out=bool(names & set(TIMED_OUT)))
    # Something came back that isn't an answer: an HTML page, no choices, broken JSON. What the SDK says of it is about
    # its own inside, and nothing for a person.
    log.warning("a model's answer was not understood", extra={"why": message, "kind": type(error).__name__})
    return Failure(Kind.transient, NO_ANSWER, billable=True)


def _by_status(status: int, message: str, retry_after: float | None) -> Failure:
    if "insufficient_quota" in message:
        return Failure(Kind.fatal, message, billable=False)
    if status in {408, 409, 425, 429} or status >= 500:
        # No provider charges for a request that it turned away; a server error may come after the work.
        return Failure(Kind.transient, message, billable=status == 408 or status >= 500, retry_after=retry_after)
    if status in {400, 422}:
        return Failure(Kind.refused, message, billable=False)
    return Failure(Kind.fatal, message, billable=False)


def _names(error: BaseException) -> set[str]:
    found: set[str] = set()
    seen: BaseException | None = error
    while seen is not None:
        found |= {kind.__name__ for kind in type(seen).__mro__}
        seen = seen.__cause__ or seen.__context__
    return found


def _retry_after(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return float(milliseconds) / 1000
        return float(headers["retry-after"]) if "retry-after" in headers else None
    except ValueError:
        return None  # a date: rare, and the backoff is enough


def advice(model: str, error: BaseException, failure: Failure) -> str:
    """Say in a sentence what a person can do about a model that can't be used."""
    status = getattr(error, "status_code", None)
    if "insufficient_quota" in failure.message:
        return f"The account behind {model} has no credit left: {failure.message}"
    if status == 401:
        return f"The provider refused the key for {model} (401): check OPENAI_API_KEY or ANTHROPIC_API_KEY."
    if status == 403:
        return f"The key may not use {model} (403): {failure.message}"
    if status == 404:
        return f"The provider doesn't know {model} (404): check AURORA_MODEL and OPENAI_BASE_URL. {failure.message}"
    if failure.kind is Kind.too_long:
        return f"The request is longer than {model} can read: {failure.message}"
    return f"The provider refused a request to {model}: {failure.message}"
