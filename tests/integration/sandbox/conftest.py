"""Real sandboxes of every kind that this machine allows, and scripts that try to get out of them."""

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from app.domain.sandbox import Command, Limits, Mount, Outcome, Sandbox
from workers.sandbox.container import Container
from workers.sandbox.detect import Refusal, detect

PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")


@pytest.fixture(params=["bubblewrap", "container", "container of Linux 6.1"])
async def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    kind = request.param.split()[0]
    found = await detect(kind)
    if isinstance(found, Refusal):
        pytest.skip(found.reason)
    if isinstance(found, Container) and kind != request.param:
        return replace(found, landlock=min(found.landlock, 2))
    return found


@dataclass
class Inside:
    """A writable tree and the sandbox around it."""

    sandbox: Sandbox
    tree: Path
    env: dict[str, str] = field(default_factory=dict)
    interpreter: str = PYTHON

    def command(self, *argv: str, limits: Limits | None = None, mounts: tuple[Mount, ...] = (), **more) -> Command:
        limits = limits or Limits(seconds=30)
        return Command(argv, self.tree, (Mount(self.tree, writable=True), *mounts), self.env, limits, **more)

    async def run(self, *argv: str, **more) -> Outcome:
        return await self.sandbox.run(self.command(*argv, **more))

    async def python(self, script: str, *arguments: object, **more) -> Outcome:
        """Run a script; what it prints is the evidence."""
        return await self.run(self.interpreter, "-I", "-S", "-c", script, *map(str, arguments), **more)


@pytest.fixture
def inside(sandbox: Sandbox, tmp_path: Path) -> Inside:
    for parent in (tmp_path, *tmp_path.parents):
        # Only the sandbox may stand between the command and what lies here.
        if parent.stat().st_uid == os.getuid() and parent.name.startswith(("pytest", "test")):
            parent.chmod(0o755)
    tree = tmp_path / "tree"
    tree.mkdir()
    return Inside(sandbox, tree)


@pytest.fixture
def alive() -> Callable[[str], Awaitable[bool]]:
    """Say whether a process whose command line contains a marker exists."""
    import asyncio

    def found(marker: str) -> bool:
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                try:
                    line = (process / "cmdline").read_bytes()
                    state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if marker.encode() in line and state != "Z":
                    return True
        return False

    async def check(marker: str) -> bool:
        for _ in range(30):  # the kernel takes a moment to bury the dead
            if not found(marker):
                return False
            await asyncio.sleep(0.1)
        return True

    return check
