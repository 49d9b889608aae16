"""Confines without namespaces, by Landlock and a system-call filter, for containers that refuse them.

Weaker than bubblewrap in what it leaves: other processes' names can't be hidden from `kill` before Linux 6.12 (an
ordinary user's command could end the worker there, which then starts again); `chmod` and `stat` of files that
the same user owns elsewhere aren't refused; there is no loopback network and no shared memory, so tests that need
these fail; and the number of processes is counted together with the user's other ones.
"""

import marshal
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.domain.sandbox import Command, Mount, Network, Outcome
from app.errors import SandboxUnavailable
from workers.sandbox import launcher, seccomp, view
from workers.sandbox.hidden import Keeper
from workers.sandbox.limits import resources
from workers.sandbox.process import Descriptors, confine
from workers.sandbox.slots import Slots

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
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
                "filter": seccomp.program(_policy(network, self.landlock)),
                "limits": resources(command.limits) | _processes(command, uid),
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


def _policy(network: bool, landlock: int) -> seccomp.Policy:
    # A Unix socket is reached by a path, which Landlock doesn't look at, or by a name of the whole network namespace.
    families = seccomp.INTERNET if network else ()
    return seccomp.Policy(families, datagram_pairs=False, truncate=landlock >= 3)


def _processes(command: Command, uid: int | None) -> dict[str, int]:
    """Count what the user runs already: the kernel's limit is for all of it."""
    if uid is not None:
        return {}
    running = 0
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == os.getuid():
                running += len(list((process / "task").iterdir()))
    return {"nproc": running + command.limits.processes}


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
        shutil.rmtree(directory, ignore_errors=True)


def _terminate(pid: int) -> None:
    """Tell the launcher to end everything; it can't be told by those whom it confines."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
