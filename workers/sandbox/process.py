"""Runs one confining program (bwrap, or the launcher) and makes sure that it ends, with all that it started."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from app import metrics
from app.domain.sandbox import Command, Outcome, Stopped
from app.errors import SandboxUnavailable
from workers.sandbox.capture import Capture
from workers.sandbox.watch import watch

_FLOOD = 64  # times the output that is kept
_CHUNK = 65_536
_LAST_WORDS = 5.0  # seconds that a killed tree has to disappear

Kill = Callable[[int], None]
"""Ends the confining program with this pid, and everything below it."""


class Descriptors:
    """What a confining program reads and writes besides the standard streams: `with` closes our side."""

    def __init__(self) -> None:
        """Open the pipe on which the program reports, as bwrap's --json-status-fd does."""
        self._report, self.status = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._report, False)
        self.passed = [self.status]
        self._text = b""

    def file(self, content: bytes) -> int:
        """Return a descriptor from which the program reads `content`."""
        descriptor = os.memfd_create("sandbox")
        self.passed.append(descriptor)
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def reports(self) -> dict[str, int]:
        """Return what the program has said so far: `child-pid`, and `exit-code` once that has ended."""
        with suppress(BlockingIOError):
            while data := os.read(self._report, _CHUNK):
                self._text += data
        merged: dict[str, int] = {}
        for line in self._text.splitlines():
            with suppress(json.JSONDecodeError):
                merged |= json.loads(line)
        return merged

    def when_ready(self, act: Callable[[], None]) -> None:
        """Do `act` once, when the program first reports: the sandbox is set up then."""
        loop = asyncio.get_running_loop()

        def ready() -> None:
            loop.remove_reader(self._report)
            act()

        loop.add_reader(self._report, ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._report)
        for descriptor in (self._report, *self.passed):
            os.close(descriptor)


def kill_group(pid: int) -> None:
    """Kill a process group led by `pid`."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def confine(argv: Sequence[str], descriptors: Descriptors, command: Command, kill: Kill) -> Outcome:
    """Run a command through the confining program `argv`.

    Raises SandboxUnavailable when the program ended without having run the command.
    """
    started = time.monotonic()
    descriptors.when_ready(lambda: metrics.SANDBOX_SECONDS.observe(time.monotonic() - started))
    process = await _start(argv, descriptors, command)
    streams = [_Stream(process.stdout, command), _Stream(process.stderr, command)]
    try:
        stopped = await _supervise(process, command, streams, kill)
    finally:
        await _gone(descriptors.reports().get("child-pid", process.pid))
        for stream in streams:
            await stream.finish()
    stdout, stderr = (stream.capture.content() for stream in streams)
    exit_code = descriptors.reports().get("exit-code")
    if stopped is None and exit_code is None:
        raise SandboxUnavailable(_setup_failed(argv[0], process.returncode, stderr or stdout))
    seconds = time.monotonic() - started
    return Outcome(None if stopped else exit_code, stdout, stderr, seconds, stopped)


async def _start(argv: Sequence[str], descriptors: Descriptors, command: Command) -> asyncio.subprocess.Process:
    # Shielded: cancelled at its start, a process with pipes is awaited for ever (asyncio in Python 3.11).
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if command.stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT if command.merged else asyncio.subprocess.PIPE,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            pass_fds=descriptors.passed,
            start_new_session=True,
            umask=0o022,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_kill_started)
        raise
    except OSError as error:
        raise SandboxUnavailable(f"{argv[0]} could not be started: {error.strerror}.") from error


_reaped: set[asyncio.Future[tuple[bytes, bytes]]] = set()  # asyncio itself keeps no reference to them


def _kill_started(started: "asyncio.Future[asyncio.subprocess.Process]") -> None:
    if not started.cancelled() and started.exception() is None:
        kill_group(started.result().pid)
        reaping = asyncio.ensure_future(started.result().communicate())
        _reaped.add(reaping)
        reaping.add_done_callback(_reaped.discard)


def _setup_failed(program: str, code: int | None, output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    why = lines[-1] if lines else f"it ended with {code} and said nothing"
    return f"{Path(program).name} could not set up the sandbox: {why}."


class _Stream:
    """One output stream, read to its end however much comes."""

    def __init__(self, reader: asyncio.StreamReader | None, command: Command) -> None:
        self.capture = Capture(command.limits.output)
        self.flooded = asyncio.Event()
        self._most = _FLOOD * command.limits.output
        self._task = asyncio.create_task(self._drain(reader)) if reader else None

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            self.capture.add(data)
            if self.capture.seen > self._most:
                self.flooded.set()

    async def finish(self) -> None:
        """Read what is left; nobody is left to write more."""
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=_LAST_WORDS)
        if not done:
            self._task.cancel()


async def _supervise(
    process: asyncio.subprocess.Process, command: Command, streams: Sequence[_Stream], kill: Kill
) -> Stopped | None:
    """Wait for the end or bring it about; tell why it had to be brought about."""
    ended = asyncio.create_task(process.wait())
    held = asyncio.create_task(watch(process.pid, command))
    floods = [asyncio.create_task(stream.flooded.wait()) for stream in streams]
    feeding = asyncio.create_task(_feed(process, command.stdin))
    try:
        done, _ = await asyncio.wait(
            {ended, held, *floods}, timeout=command.limits.seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if ended in done:
            return None
        if held in done:
            return held.result()
        return Stopped.output if done else Stopped.time
    finally:
        for task in (held, feeding, *floods):
            task.cancel()
        if not ended.done():
            kill(process.pid)
        done, _ = await asyncio.wait({ended}, timeout=_LAST_WORDS)
        if not done:
            kill_group(process.pid)


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _gone(pid: int) -> None:
    """Wait until a process is dead; the first one of a process namespace is the last one to die."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    dead = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, dead.set)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(dead.wait(), _LAST_WORDS)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
