"""Run a set of programs: start them when they are due, again when they end, and stop them last first."""

import asyncio
import logging
import math
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import ConfigurationError
from workers.local.process import bound, ended, last_words, start, stop

log = logging.getLogger(__name__)

POLL = 0.1  # seconds between looks at a program
SHORTEST_WAIT = 0.5  # seconds before a program that ended is started again; doubled each time
LONGEST_WAIT = 30.0
STEADY = 60.0  # seconds after which a program counts as having run well


@dataclass(frozen=True)
class Program:
    """A program to be kept running; secrets reach it by `environment` only."""

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Callable[[], Awaitable[bool]]  # asked until it says yes
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    restart: bool = True
    start_seconds: float = 60.0
    stop_seconds: float = 10.0


@dataclass
class _Child:
    program: Program
    process: "subprocess.Popen[bytes]"
    started: float
    watch: "asyncio.Task[None] | None" = None


class Supervisor:
    """Holds programs by name; `stop` must be awaited in the end."""

    def __init__(self) -> None:
        """Begin with no program."""
        self._children: dict[str, _Child] = {}

    async def start(self, program: Program) -> None:
        """Start a program and wait until it is ready; raises `ConfigurationError` when it ends or takes too long."""
        child = self._children[program.name] = _start(program)
        await _await_ready(child)
        child.watch = asyncio.create_task(_watch(child), name=f"watch {program.name}")

    def pid(self, name: str) -> int:
        """Return a program's process id."""
        return self._children[name].process.pid

    def running(self, name: str) -> bool:
        """Return whether a program's process is there."""
        return self._children[name].process.poll() is None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a program; killed ones are started again if they are to be."""
        self._children[name].process.send_signal(number)

    async def restart(self, name: str) -> None:
        """Kill a program without warning and start it anew, until it is ready."""
        child = self._children[name]
        await _forget(child)
        await stop(child.process, signal.SIGKILL, 5)
        await self.start(child.program)

    async def remove(self, name: str) -> None:
        """Stop one program for good."""
        child = self._children.pop(name)
        await _forget(child)
        await stop(child.process, signal.SIGTERM, child.program.stop_seconds)

    async def stop(self) -> None:
        """Stop all programs, the last one first."""
        for name in reversed(list(self._children)):
            await self.remove(name)


def _start(program: Program) -> _Child:
    # Each of these can be killed at any moment and loses nothing, so none may outlive us.
    process = start(bound(program.argv, signal.SIGKILL), program.environment, program.log)
    return _Child(program, process, time.monotonic())


async def _await_ready(child: _Child) -> None:
    program = child.program
    deadline = time.monotonic() + program.start_seconds
    while not await program.ready():
        if await ended(child.process, 0.05):
            raise ConfigurationError(f"{program.name} ended while it started: {last_words(program.log)}")
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"{program.name} wasn't ready within {program.start_seconds:g} s; see {program.log}."
            )


async def _watch(child: _Child) -> None:
    wait = SHORTEST_WAIT
    while True:
        await ended(child.process, math.inf, every=POLL)
        program, status = child.program, child.process.returncode
        log.warning("%s ended with status %d; see %s", program.name, status, program.log)
        await stop(child.process, signal.SIGKILL, 0)  # what it started
        if not program.restart:
            return
        wait = SHORTEST_WAIT if time.monotonic() - child.started > STEADY else min(wait * 2, LONGEST_WAIT)
        await asyncio.sleep(wait)
        again = _start(program)
        child.process, child.started = again.process, again.started


async def _forget(child: _Child) -> None:
    if child.watch is not None:
        child.watch.cancel()
        await asyncio.wait([child.watch])
