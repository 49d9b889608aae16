"""Structured logs: one JSON event a line, with the ids of what is being worked on and without secrets."""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

HIDDEN = "[secret]"

_SECRETS = re.compile(
    r"""
    -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | \bgh[pousr]_[A-Za-z0-9_.\-]{8,}
    | \bgithub_pat_[A-Za-z0-9_]{8,}
    | \bv1\.[0-9a-f]{40}\b
    | \bsk-[A-Za-z0-9_\-]{8,}
    | \beyJ[A-Za-z0-9_\-]{8,512}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+
    | (?i:(?<=bearer[ ])|(?<=authorization:[ ]token[ ])|(?<=authorization:[ ]basic[ ]))[A-Za-z0-9._~+/=\-]{6,}
    | (?<=://)[^/\s:@"']*:[^/\s@"']+(?=@)
    """,
    re.VERBOSE | re.DOTALL,
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_bound: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039 - never changed in place


SHORTEST = 8  # characters of a value that is hidden wherever it stands; shorter ones are in ordinary words
QUIET = {  # what tells of each step or try; requests are counted as metrics, and an outage is told of once
    "aiohttp.access": logging.WARNING,
    "arq.worker": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "asyncpg.pool": logging.ERROR,
    "psycopg.pool": logging.ERROR,
}

_known: set[str] = set()


def hide(*secrets: str | None) -> None:
    """Hide these values from now on, wherever they turn up."""
    _known.update(secret for secret in secrets if secret and len(secret) >= SHORTEST)


def redact(text: str) -> str:
    """Return `text` without the values that `hide` was told of, and whatever else looks like a credential."""
    for secret in sorted(_known, key=len, reverse=True):  # one may begin like another
        text = text.replace(secret, HIDDEN)
    return _SECRETS.sub(HIDDEN, text)


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Add `ids` (delivery, project, task, …) to every event that is logged inside."""
    token = _bound.set({**_bound.get(), **{name: str(value) for name, value in ids.items()}})
    try:
        yield
    finally:
        _bound.reset(token)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; what was passed as `extra` become fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, redacted."""
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_bound.get(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(_clean(event), ensure_ascii=False)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (default: stderr) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least if level != "DEBUG" else logging.DEBUG)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
