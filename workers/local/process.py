"""Start processes that don't outlive us, and see to it that they end."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import ConfigurationError

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")


def plain_environment() -> dict[str, str]:
    """Return what any program needs of our environment, without keys and settings."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def bound(argv: Sequence[str], end: signal.Signals) -> list[str]:
    """Make the kernel send `end` to the command when the thread that starts it is gone, even killed.

    `setpriv` sets this between fork and exec, where Python code would not be safe.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", end.name.removeprefix("SIG"), "--", *argv] if setpriv else list(argv)


def start(
    argv: Sequence[str], environment: Mapping[str, str], log: Path, keep: Sequence[int] = ()
) -> "subprocess.Popen[bytes]":
    """Start a command in a session of its own, with its output in `log`; `keep` are descriptors it inherits."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=keep,
        )


async def ended(process: "subprocess.Popen[bytes]", seconds: float, every: float = 0.01) -> bool:
    """Wait up to `seconds` for a process, looking `every` so many; return whether it has ended."""
    deadline = asyncio.get_running_loop().time() + seconds
    while process.poll() is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(every)
    return True


async def stop(process: "subprocess.Popen[bytes]", ask: signal.Signals, seconds: float) -> None:
    """Ask a process to end, and after `seconds` end it and all of its group."""
    try:
        if process.poll() is None:
            process.send_signal(ask)
            await ended(process, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def run(argv: Sequence[str], environment: Mapping[str, str], seconds: float, name: str) -> None:
    """Run a command to its end; raises `ConfigurationError` with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        raise ConfigurationError(f"{name} took more than {seconds:g} seconds.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ConfigurationError(f"{name} failed: {said.decode('utf-8', 'replace').strip()[-1000:]}")


def last_words(log: Path) -> str:
    """Return the last line of a log, and where the rest is, for a message."""
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return f"{lines[-1][:500]} (more in {log})" if lines else f"it said nothing in {log}"
