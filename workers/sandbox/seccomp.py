"""System-call filters, assembled by hand: what no test suite needs and an attacker would like."""

import errno
import platform
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import SandboxUnavailable

# (x86_64, aarch64); None where the architecture has no such call. From asm/unistd_64.h and asm-generic/unistd.h.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    # Looking into or steering other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # Kernel surface with a history.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "modify_ldt": (154, None),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # Another view of the file system, or a way around this one.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    # The machine itself.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# Answered "no such call", so that programs take their ordinary way instead: clone3 hides its flags from a filter,
# io_uring passes by filters altogether, memory files escape the memory limit.
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
_CLONE, _SOCKET, _SOCKETPAIR, _IOCTL, _TRUNCATE = (56, 220), (41, 198), (53, 199), (16, 29), (76, 45)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that clone takes
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCH = 0, 4
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

INTERNET = (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)


@dataclass(frozen=True)
class Policy:
    """What differs between recipes; all else is refused alike."""

    families: tuple[int, ...]
    """Address families that `socket` opens. Never vsock, which no network namespace confines."""
    datagram_pairs: bool = True
    """A datagram socketpair can be sent elsewhere: harmless only where no foreign Unix socket can be reached."""
    truncate: bool = True
    """By path: early Landlock doesn't see it."""


def _instruction(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)


def _argument(index: int) -> bytes:
    """Load the low half of an argument; the kernel takes these arguments as 32 bits too."""
    return _instruction(_LOAD, 16 + 8 * index)


def _block(number: int, body: bytes) -> bytes:
    """Run `body` for one call only; it must end in an answer."""
    return _instruction(_EQUAL, number, 0, len(body) // 8) + body


def _answer(error: int | None) -> bytes:
    return _instruction(_RETURN, _ALLOW if error is None else _ERRNO | error)


def _only(index: int, values: Iterable[int], error: int) -> bytes:
    allowed = b"".join(_instruction(_EQUAL, value, 0, 1) + _answer(None) for value in values)
    return _argument(index) + allowed + _answer(error)


def _none_of(index: int, values: Iterable[int], error: int) -> bytes:
    refused = b"".join(_instruction(_EQUAL, value, 0, 1) + _answer(error) for value in values)
    return _argument(index) + refused + _answer(None)


def _pairs(policy: Policy) -> bytes:
    local = _argument(0) + _instruction(_EQUAL, socket.AF_UNIX, 1, 0) + _answer(errno.EACCES)
    if policy.datagram_pairs:
        return local + _answer(None)
    kind = _argument(1) + _instruction(_AND, 0xF)
    return local + kind + _instruction(_EQUAL, socket.SOCK_DGRAM, 0, 1) + _answer(errno.EACCES) + _answer(None)


def program(policy: Policy, machine: str | None = None) -> bytes:
    """Assemble a filter for this machine, as `struct sock_filter[]`.

    Raises SandboxUnavailable on an architecture whose calls it doesn't know.
    """
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise SandboxUnavailable(f"The system-call filter knows x86_64 and aarch64, and this machine is {machine}.")
    column, arch = _MACHINES[machine]
    code = _instruction(_LOAD, _ARCH) + _instruction(_EQUAL, arch, 1, 0) + _instruction(_RETURN, _KILL)
    code += _instruction(_LOAD, _NUMBER)
    if machine == "x86_64":
        code += _instruction(_AT_LEAST, _X32, 0, 1) + _answer(errno.ENOSYS)
    for calls, error in ((_CALLS, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        for numbers in calls.values():
            number = numbers[column]
            if number is not None:
                code += _instruction(_EQUAL, number, 0, 1) + _answer(error)
    if not policy.truncate:
        code += _instruction(_EQUAL, _TRUNCATE[column], 0, 1) + _answer(errno.EPERM)
    namespaces = _argument(0) + _instruction(_ANY_BIT, _NAMESPACES, 0, 1) + _answer(errno.EPERM) + _answer(None)
    code += _block(_CLONE[column], namespaces)
    code += _block(_SOCKET[column], _only(0, policy.families, errno.EACCES))
    code += _block(_SOCKETPAIR[column], _pairs(policy))
    code += _block(_IOCTL[column], _none_of(1, _TERMINAL_INJECTION, errno.EPERM))
    return code + _answer(None)
