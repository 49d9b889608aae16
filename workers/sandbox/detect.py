"""Finds the strongest way of confining commands that really works on this machine."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.domain.sandbox import Command, Limits, Mount, Outcome, Sandbox
from app.errors import ConfigurationError, SandboxUnavailable
from workers.sandbox import container
from workers.sandbox.bubblewrap import Bubblewrap, binary
from workers.sandbox.slots import Slots

_KINDS = ("auto", "bubblewrap", "container", "none")
_PROBE = Limits(seconds=20, processes=64)
_MARK = "AURORA_SANDBOX_PROBE"
_SCRIPT = """
cat "$1" 2>/dev/null && exit 10
for pid in /proc/[0-9]*; do cat $pid/environ 2>/dev/null | grep -q "$2" && exit 11; done
(echo sandbox > /proc/sys/kernel/domainname) 2>/dev/null && exit 12
[ "$(id -u)" = 0 ] && exit 13
echo written > made && exit 42
"""
_FAILURES = {
    10: "a file of the host could be read",
    11: "another process's environment could be read",
    12: "a kernel setting could be written",
    13: "commands would run as root",
}


@dataclass(frozen=True)
class Refusal:
    """Stands where no recipe works: refuses every command and says why."""

    reason: str
    name: str = "none"

    async def run(self, command: Command) -> Outcome:  # noqa: ARG002 - nothing is run
        """Refuse."""
        raise SandboxUnavailable(self.reason)


async def detect(kind: str = "auto") -> Sandbox:
    """Return the first recipe whose probe holds, or a `Refusal`; `kind` is the setting AURORA_SANDBOX.

    Raises ConfigurationError for a kind that doesn't exist.
    """
    if kind not in _KINDS:
        raise ConfigurationError(f"AURORA_SANDBOX is {kind!r}; write one of {', '.join(_KINDS)}.")
    if kind == "none":
        return Refusal("AURORA_SANDBOX=none forbids running anything that comes from a repository.")
    tried: list[str] = []
    for label, make in _recipes(kind):
        try:
            sandbox = make()
            await prove(sandbox)
        except SandboxUnavailable as error:
            tried.append(f"{label}: {str(error).rstrip('.')}")
        else:
            return sandbox
    return Refusal(f"Nothing here can confine untrusted code ({'; '.join(tried)}). See docs/operations.md, Sandbox.")


def _recipes(kind: str) -> Iterator[tuple[str, Callable[[], Sandbox]]]:
    root = os.geteuid() == 0
    if kind in {"auto", "bubblewrap"}:
        if root:
            yield "bubblewrap as root", lambda: Bubblewrap(binary(), Slots())
        else:
            yield "bubblewrap", lambda: Bubblewrap(binary())
            yield "bubblewrap with the outer /proc", lambda: Bubblewrap(binary(), own_proc=False)
    if kind in {"auto", "container"}:
        yield "Landlock", lambda: container.available(Slots() if root else None)


async def prove(sandbox: Sandbox) -> None:
    """Run a command that tries to get out.

    Raises SandboxUnavailable with what it could do, or why it could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="aurora-sandbox-") as name:
        outside, inside = _bait(Path(name))
        bystander = await asyncio.create_subprocess_exec("sleep", "60", env={"PATH": os.defpath, _MARK: "1"})
        try:
            argv = ("sh", "-c", _SCRIPT, "probe", str(outside), _MARK)
            outcome = await sandbox.run(Command(argv, inside, (Mount(inside, writable=True),), limits=_PROBE))
        finally:
            bystander.kill()
            await bystander.wait()
        if outcome.exit_code != 42:
            why = _FAILURES.get(outcome.exit_code or 0, f"the probe {outcome.describe()}")
            raise SandboxUnavailable(f"{why} {outcome.stderr.decode(errors='replace').strip()}".strip() + ".")


def _bait(directory: Path) -> tuple[Path, Path]:
    """Make a file that everyone may read, and a tree beside it."""
    outside, inside = directory / "outside", directory / "inside"
    outside.write_text("readable by everyone")
    outside.chmod(0o644)
    inside.mkdir()
    directory.chmod(0o755)
    return outside, inside
