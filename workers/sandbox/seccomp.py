"""System-call filters, assembled by hand."""

import errno
import platform
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.errors import SandboxUnavailable
from workers.sandbox.syscalls import ABSENT, EXAMINED, REFUSED

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN, _FAR = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06, 0x05
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that clone takes
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_SIGNAL_OWNER_IOCTL = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
_SIGNAL_OWNER_FCNTL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
_SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open")
_OF_OTHERS = {
    "prlimit64": 0,
    "sched_setparam": 0,
    "sched_setscheduler": 0,
    "sched_setaffinity": 0,
    "sched_setattr": 0,
    "setpriority": 1,
    "ioprio_set": 1,
}
"""The argument that names a process, by call."""

INTERNET = (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)


@dataclass(frozen=True)
class Policy:
    """What differs between recipes; all else is refused alike."""

    families: tuple[int, ...]
    """Address families that `socket` opens. Never vsock, which no network namespace confines."""
    shared: bool = False
    """No namespaces of its own: the host's Unix sockets and, by the same user, processes are within reach."""
    protected: tuple[int, ...] = ()
    """Processes and threads that get no signals; for a kernel that can't tell ours from others."""
    truncate: bool = True
    """By path: early Landlock doesn't see it."""


def _instruction(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)


def _argument(index: int) -> bytes:
    """Load the low half of an argument; the kernel takes these arguments as 32 bits too."""
    return _instruction(_LOAD, _ARGUMENTS + 8 * index)


def _answer(error: int | None) -> bytes:
    return _instruction(_RETURN, _ALLOW if error is None else _ERRNO | error)


def _only(index: int, values: Iterable[int], error: int) -> bytes:
    allowed = b"".join(_instruction(_EQUAL, value, 0, 1) + _answer(None) for value in values)
    return _argument(index) + allowed + _answer(error)


def _none_of(index: int, values: Iterable[int], error: int) -> bytes:
    refused = b"".join(_instruction(_EQUAL, value, 0, 1) + _answer(error) for value in values)
    return _argument(index) + refused + _answer(None)


def _no_namespaces() -> bytes:
    return _argument(0) + _instruction(_ANY_BIT, _NAMESPACES, 0, 1) + _answer(errno.EPERM) + _answer(None)


def _local_pairs(streams_only: bool) -> bytes:
    """Allow pairs of Unix sockets; one of datagrams could be sent to any other socket."""
    local = _argument(0) + _instruction(_EQUAL, socket.AF_UNIX, 1, 0) + _answer(errno.EACCES)
    if not streams_only:
        return local + _answer(None)
    kind = _argument(1) + _instruction(_AND, 0xF)
    return local + kind + _instruction(_EQUAL, socket.SOCK_DGRAM, 0, 1) + _answer(errno.EACCES) + _answer(None)


def _others_than(pids: Iterable[int]) -> bytes:
    """Allow signals, but not to these, to the groups that they lead (negative), or to all (-1)."""
    groups = (2**32 - pid for pid in (1, *pids))
    return _none_of(0, (*pids, *groups), errno.EPERM)


def _when(number: int, body: bytes) -> bytes:
    """Answer one call by `body`; a long way round needs the far jump."""
    return _instruction(_EQUAL, number, 1, 0) + _instruction(_FAR, len(body) // 8) + body


def _examined(policy: Policy) -> Iterator[tuple[str, bytes]]:
    yield "clone", _no_namespaces()
    yield "socket", _only(0, policy.families, errno.EACCES)
    yield "socketpair", _local_pairs(streams_only=policy.shared)
    owners = _SIGNAL_OWNER_IOCTL if policy.shared else ()
    yield "ioctl", _none_of(1, (*_TERMINAL_INJECTION, *owners), errno.EPERM)
    if not policy.truncate:
        yield "truncate", _answer(errno.EPERM)
    if policy.shared:
        yield "fcntl", _none_of(1, _SIGNAL_OWNER_FCNTL, errno.EPERM)
        for name, index in _OF_OTHERS.items():
            yield name, _only(index, (0,), errno.EPERM)
    if policy.protected:
        for name in _SIGNALS:
            yield name, _others_than(policy.protected)


def program(policy: Policy, machine: str | None = None) -> bytes:
    """Assemble a filter for this machine, as `struct sock_filter[]`.

    Raises SandboxUnavailable on an architecture whose calls it doesn't know.
    """
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise SandboxUnavailable(f"the system-call filter knows x86_64 and aarch64, and this machine is {machine}.")
    column, arch = _MACHINES[machine]
    code = _instruction(_LOAD, _ARCH) + _instruction(_EQUAL, arch, 1, 0) + _instruction(_RETURN, _KILL)
    code += _instruction(_LOAD, _NUMBER)
    if machine == "x86_64":
        code += _instruction(_AT_LEAST, _X32, 0, 1) + _answer(errno.ENOSYS)
    rules = [(REFUSED[name], _answer(errno.EPERM)) for name in REFUSED]
    rules += [(ABSENT[name], _answer(errno.ENOSYS)) for name in ABSENT]
    rules += [(EXAMINED[name], body) for name, body in _examined(policy)]
    for numbers, body in rules:
        number = numbers[column]
        if number is not None:
            code += _when(number, body)
    return code + _answer(None)
