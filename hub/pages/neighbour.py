"""Tell whether a browser runs on this machine, as the person who runs the hub."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def is_same_person(request: web.Request) -> bool:
    """Tell whether the connection comes from a process of our own user on this machine.

    The host that was asked for must be this machine by name, too: else a page of another site whose name
    was made to lead here could pass for ours. Without Linux's table of connections nobody is recognised.
    """
    transport = request.transport
    if transport is None or not _is_loopback(request.url.host or ""):
        return False
    peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if not (peer and here and _is_loopback(peer[0]) and _is_loopback(here[0])):
        return False
    return owner_of(int(peer[1]), int(here[1]), _connections()) == os.getuid()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _connections() -> Iterable[str]:
    for table in TABLES:
        try:
            yield from table.read_text().splitlines()[1:]
        except OSError:
            continue


def owner_of(port: int, peer_port: int, connections: Iterable[str]) -> int | None:
    """Find the user whose socket has these two ports, in the lines of /proc/net/tcp.

    https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt
    """
    for line in connections:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and int(fields[2].rpartition(":")[2], 16) == peer_port:
            return int(fields[7])
    return None
