"""Bugs to plant in the processes under test, each of which the harness must find."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import app.edges
import app.github.client
from app.edges import Edge
from app.storage.effects import LeasedEffects
from app.storage.journal import LeasedJournal
from app.storage.leases import Leases
from tests.crash.guard import Fault, How
from workers.checkpoints import locks
from workers.saver import Saver
from workers.workspace.places import Places


@dataclass(frozen=True)
class Plant:
    """A bug, the fault that brings it to light (None: it shows by itself), and a word of what is said of it then."""

    story: str
    plant: Callable[[], None]
    fault: Fault | None
    said: str

    @property
    def soon(self) -> bool:
        """Tell whether it shows without waiting for a run that never ends."""
        return self.said != "Not settled"


def _no_fence_on_saved_state() -> None:
    @asynccontextmanager
    async def unfenced(self: Any) -> AsyncIterator[Any]:
        async with self._pool.connection() as connection, connection.transaction():
            yield connection

    Saver._fenced = unfenced  # type: ignore[method-assign]


def _no_search_for_what_was_done() -> None:
    once = LeasedEffects.once

    async def blindly(self: LeasedEffects, key: str, act: Any, _: Any) -> Any:
        async def nothing() -> None:
            return None

        return await once(self, key, act, nothing)

    LeasedEffects.once = blindly  # type: ignore[method-assign]


def _no_replay() -> None:
    async def nothing(self: LeasedJournal, scope: str) -> list[Any]:
        return []

    LeasedJournal.read = nothing  # type: ignore[method-assign]


def _no_breaking_of_locks() -> None:
    locks._break = lambda path: None


def _no_ending_of_frozen_transactions() -> None:
    async def nobody(self: Leases, seconds: float) -> list[int]:
        return []

    Leases.free = nobody  # type: ignore[method-assign]


def _no_warrant() -> None:
    async def anything(self: Leases, grip: Any, kind: Edge) -> None:
        return None

    Leases._warrant = anything  # type: ignore[method-assign]


def _a_way_around() -> None:
    async def around(kind: Edge, what: str, act: Callable[[], Awaitable[Any]]) -> Any:
        return await (act() if what.endswith("check-runs") else app.edges.edge(kind, what, act))

    app.github.client.edge = around  # type: ignore[attr-defined]


def _worktrees_stay() -> None:
    Places.give_up = lambda self, path, lock: None  # type: ignore[method-assign]


def _worker(kind: Edge, what: str, nth: int, how: How) -> Fault:
    return Fault("worker", kind.value, what, nth, how)


PLANTS: dict[str, Plant] = {
    "unfenced-state": Plant(
        "State is saved by whoever has it.",
        _no_fence_on_saved_state, _worker(Edge.saved, "state", 4, How.stall), "saved state has one successor",
    ),
    "blind-effects": Plant(
        "Nobody looks for a comment whose writing was not recorded.",
        _no_search_for_what_was_done, _worker(Edge.github, "POST issues/*/comments", 1, How.after), "comment",
    ),
    "no-replay": Plant(
        "A resumed task asks everything again.",
        _no_replay, _worker(Edge.tool, "search", 1, How.before), "Not settled",
    ),
    "frozen-lock": Plant(
        "A lock is waited for, whatever its holder does.",
        _no_breaking_of_locks, _worker(Edge.checked, "tests", 1, How.stall), "Not settled",
    ),
    "frozen-transaction": Plant(
        "A transaction that stands still keeps its lease's row.",
        _no_ending_of_frozen_transactions, _worker(Edge.written, "journal settle", 3, How.stall), "Not settled",
    ),
    "no-warrant": Plant(
        "A worker that was slow asks and writes at GitHub although its lease is gone.",
        _no_warrant, _worker(Edge.model, "generate", 2, How.stall), "recorded",
    ),
    "way-around": Plant(
        "Check runs are made without crossing a point.", _a_way_around, None, "crossed a crash point",
    ),
    "litter": Plant("Worktrees stay.", _worktrees_stay, None, "a worktree"),
}  # fmt: skip
