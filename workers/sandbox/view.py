"""What of the host a confined command sees besides its mounts: programs and libraries, never data."""

import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Directories, or links into /usr."""

_ETC = (
    "ld.so.cache ld.so.conf ld.so.conf.d alternatives ssl ca-certificates pki localtime timezone mime.types "
    "services protocols os-release debian_version terminfo inputrc java fonts python3 python3.11 bash.bashrc"
)
_ETC_NETWORK = "resolv.conf hosts nsswitch.conf gai.conf host.conf"
MACHINE = ("/sys/devices/system/cpu",)
"""Where programs learn how many processors there are."""

TEMPORARY, HOME = "/tmp", "/tmp/home"  # noqa: S108 - inside, where they are private
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - inside as well
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
SWITCH = "passwd: files\ngroup: files\nhosts: files\n"


def settings(network: bool) -> list[str]:
    """List the files and directories of /etc that are visible."""
    names = _ETC + (f" {_ETC_NETWORK}" if network else "")
    return [path for name in names.split() if Path(path := f"/etc/{name}").exists()]


def accounts(uid: int) -> dict[str, str]:
    """Name the one user and group that exist inside, for programs that ask who they are."""
    return {
        "/etc/passwd": f"root:x:0:0::/:/usr/sbin/nologin\nsandbox:x:{uid}:{uid}::/tmp/home:/bin/sh\n",
        "/etc/group": f"root:x:0:\nsandbox:x:{uid}:\n",
    }


@cache
def toolchains() -> tuple[str, ...]:
    """List the homes of interpreters that live outside /usr, so that environments made from them work."""
    homes = [Path(sys.base_prefix)]
    node = shutil.which("node")
    if node is not None:
        homes.append(Path(node).resolve().parent.parent)
    outside = (home.resolve() for home in homes if not home.resolve().is_relative_to("/usr"))
    return tuple(dict.fromkeys(str(home) for home in outside if home != Path("/")))


def environment(home: str, temporary: str, given: Mapping[str, str]) -> dict[str, str]:
    """Complete the given variables with the few that programs can't do without."""
    basic = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
    }
    return basic | dict(given)
