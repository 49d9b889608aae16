"""What it means to run a command that nobody trusts: the request, its limits, its outcome, and who can run it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

MIB = 1024**2
GIB = 1024**3


class Network(StrEnum):
    """How far a command may reach."""

    none = "none"
    """Its own loopback at most; nothing of the host or beyond."""
    full = "full"
    """Whatever the host reaches. Only for installing what the base branch declares, before any written code exists."""


class Stopped(StrEnum):
    """Why the sandbox ended a command that had not ended by itself."""

    time = "time"
    output = "output"
    memory = "memory"
    disk = "disk"


@dataclass(frozen=True)
class Limits:
    """Bounds of one command and everything that it starts; sizes in bytes."""

    seconds: float = 300
    memory: int = 2 * GIB
    """Private memory of one process."""
    total_memory: int = 4 * GIB
    """Memory of all its processes together, looked at a few times a second."""
    file: int = 256 * MIB
    """The largest file that it can write."""
    disk: int = 4 * GIB
    """What its writable mounts may hold, looked at when the file system fills quickly."""
    temporary: int = 512 * MIB
    """The size of its private /tmp."""
    processes: int = 256
    open_files: int = 4096
    output: int = MIB
    """What is kept of each stream, first half and last half; writing 64 times as much ends the command."""


@dataclass(frozen=True)
class Mount:
    """A host path that is visible inside, at the same absolute path, so that a virtual environment's scripts,
    error messages and annotations need no translation."""

    path: Path
    writable: bool = False
    hidden: tuple[str, ...] = (".git",)
    """Direct children that can't be read or changed inside, nor made where they don't exist yet."""


@dataclass(frozen=True)
class Command:
    """One program to run. Only `env` is passed on, over a minimal PATH, HOME, TMPDIR and LANG."""

    argv: tuple[str, ...]
    cwd: Path
    """Inside one of the mounts."""
    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    network: Network = Network.none
    stdin: bytes = b""
    merged: bool = False
    """Let stderr follow stdout in the order written, all in `Outcome.stdout`."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `exit_code` follows the shell: 127 not found, 128 + n ended by signal n."""

    exit_code: int | None
    """None when it was stopped."""
    stdout: bytes
    stderr: bytes
    seconds: float
    stopped: Stopped | None = None

    @property
    def ok(self) -> bool:
        """Say whether it ended by itself and with success."""
        return self.exit_code == 0

    @property
    def timed_out(self) -> bool:
        """Say whether the wall clock ended it."""
        return self.stopped is Stopped.time

    @property
    def killed_by(self) -> str | None:
        """Name the limit or the signal that ended it, if one did."""
        if self.stopped is not None:
            return self.stopped.value
        if self.exit_code is None or self.exit_code <= 128:
            return None
        try:
            return signal.Signals(self.exit_code - 128).name
        except ValueError:
            return None

    def describe(self) -> str:
        """Tell a person in one clause how it ended."""
        if self.stopped is not None:
            return f"{_STOPPED[self.stopped]} after {self.seconds:.1f} s"
        if self.killed_by is not None:
            return f"was ended by {self.killed_by} after {self.seconds:.1f} s"
        return f"ended with exit code {self.exit_code} after {self.seconds:.1f} s"


_STOPPED = {
    Stopped.time: "was stopped by its time limit",
    Stopped.output: "was stopped because it wrote without end",
    Stopped.memory: "was stopped because it used too much memory",
    Stopped.disk: "was stopped because it filled the disk",
}


class Sandbox(Protocol):
    """Runs commands that come from a repository or a model."""

    @property
    def name(self) -> str:
        """The recipe, as shown to operators: bubblewrap, container or none."""
        ...

    async def run(self, command: Command) -> Outcome:
        """Run a command to its end or its limits; nothing that it started is left.

        Raises `app.errors.SandboxUnavailable` when it can't be confined. Cancelling kills everything that it started.
        """
        ...
