"""Confines one command by Landlock, a system-call filter and resource limits, and kills all that it leaves behind.

Runs as a program of its own, in an interpreter without site packages: `python -I -S launcher.py DESCRIPTOR`. What to
do comes marshalled on the descriptor; what happened goes, as JSON lines, to the descriptor named there. It imports
little, since every import is paid for by every command: json, typing and signal's enums would double its 12 ms.

Where no process namespace can be had, three things replace it: this process adopts whatever its command orphans
(a subreaper); Landlock keeps the command from signalling anything outside; and this process puts itself in an outer
Landlock domain around the command's, from where one `kill(-1)` ends just the command, however fast it forks.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # typeshed leaves out private modules
import ctypes
import marshal
import os
import resource
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_KEEPCAPS = 1, 22, 24, 8
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
AMBIENT_RAISE, FILTER_MODE = 2, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, CAPSET = 444, 445, 446, {"x86_64": 126, "aarch64": 91}
CAP_DAC_READ_SEARCH = 2

# Landlock's rights, by the version of its interface that brought them (linux/landlock.h).
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
TCP = 3
ABSTRACT_SOCKETS, SIGNALS = 1, 2


class Refused(Exception):
    """The kernel refused a step of the confinement."""


def landlock_version() -> int:
    """Return the version of Landlock's interface, 0 where there is none."""
    return max(0, int(LIBC.syscall(CREATE_RULESET, None, 0, 1)))


def check(result: int, step: str) -> int:
    if result < 0:
        raise Refused(f"{step}: {os.strerror(ctypes.get_errno())}")
    return result


def control(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    check(LIBC.prctl(option, *padded), f"prctl {option}")


def ruleset(version: int, rights: int, tcp: int, scoped: int) -> int:
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = (ctypes.c_uint64 * 3)(rights, tcp, scoped)
    return check(LIBC.syscall(CREATE_RULESET, attributes, size, 0), "Landlock ruleset")


def allow(rules: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not here: nothing to allow
    if not stat.S_ISDIR(os.fstat(beneath).st_mode):
        rights &= FILE_RIGHTS
    attributes = ctypes.create_string_buffer(rights.to_bytes(8, "little") + beneath.to_bytes(4, "little"), 12)
    check(LIBC.syscall(ADD_RULE, rules, 1, attributes, 0), f"Landlock rule for {path}")
    os.close(beneath)


def enforce(rules: int) -> None:
    check(LIBC.syscall(RESTRICT_SELF, rules, 0), "Landlock")
    os.close(rules)


def restrict_files(spec: dict[str, Any]) -> None:
    version = spec["landlock"]
    every = RIGHTS[max(known for known in RIGHTS if known <= version)]
    scoped = ABSTRACT_SOCKETS | SIGNALS if version >= 6 else 0
    rules = ruleset(version, every, 0 if spec["network"] or version < 4 else TCP, scoped)
    for path in spec["readable"]:
        allow(rules, path, EXECUTE | READ_FILE | READ_DIR)
    # Its own entry, which node asks for its memory; those of other processes, its children too, stay closed.
    allow(rules, f"/proc/{os.getpid()}", READ_FILE | READ_DIR)
    for path in spec["devices"]:
        allow(rules, path, (READ_FILE | WRITE_FILE | TRUNCATE) & every)
    for path in spec["writable"]:
        allow(rules, path, every & ~IOCTL)
    enforce(rules)


def become(uid: int, searching: bool) -> None:
    """Leave root for good; `searching` keeps the right to pass through directories closed to others.

    It is needed where an interpreter lives in root's home; Landlock decides what can be read all the same.
    """
    for capability in range(64):
        if searching and capability == CAP_DAC_READ_SEARCH:
            continue
        if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    control(PR_SET_KEEPCAPS, int(searching))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if searching:
        bit = 1 << CAP_DAC_READ_SEARCH
        header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        check(LIBC.syscall(CAPSET[os.uname().machine], header, data), "capset")
        control(PR_CAP_AMBIENT, AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def filter_calls(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    header = len(program) // 8
    fields = ctypes.create_string_buffer(
        header.to_bytes(2, "little") + bytes(6) + ctypes.addressof(code).to_bytes(8, "little"), 16
    )
    control(PR_SET_SECCOMP, FILTER_MODE, ctypes.addressof(fields))


def limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        hard = resource.getrlimit(number)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (bound, bound))


def run_command(spec: dict[str, Any], failure: int) -> NoReturn:
    """Confine this process and become the command; a step that fails is told on `failure`."""
    try:
        limit(spec["limits"])
        if spec["uid"] is not None:
            become(spec["uid"], spec["searching"])
        control(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()  # or a signal to its own group would reach the process that watches over it
        control(PR_SET_NO_NEW_PRIVS, 1)
        restrict_files(spec)
        os.chdir(spec["cwd"])
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and so would the command
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        filter_calls(spec["filter"])
    except (Refused, OSError, ValueError) as error:
        os.write(failure, str(error).encode())
        os._exit(126)
    try:
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - no shell is wanted
    except FileNotFoundError:
        os.write(2, f"{spec['argv'][0]}: not found\n".encode())
        os._exit(127)
    except OSError as error:
        os.write(2, f"{spec['argv'][0]}: {error.strerror}\n".encode())
        os._exit(126)


def kill_everything(version: int) -> None:
    """Kill all that the command started, and nothing else."""
    if version < 6:
        for child in children(os.getpid()):
            os.kill(child, signal.SIGKILL)
        return
    try:
        os.kill(-1, signal.SIGKILL)  # what is in our domain; the kernel holds off forks meanwhile
    except (ProcessLookupError, PermissionError):
        return  # nothing is left


def children(pid: int) -> list[int]:
    """List what is below a process, each stopped before its children are looked for, so that it forks no more."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as listing:  # noqa: PTH123 - pathlib is slow to import
            direct = [int(child) for child in listing.read().split()]
    except OSError:
        return []
    found = []
    for child in direct:
        os.kill(child, signal.SIGSTOP)
        found += [child, *children(child)]
    return found


def reap(pid: int) -> int | None:
    """Bury every dead child; return the wait status of `pid` if it was among them."""
    found = None
    while True:
        try:
            dead, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if dead == 0:
            return found
        if dead == pid:
            found = status


def end(spec: dict[str, Any]) -> None:
    """Kill until nothing is left to wait for."""
    while True:
        kill_everything(spec["landlock"])
        for _ in range(100):
            try:
                dead, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if dead == 0:
                time.sleep(0.001)


def supervise(pid: int, spec: dict[str, Any]) -> int | None:
    """Wait for the command, or for the word to end it; return its exit code as a shell would."""
    status = None
    while status is None:
        number = signal.sigwait({signal.SIGCHLD, signal.SIGTERM})
        if number == signal.SIGTERM:
            break
        status = reap(pid)
    end(spec)
    if status is None:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def start(spec: dict[str, Any]) -> int:
    """Fork the command; return its pid once it runs.

    Raises Refused with the step that failed.
    """
    told, failure = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        run_command(spec, failure)
    os.close(failure)
    with os.fdopen(told, "rb") as reader:
        reason = reader.read()
    if reason:
        raise Refused(reason.decode())
    return pid


def main() -> int:
    """Do what the descriptor says."""
    with os.fdopen(int(sys.argv[1]), "rb") as reader:
        spec = marshal.loads(reader.read())  # noqa: S302 - written by our own parent
    os.set_inheritable(spec["status"], False)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    try:
        control(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != spec["parent"]:
            return 1
        control(PR_SET_CHILD_SUBREAPER, 1)
        control(PR_SET_NO_NEW_PRIVS, 1)
        if spec["landlock"] >= 6:
            enforce(ruleset(spec["landlock"], 0, 0, SIGNALS))
        pid = start(spec)
    except Refused as error:
        os.write(2, f"{error}\n".encode())
        return 1
    os.write(spec["status"], b'{"child-pid": %d}\n' % os.getpid())
    code = supervise(pid, spec)
    if code is not None:
        os.write(spec["status"], b'{"exit-code": %d}\n' % code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
