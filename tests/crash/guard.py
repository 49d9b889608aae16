"""What stands at every boundary of a process under test: it counts crossings, writes them down, and strikes at one."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx
import openai
import psycopg
import redis.exceptions

from app.edges import Edge
from app.errors import GitError, Transient

T = TypeVar("T")


class How(StrEnum):
    """The four ways in which a crossing may go wrong."""

    before = "before"  # killed before the act
    after = "after"  # killed after it
    lost = "lost"  # the act is done, its answer lost, and the process lives on
    stall = "stall"  # stopped before the act, until a successor has finished


@dataclass(frozen=True)
class Fault:
    """Strike at the `nth` crossing (from 1) of a kind and operation, in the first process of a role."""

    role: str
    kind: str
    what: str
    nth: int
    how: How

    @property
    def point(self) -> str:
        """Return the line by which the list of points knows it."""
        return f"{self.role} {self.kind} {self.what}"

    def __str__(self) -> str:
        return f"{self.point} #{self.nth} {self.how}"


def _unanswered() -> Exception:
    return openai.APIConnectionError(request=httpx.Request("POST", "http://model.test"))


# What the adapter at the boundary raises when the other side did its part and the answer got lost.
LOST: dict[Edge, Callable[[], Exception]] = {
    Edge.stored: lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    Edge.rung: lambda: redis.exceptions.ConnectionError("Connection closed by server."),
    Edge.job: lambda: redis.exceptions.ConnectionError("Connection closed by server."),
    Edge.leased: lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    Edge.written: lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    Edge.saved: lambda: psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly"),
    Edge.model: _unanswered,
    Edge.tool: lambda: OSError(5, "Input/output error"),
    Edge.checked: lambda: OSError(5, "Input/output error"),
    Edge.github: lambda: Transient("GitHub can't be reached: ServerDisconnectedError."),
    Edge.committed: lambda: GitError("git commit-tree failed: signal: terminated"),
    Edge.pushed: lambda: Transient("git push failed: the remote end hung up unexpectedly"),
    Edge.checked_out: lambda: OSError(5, "Input/output error"),
}


class Striking:
    """Implements `Guard`: writes each crossing to a file that outlives the process, and strikes at one of them."""

    def __init__(self, role: str, file: Path, fault: Fault | None) -> None:
        """Append to `file`; a fault meant for another role never strikes here."""
        self._role, self._fault = role, fault if fault and fault.role == role else None
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._seen: Counter[tuple[str, str]] = Counter()

    async def cross(self, edge: Edge, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do `act`, or do worse."""
        self._seen[edge, what] += 1
        nth = self._seen[edge, what]
        struck = self._fault is not None and (edge, what, nth) == (self._fault.kind, self._fault.what, self._fault.nth)
        how = self._fault.how if struck and self._fault else None
        self._write(edge, what, nth, how, "begins")
        if how is How.before:
            os.kill(os.getpid(), signal.SIGKILL)
        if how is How.stall:
            os.kill(os.getpid(), signal.SIGSTOP)
        result = await act()
        if how is How.after:
            os.kill(os.getpid(), signal.SIGKILL)
        self._write(edge, what, nth, how, "ends")
        if how is How.lost:
            raise LOST[edge]()
        return result

    def _write(self, edge: Edge, what: str, nth: int, how: How | None, state: str) -> None:
        crossing = Crossing(time.time(), os.getpid(), self._role, edge.value, what, nth, how, state)
        os.write(self._file, json.dumps(asdict(crossing)).encode() + b"\n")


@dataclass(frozen=True)
class Crossing:
    """One line of the file of crossings."""

    time: float  # seconds since the epoch
    pid: int
    role: str
    kind: str
    what: str
    nth: int
    how: How | None
    state: str  # begins, ends

    @property
    def is_routine(self) -> bool:
        """Tell whether it goes on and on while nothing is done."""
        return self.kind == Edge.leased and self.what.endswith("recovery")

    @property
    def point(self) -> str:
        """Return the line by which the list of points knows it."""
        return f"{self.role} {self.kind} {self.what}"


def read_crossings(file: Path) -> list[Crossing]:
    """Return what the processes of a run wrote down, in order."""
    if not file.exists():
        return []
    whole, _, _being_written = file.read_text().rpartition("\n")
    return [Crossing(**json.loads(line)) for line in whole.splitlines()]
