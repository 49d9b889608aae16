"""Becomes a command as Docker would start it: `python profiled.py UID mask|open PROFILE COMMAND...`.

Applies a seccomp profile with libseccomp, as runc does; root first masks /proc in a mount namespace of its own, and
drops every capability with its uid.
"""

import ctypes
import errno
import json
import os
import sys
from pathlib import Path

OPERATORS = {"SCMP_CMP_NE": 1, "SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sysrq-trigger")
BIND, READ_ONLY, REMOUNT, PRIVATE, NAMESPACE = 4096, 1, 32, 1 << 18 | 1 << 14, 0x20000


class Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def action(rule: dict, default: int) -> int:
    return 0x7FFF0000 if rule["action"] == "SCMP_ACT_ALLOW" else 0x00050000 | rule.get("errnoRet", default)


def load(profile: dict) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    default = profile["defaultErrnoRet"]
    context = ctypes.c_void_p(seccomp.seccomp_init(0x00050000 | default))
    for rule in profile["syscalls"]:
        comparisons = [
            Comparison(part["index"], OPERATORS[part["op"]], part["value"], part["valueTwo"])
            for part in rule.get("args", [])
        ]
        for name in rule["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number == -1:
                continue  # younger than this libseccomp: runc leaves it out as well
            array = (Comparison * max(len(comparisons), 1))(*comparisons)
            result = seccomp.seccomp_rule_add_array(
                context, ctypes.c_uint32(action(rule, default)), number, len(comparisons), array
            )
            assert result in (0, -errno.EACCES), (name, result)  # the same as the default action: no rule is needed
    assert seccomp.seccomp_load(context) == 0


def mask_proc(libc: ctypes.CDLL) -> None:
    def mount(source: str, target: str, flags: int) -> None:
        if libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
            raise OSError(ctypes.get_errno(), target)

    assert libc.unshare(NAMESPACE) == 0
    mount("none", "/", PRIVATE)
    for path in MASKED:
        if Path(path).exists():
            mount("/dev/null", path, BIND)
    mount("/proc/sys", "/proc/sys", BIND)
    mount("/proc/sys", "/proc/sys", BIND | REMOUNT | READ_ONLY)


def drop(uid: int, libc: ctypes.CDLL) -> None:
    for capability in range(64):
        if libc.prctl(24, capability, 0, 0, 0) != 0:
            break
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    uid, proc, path, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    profile = json.loads(Path(path).read_text())
    if os.getuid() == 0:
        if proc == "mask":
            mask_proc(libc)
        drop(int(uid), libc)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    load(profile)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
