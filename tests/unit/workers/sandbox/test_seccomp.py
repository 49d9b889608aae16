"""The assembled filter, run by a small interpreter of its instructions, on both architectures."""

import errno
import socket
import struct

import pytest

from app.errors import SandboxUnavailable
from workers.sandbox.seccomp import INTERNET, Policy, program
from workers.sandbox.syscalls import ABSENT, EXAMINED, REFUSED

ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOWED = None
LOCAL = Policy(families=(*INTERNET, socket.AF_UNIX))
SHARED = Policy(families=(), shared=True, protected=(40, 77), truncate=False)


def answer(code: bytes, arch: int, number: int, *arguments: int) -> int | str | None:
    """Interpret a filter as the kernel does; return the error number, "killed", or None for allowed."""
    padded = [argument & 2**64 - 1 for argument in (*arguments, *[0] * 6)[:6]]
    data = struct.pack("=iIQ6Q", number, arch, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", code))
    assert len(instructions) <= 4096
    accumulator, position = 0, 0
    while True:
        operation, yes, no, k = instructions[position]
        position += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x54:
                accumulator &= k
            case 0x05:
                position += k
            case 0x15:
                position += yes if accumulator == k else no
            case 0x35:
                position += yes if accumulator >= k else no
            case 0x45:
                position += yes if accumulator & k else no
            case 0x06:
                return {0x7FFF0000: ALLOWED, 0x80000000: "killed"}.get(k, k & 0xFFFF)
            case _:
                raise AssertionError(f"unknown instruction {operation:#x}")


@pytest.fixture(params=ARCHES)
def judge(request):
    machine = request.param
    column, arch = ARCHES[machine]

    def ask(policy: Policy, name: str | int, *arguments: int):
        number = name if isinstance(name, int) else {**REFUSED, **ABSENT, **EXAMINED}[name][column]
        return ALLOWED if number is None else answer(program(policy, machine), arch, number, *arguments)

    return ask


def test_ordinary_calls_are_allowed(judge):
    assert (
        judge(LOCAL, 0) is judge(LOCAL, 63) is judge(LOCAL, "kill", -1 & 2**64 - 1) is judge(LOCAL, "truncate") is None
    )


def test_every_refused_and_absent_call_has_its_answer():
    for machine, (column, arch) in ARCHES.items():
        code = program(LOCAL, machine)
        for names, expected in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
            answers = {answer(code, arch, numbers[column]) for numbers in names.values() if numbers[column] is not None}
            assert answers == {expected}


def test_a_foreign_architecture_is_killed():
    assert answer(program(LOCAL, "x86_64"), 0x40000003, 11) == "killed"


def test_the_x32_calls_are_absent():
    assert answer(program(LOCAL, "x86_64"), 0xC000003E, 0x40000000 + 101) == errno.ENOSYS


def test_a_machine_without_a_table_is_refused():
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        program(LOCAL, "riscv64")


def test_threads_and_forks_are_allowed_and_namespaces_are_not(judge):
    assert judge(LOCAL, "clone", 0x3D0F00) is None
    assert judge(LOCAL, "clone", 17) is None
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert judge(LOCAL, "clone", flag | 17) == errno.EPERM


def test_only_the_named_families_open(judge):
    assert judge(LOCAL, "socket", socket.AF_UNIX) is judge(LOCAL, "socket", socket.AF_INET6) is None
    assert judge(LOCAL, "socket", socket.AF_VSOCK) == judge(SHARED, "socket", socket.AF_UNIX) == errno.EACCES


def test_pairs_are_local_and_of_streams_where_other_sockets_are_within_reach(judge):
    assert judge(LOCAL, "socketpair", socket.AF_UNIX, socket.SOCK_DGRAM) is None
    assert judge(SHARED, "socketpair", socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) is None
    assert judge(SHARED, "socketpair", socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) == errno.EACCES
    assert judge(LOCAL, "socketpair", socket.AF_INET, socket.SOCK_STREAM) == errno.EACCES


def test_typing_into_a_terminal_is_refused(judge):
    assert judge(LOCAL, "ioctl", 0, 0x5412) == errno.EPERM
    assert judge(LOCAL, "ioctl", 0, 0x5401) is None


@pytest.mark.parametrize("name", ["kill", "tkill", "tgkill", "pidfd_open", "rt_sigqueueinfo", "rt_tgsigqueueinfo"])
def test_protected_processes_and_their_groups_get_no_signals(judge, name):
    assert [judge(SHARED, name, pid) for pid in (40, 77, -40, -77, -1)] == [errno.EPERM] * 5
    assert [judge(SHARED, name, pid) for pid in (0, 41, -41)] == [None] * 3


def test_limits_and_priorities_of_other_processes_cannot_be_set(judge):
    assert judge(SHARED, "prlimit64", 0, 7) is judge(SHARED, "setpriority", 0, 0, 5) is None
    assert judge(SHARED, "prlimit64", 1234, 7) == judge(SHARED, "setpriority", 0, 1234, 5) == errno.EPERM


def test_signals_cannot_be_sent_by_way_of_a_descriptor(judge):
    assert judge(SHARED, "fcntl", 3, 8) == judge(SHARED, "ioctl", 3, 0x8901) == errno.EPERM
    assert judge(SHARED, "fcntl", 3, 1) is None


def test_truncating_by_path_is_refused_where_landlock_does_not_see_it(judge):
    assert judge(SHARED, "truncate") == errno.EPERM


def test_the_filter_stays_within_the_kernels_bound_with_many_processes():
    many = Policy(families=(), shared=True, protected=tuple(range(1000, 1150)))
    assert len(program(many, "x86_64")) // 8 <= 4096
