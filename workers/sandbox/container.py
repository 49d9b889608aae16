"""Confines without namespaces, by Landlock and a system-call filter, for containers that refuse them.

Weaker than bubblewrap. Before Linux 6.12 a command of the worker's own user could end the worker by guessing the
number of one of its younger threads; the work then goes on in the next one. `chmod`, `stat` and the like of other
files that the same user owns aren't refused. There is no private loopback and no shared memory, so tests that need
them fail. The number of processes is counted together with the user's other ones.
"""

import marshal
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.domain.sandbox import Command, Limits, Mount, Network, Outcome
from app.errors import SandboxUnavailable
from workers.sandbox import launcher, seccomp, view
from workers.sandbox.hidden import Keeper, remove
from workers.sandbox.limits import resources
from workers.sandbox.process import Descriptors, confine
from workers.sandbox.slots import Slots

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_MOST_PROTECTED = 150  # six filter rules of four instructions for each; a filter has 4096
_SEES_TRUNCATE, _SCOPES_SIGNALS = 3, 6  # versions of Landlock's interface
_MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/filesystems", "/proc/version")


@dataclass(frozen=True)
class Container:
    """Runs each command under Landlock, as an ordinary user."""

    slots: Slots | None = None
    """The uids that root gives to its commands; None for an ordinary user, whose own uid they keep."""
    landlock: int = field(default_factory=launcher.landlock_version)
    """The version of Landlock's interface that is used."""
    name: str = "container"
    _keeper: Keeper = field(default_factory=lambda: Keeper(masks=False))

    async def run(self, command: Command) -> Outcome:
        """Run a command to its end or its limits."""
        with _temporary() as directory, self._keeper.keep(command.mounts):
            mounts = (*command.mounts, Mount(directory, writable=True, hidden=()))
            command = replace(command, mounts=mounts)
            if self.slots is None:
                return await self._confine(command, directory, None)
            async with self.slots.owner(mounts) as uid:
                return await self._confine(command, directory, uid)

    async def _confine(self, command: Command, temporary: Path, uid: int | None) -> Outcome:
        network = command.network is Network.full
        readable = [*view.PROGRAMS, *view.settings(network), *view.toolchains(), *view.MACHINE, *_MACHINE]
        shown = [*readable, *(str(mount.path) for mount in command.mounts)]
        # A user of its own shares no processes with the worker, nor their number.
        threads = _own_threads() if uid is None else []
        with Descriptors() as descriptors:
            spec = {
                "argv": command.argv,
                "cwd": str(command.cwd),
                "env": view.environment(str(temporary / "home"), str(temporary), command.env),
                "readable": [*readable, *(str(mount.path) for mount in command.mounts if not mount.writable)],
                "writable": [str(mount.path) for mount in command.mounts if mount.writable],
                "devices": _DEVICES,
                "network": network,
                "landlock": self.landlock,
                "filter": seccomp.program(_policy(network, self.landlock, threads)),
                "limits": resources(_beside(command.limits, threads)),
                "uid": uid,
                "searching": uid is not None and any(_closed(Path(path)) for path in shown),
                "parent": os.getpid(),
                "status": descriptors.status,
            }
            number = descriptors.file(marshal.dumps(spec))
            argv = [sys.executable, "-I", "-S", "-B", launcher.__file__, str(number)]
            return await confine(argv, descriptors, command, _terminate)


def available(slots: Slots | None) -> Container:
    """Return the recipe.

    Raises SandboxUnavailable on a kernel without Landlock.
    """
    recipe = Container(slots)
    if recipe.landlock == 0:
        raise SandboxUnavailable("this kernel has no Landlock (Linux 5.13, and landlock among its lsm=).")
    return recipe


def _beside(limits: Limits, threads: Sequence[int]) -> Limits:
    """Add what the user runs already, since the kernel counts all of it."""
    return replace(limits, processes=limits.processes + len(threads))


def _policy(network: bool, landlock: int, threads: Sequence[int]) -> seccomp.Policy:
    # A Unix socket is reached by a path, which Landlock doesn't look at, or by a name of the whole network namespace.
    return seccomp.Policy(
        families=seccomp.INTERNET if network else (),
        shared=True,
        protected=tuple(threads[:_MOST_PROTECTED]) if landlock < _SCOPES_SIGNALS else (),
        truncate=landlock >= _SEES_TRUNCATE,
    )


def _own_threads() -> list[int]:
    """List the threads of every process of this user; a process has the number of its first one."""
    threads: list[int] = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == os.getuid():
                threads += (int(thread.name) for thread in (process / "task").iterdir())
    return threads


def _closed(path: Path) -> bool:
    """Say whether others can't reach a path through the directories above it."""
    return any(parent.exists() and not parent.stat().st_mode & 0o001 for parent in path.parents)


@contextmanager
def _temporary() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="aurora-command-"))
    (directory / "home").mkdir()
    try:
        yield directory
    finally:
        remove(directory)


def _terminate(pid: int) -> None:
    """Tell the launcher to end everything; it can't be told by those whom it confines."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
