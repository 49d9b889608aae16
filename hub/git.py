"""Run git: one place for its environment, its time limit and its failures."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

TIME_LIMIT = 120.0  # seconds; a local repository answers in milliseconds, a huge import in a minute

GLOBAL_CONFIG = """\
[safe]
\tdirectory = *
[gc]
\tauto = 0
[receive]
\thideRefs = refs/pull
\tautogc = false
[http]
\treceivepack = true
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
[core]
\thooksPath = {hooks}
\tquotePath = false
"""


class GitError(Exception):
    """Say what git said when it refused."""

    def __init__(self, status: int, stderr: str, stdout: str = "") -> None:
        super().__init__(stderr.strip() or f"git ended with status {status}")
        self.status = status
        self.stdout = stdout


def write_config(path: Path, hooks: Path) -> None:
    """Write the only configuration that the hub's git reads."""
    path.write_text(GLOBAL_CONFIG.format(hooks=hooks))


def environment(config: Path) -> dict[str, str]:
    """Build an environment that a person's own git settings can't reach."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


async def run(
    arguments: list[str],
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes | None = None,
) -> bytes:
    """Run one git command and return its output; raise GitError when it fails."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=cwd,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(stdin), TIME_LIMIT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise GitError(process.returncode, stderr.decode(errors="replace"), stdout.decode(errors="replace"))
    return stdout
