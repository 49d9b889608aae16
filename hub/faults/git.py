"""Faults of git over HTTP."""

from __future__ import annotations

from hub.errors import ApiError
from hub.faults import both
from hub.faults.meeting import Meeting
from hub.faults.rest import UNAVAILABLE


async def before(met: Meeting, owner: str, name: str) -> None:
    """Do what happens instead of a fetch or push, or before; raises ApiError."""
    await both.slow(met)
    for fault in ("git-fetch-reset", "git-push-reset"):
        if switch := met.due(fault):
            met.fired(switch)
            met.cut()
            raise both.gone()
    for fault in ("git-fetch-503", "git-push-503"):
        if switch := met.due(fault):
            met.fired(switch)
            raise ApiError(503, UNAVAILABLE)
    both.rename(met, owner, name)


def loses(met: Meeting) -> bool:
    """Tell whether the answer to this push is to be lost."""
    switch = met.due("git-push-lost")
    if switch is not None:
        met.fired(switch)
    return switch is not None
