"""Faults of REST and git alike: slowness, tokens that aren't good, a repository that is renamed."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from hub.errors import ApiError, bad_credentials
from hub.faults.meeting import Meeting
from hub.services import accounts, renames


async def slow(met: Meeting) -> None:
    """Wait before the request is handled."""
    if switch := met.due("slow"):
        met.fired(switch)
        await asyncio.sleep(switch.options["seconds"])


def tokens(met: Meeting) -> None:
    """Refuse a token that is too new or, for good, one that is too old; raise 401."""
    if not met.actor.is_installation:
        return
    fresh, expired, key = met.due("fresh-token"), met.due("expired-token"), met.actor.key
    dead = met.board.memory("expired-token")
    if key in dead and met.active("expired-token"):
        met.board.again["expired-token"] += 1
        raise bad_credentials()
    age = time.time() - _born(met)
    if fresh and age < fresh.options["seconds"]:
        met.fired(fresh)
        raise bad_credentials()
    if expired and age >= expired.options["seconds"]:
        met.fired(expired)
        dead[key] = True
        raise bad_credentials()


def _born(met: Meeting) -> float:
    """Tell when a token was made: to the second, unless it was made while something is switched on."""
    known: float | None = met.board.memory("born").get(met.actor.key)
    if known is not None:
        return known
    made = met.hub.store.value("SELECT created_at FROM tokens WHERE hash = ?", met.actor.key)
    return datetime.fromisoformat(made).timestamp()


def rename(met: Meeting, owner: str, name: str) -> None:
    """Rename the repository of a request before it is looked for."""
    repo = accounts.find_repository(met.hub, owner, name)
    switch = met.due("renamed") if repo is not None else None
    if repo is None or switch is None:
        return
    wanted = switch.options["to"] or f"{repo['name']}-renamed"
    if accounts.find_repository(met.hub, owner, wanted) is not None:
        return
    met.fired(switch)
    renames.rename(met.hub, accounts.admin_of(met.hub.store, repo), repo, wanted)


def gone() -> ApiError:
    """Give the answer to a request whose connection is no longer there: nobody reads it."""
    return ApiError(502, "Server Error")
