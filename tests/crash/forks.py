"""A process that has imported everything and forks servers and workers from there, in milliseconds.

It runs no thread and no event loop of its own, so that a fork is a whole process. Commands come as lines of JSON on its
standard input; what happens to its children goes out as lines of JSON on its standard output.
"""

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
LOOK = 0.005  # seconds between looks at the children
LONGEST_LINE = 2**20


# --- the parent of what is killed


def main() -> NoReturn:
    """Serve until standard input ends."""
    from tests.crash import programs

    libc = ctypes.CDLL(None, use_errno=True)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise SystemExit(f"{threads} threads run after the imports: what is forked from here would not be whole.")
    gc.freeze()
    _say({"event": "ready", "pid": os.getpid()})
    children: set[int] = set()
    unread = b""
    while True:
        readable, _, _ = select.select([0], [], [], LOOK if children else None)
        if readable:
            if not (part := os.read(0, LONGEST_LINE)):
                os._exit(0)
            *lines, unread = (unread + part).split(b"\n")
            for line in lines:
                children.add(_fork(libc, json.loads(line), programs.PROGRAMS))
        _look_at(children)


def _fork(libc: ctypes.CDLL, command: dict[str, Any], programs: Mapping[str, Any]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(status)
            _become(command)
            asyncio.run(programs[command["program"]](command))
            status = 0
        except BaseException:  # noqa: BLE001 - the boundary of a process
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _say({"event": "started", "pid": pid, "tag": command["tag"]})
    return pid


def _become(command: dict[str, Any]) -> None:
    """Leave the parent's session, descriptors and environment."""
    os.setsid()
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 4096)
    os.environ.clear()
    os.environ.update(command["environment"])


def _look_at(children: set[int]) -> None:
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if not found:
            continue
        if os.WIFSTOPPED(status):
            _say({"event": "stopped", "pid": pid})
            continue
        children.discard(pid)
        _say({"event": "ended", "pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _say(event: dict[str, Any]) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")


# --- for who starts it


class Child:
    """A process that was forked; `ended` and `stopped` are set when that happened to it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None  # exit code, or minus the signal
        self.ended = asyncio.Event()
        self.stopped = asyncio.Event()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        if not self.ended.is_set():
            with suppress(ProcessLookupError):  # its end is on its way to us
                os.kill(self.pid, number)

    async def end(self, number: signal.Signals, seconds: float) -> int | None:
        """Send a signal and return how the process ended, None when it didn't in time and was killed."""
        self.send(number)
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            self.send(signal.SIGUSR1)  # its log says then where it stands
            await asyncio.sleep(0.3)
            self.send(signal.SIGKILL)
            await self.ended.wait()
            return None
        return self.status


class Forks:
    """Starts children by way of the process that has imported everything."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._children: dict[int, Child] = {}
        self._starting: dict[str, asyncio.Future[Child]] = {}
        self._tags = 0

    async def start(self, program: str, log: Path, environment: Mapping[str, str], **more: Any) -> Child:
        """Fork a child that runs `program`."""
        self._tags += 1
        tag = str(self._tags)
        self._starting[tag] = asyncio.get_running_loop().create_future()
        command = {"program": program, "log": str(log), "environment": dict(environment), "tag": tag, **more}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await asyncio.wait_for(self._starting[tag], 30)

    async def listen(self) -> None:
        """Take in what happens to the children, for ever."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            match event["event"]:
                case "started":
                    self._children[event["pid"]] = child = Child(event["pid"])
                    self._starting.pop(event["tag"]).set_result(child)
                case "stopped":
                    self._children[event["pid"]].stopped.set()
                case "ended":
                    child = self._children.pop(event["pid"])
                    child.status = event["status"]
                    child.ended.set()


@asynccontextmanager
async def forking(log: Path, environment: Mapping[str, str]) -> AsyncIterator[Forks]:
    """Start the process that forks; all of its children end with it."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "tests.crash.forks",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
            env=dict(environment), limit=LONGEST_LINE,
        )  # fmt: skip
    assert process.stdout is not None
    if not await asyncio.wait_for(process.stdout.readline(), 120):
        raise RuntimeError(f"The process that forks did not start; see {log}.")
    forks = Forks(process)
    listening = asyncio.create_task(forks.listen())
    try:
        yield forks
    finally:
        listening.cancel()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    main()
