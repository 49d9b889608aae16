"""The boundaries at which a process may die: each kind named once, and crossed through `edge`.

Every adapter does what others can see, or what has to outlive the process, inside `edge`. In production that is one
comparison. The crash tests put a `Guard` in place, which kills, stalls or deafens the process at a chosen crossing.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from enum import StrEnum
from functools import partial
from typing import Protocol, TypeVar

T = TypeVar("T")


class Edge(StrEnum):
    """What lies on the other side of a boundary."""

    stored = "stored"  # a delivery is kept
    rung = "rung"  # the doorbell in Redis
    job = "job"  # a job is taken and done
    leased = "leased"  # the right to move something is taken or given back
    written = "written"  # a transaction of rows
    saved = "saved"  # the state of a graph
    model = "model"  # a model is asked
    tool = "tool"  # an agent's tool runs
    checked = "checked"  # a checkpoint judges
    github = "github"  # a write by REST
    committed = "committed"  # a commit in the mirror
    pushed = "pushed"  # a branch on GitHub
    checked_out = "checked_out"  # a worktree is made or removed


class Guard(Protocol):
    """Stands at every boundary of a process."""

    async def cross(self, edge: Edge, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do `act`, or do worse."""
        ...


guard: Guard | None = None

Warrant = Callable[[Edge], Awaitable[None]]
"""Raises when the work at hand may not go on beyond this boundary."""

warrant: ContextVar[Warrant | None] = ContextVar("warrant", default=None)
OUTSIDE = frozenset({Edge.model, Edge.tool, Edge.checked, Edge.github, Edge.pushed})


async def edge(kind: Edge, what: str, act: Callable[[], Awaitable[T]]) -> T:
    """Cross a boundary; `what` names the operation, the same in every run of the same work."""
    if kind in OUTSIDE and (asked := warrant.get()) is not None:
        act = partial(_warranted, asked, kind, act)
    if guard is None:
        return await act()
    return await guard.cross(kind, what, act)


async def _warranted(asked: Warrant, kind: Edge, act: Callable[[], Awaitable[T]]) -> T:
    """Ask as late as possible: a process may be stopped at any moment before."""
    await asked(kind)
    return await act()
