"""Turns limits into what the kernel enforces per process."""

import os

from app.domain.sandbox import Limits


def resources(limits: Limits) -> dict[str, int]:
    """Return resource limits by prlimit's names.

    Memory is bounded by private data, not by address space: several runtimes reserve far more than they use.
    """
    cpu_seconds = int(limits.seconds * (os.cpu_count() or 1)) + 10  # the wall clock comes first; this is the net below
    return {
        "data": limits.memory,
        "fsize": limits.file,
        "nproc": limits.processes,
        "nofile": limits.open_files,
        "cpu": cpu_seconds,
        "core": 0,
    }
