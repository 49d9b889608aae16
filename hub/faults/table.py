"""Every fault that the hub knows, as data: help, documentation and validation are made from this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WEBHOOKS, REST, GIT, BOTH = "webhooks", "REST", "git", "REST and git"
WRITES = ("POST *", "PATCH *", "PUT *", "DELETE *")
# GitHub limits what makes content; asking for a token or for a redelivery makes none.
CONTENT = ("POST /repo*", "PATCH /repo*", "PUT /repo*", "DELETE /repo*")
FETCHES = ("GET *service=git-upload-pack", "POST */git-upload-pack")
PUSHES = ("GET *service=git-receive-pack", "POST */git-receive-pack")
MERGE = ("PUT /repos/*/pulls/*/merge",)

COMMON: Mapping[str, str] = {
    "times": "Fire so often, then no more; without it there is no end.",
    "rate": "The share of the occasions at which it fires: above 0, up to 1 (always, the default).",
    "seed": "What `rate` is drawn from: the same requests meet the same faults again.",
    "match": "Only where this fits: `POST */issues`, `*/merge`; for webhooks `issues` or `issues.label*`.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong; `on` is what it can happen to, `options` its own ones with their defaults."""

    name: str
    where: str
    meaning: str
    options: Mapping[str, Any] = field(default_factory=dict)
    on: tuple[str, ...] = ("*",)
    at_random: bool = True
    once: bool = False  # one time is enough, unless `times` says more


def _seconds(seconds: float) -> dict[str, Any]:
    return {"seconds": seconds}


TABLE: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "webhook-duplicate",
            WEBHOOKS,
            "A delivery comes twice under one GUID: at once, or `seconds` later.",
            _seconds(0.0),
        ),
        Fault("webhook-new-guid", WEBHOOKS, "The same event is delivered once more, under a new GUID."),
        Fault(
            "webhook-reorder",
            WEBHOOKS,
            "A delivery is held back until `count` later ones went, `seconds` at most.",
            {"count": 1, "seconds": 5.0},
        ),
        Fault("webhook-drop", WEBHOOKS, "A delivery never arrives; `/app/hook/deliveries` lists it as failed (502)."),
        Fault("webhook-delay", WEBHOOKS, "A delivery comes `seconds` late; later ones overtake it.", _seconds(2.0)),
        Fault("webhook-timeout", WEBHOOKS, "A delivery arrives, but is listed as failed: timed out (504)."),
        Fault("slow", BOTH, "The answer takes `seconds` longer.", _seconds(3.0)),
        Fault("reset", REST, "The connection is reset before the request is handled."),
        Fault("fresh-token", BOTH, "401 for an installation's token younger than `seconds`.", _seconds(2.0)),
        Fault(
            "expired-token",
            BOTH,
            "401 for an installation's token older than `seconds`, from then on, before its time has come.",
            _seconds(60.0),
        ),
        Fault(
            "primary-limit",
            REST,
            "403 with `x-ratelimit-remaining: 0` for all that the caller asks until `x-ratelimit-reset`, in `seconds`.",
            _seconds(3.0),
        ),
        Fault(
            "too-many-requests",
            REST,
            "429 with `retry-after` for all requests of the caller, for `seconds`.",
            _seconds(2.0),
        ),
        Fault(
            "secondary-limit",
            REST,
            "403 with `retry-after`, a secondary limit, for all requests of the caller, for `seconds`.",
            _seconds(2.0),
        ),
        Fault("secondary-limit-bare", REST, "The same 403 without `retry-after`, for `seconds`.", _seconds(2.0)),
        Fault(
            "limits",
            REST,
            "A real limit: a caller's writes above `minute` in a minute or `hour` in an hour get the secondary 403.",
            {"minute": 80, "hour": 500},
            CONTENT,
            at_random=False,
        ),
        Fault("error-500", REST, "500 instead of handling the request."),
        Fault("error-502", REST, "502 instead of handling the request."),
        Fault("error-503", REST, "503 instead of handling the request."),
        Fault("not-found-yet", REST, "404 for what was made by POST less than `seconds` ago.", _seconds(2.0)),
        Fault(
            "stale-list",
            REST,
            "A list as it was up to `seconds` ago: an older answer, or without what was made since.",
            _seconds(5.0),
            ("GET *",),
        ),
        Fault(
            "mergeable-null",
            REST,
            "`mergeable: null` until `seconds` after a pull request's head and base were first asked for.",
            _seconds(2.0),
            ("GET /repos/*/pulls/*",),
        ),
        Fault("answer-lost", REST, "A write is done, then the connection is reset.", on=WRITES),
        Fault("answer-502", REST, "A write is done, then answered with 502.", on=WRITES),
        Fault("truncated", REST, "The connection ends in the middle of the body."),
        Fault("base-moved", REST, "A commit lands on the base just before a merge: 405.", on=MERGE),
        Fault("head-moved", REST, "A commit lands on the head just before a merge: 409.", on=MERGE),
        Fault(
            "renamed",
            BOTH,
            "The repository is renamed for good, to `to` or NAME-renamed; the old name redirects with 301, or 307 where"
            " something is written. Once, unless `times` says more.",
            {"to": ""},
            ("* /repos/*", *FETCHES, *PUSHES),
            once=True,
        ),
        Fault("git-fetch-503", GIT, "503 to a fetch.", on=FETCHES),
        Fault("git-fetch-reset", GIT, "The connection is reset before a fetch is handled.", on=FETCHES),
        Fault("git-push-503", GIT, "503 to a push.", on=PUSHES),
        Fault("git-push-reset", GIT, "The connection is reset before a push is handled.", on=PUSHES),
        Fault("git-push-lost", GIT, "A push is done, then the connection is reset.", on=PUSHES[1:]),
        Fault(
            "random",
            "everything",
            "Every fault of this table but `limits` and those in `without` at `rate` (0.05), each by itself, from one"
            " `seed`. A fault that has a switch of its own keeps to that.",
            {"without": []},
            at_random=False,
        ),
    )
}
RANDOM_RATE = 0.05
