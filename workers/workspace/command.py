"""Run git so that neither a repository nor the machine's own configuration can change what it does.

Every git process of this package is started here, as an asyncio child with an environment of its own.
GitPython's runner isn't used: it hands git the whole environment of the worker, model keys included, holds
a thread that a cancelled task can't stop, and bounds time by looking for children in the output of `ps`.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from app.errors import ConfigurationError, DiskFull, GitError, Transient

LOCAL_SECONDS = 60.0
NETWORK_SECONDS = 600.0
OLDEST = (2, 38)  # merge-tree --write-tree

_PASSED_ON = (
    *(
        "PATH",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
    ),
    *("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
)

# Attributes in a repository can only name filters, diff and merge drivers; what those run is configuration,
# and there is none but this.
_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": str(Path(__file__).with_name("excludes.gitignore")),
    "core.quotePath": "false",
    "core.fileMode": "true",
    "core.symlinks": "true",
    "core.autocrlf": "false",
    "core.askPass": "",
    "credential.helper": "",
    "credential.interactive": "false",
    "safe.directory": "*",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "gc.autoDetach": "false",  # after a fetch, while our lock on the mirror is held
    "http.followRedirects": "false",  # a header with a token must not travel to where a redirect points
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}

_FIXED = {
    "HOME": "/dev/null",  # no ~/.netrc, no ~/.config/git
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "http:https:file",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}

_OUTAGE = re.compile(
    r"could not resolve|failed to connect|couldn't connect|connection (refused|reset|timed out)|timed out"
    r"|early eof|hung up|unexpected disconnect|returned error: (5\d\d|429)|operation too slow|recv failure"
    r"|empty reply|authentication failed|returned error: 401|could not read (username|password)",
    re.IGNORECASE,
)
_FULL = re.compile(r"^(?!remote: ).*(no space left on device|disk quota exceeded)", re.IGNORECASE | re.MULTILINE)
_TRAILER = re.compile(r"[A-Za-z][A-Za-z-]*: \S")
_URL_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Identity:
    """Who the commits are by."""

    name: str = "aurora[bot]"
    email: str = "aurora[bot]@users.noreply.github.com"
    signs_off: bool = False  # each commit, by a trailer

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which git takes author and committer."""
        return {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", self.name), ("EMAIL", self.email))
        }

    def signed(self, message: str) -> str:
        """Return a commit's message with the sign-off that it is to end in."""
        trailer = f"Signed-off-by: {self.name} <{self.email}>"
        paragraphs = message.strip().split("\n\n")
        if not self.signs_off or trailer in paragraphs[-1].splitlines():
            return message
        trailers = len(paragraphs) > 1 and all(_TRAILER.match(line) for line in paragraphs[-1].splitlines())
        return message.rstrip() + ("\n" if trailers else "\n\n") + trailer


@dataclass(frozen=True)
class Output:
    """What a git command said, and how it ended."""

    code: int
    stdout: bytes
    stderr: str
    cut: bool = False  # stdout went beyond the limit and git was stopped

    @property
    def text(self) -> str:
        """Standard output as text, without the line feed at its end."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")

    @property
    def items(self) -> list[str]:
        """Standard output as `-z` separates it."""
        return [item for item in os.fsdecode(self.stdout).split("\0") if item]


@dataclass(frozen=True)
class Secret:
    """Configuration that only the environment of a process may hold, and what of it no message may show."""

    configuration: Mapping[str, str] = field(default_factory=dict, repr=False)
    words: tuple[str, ...] = field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """Take the secret words and any credentials in URLs out of `text`."""
        for word in self.words:
            text = text.replace(word, "***")
        return _URL_PASSWORD.sub("", text)


NOTHING = Secret()


@dataclass(frozen=True)
class Git:
    """git in one repository directory, and in its worktree where there is one."""

    directory: Path
    worktree: Path | None = None

    async def __call__(
        self,
        *arguments: str,
        input: bytes = b"",
        codes: Collection[int] = (0,),
        timeout: float = LOCAL_SECONDS,
        limit: int | None = None,
        environment: Mapping[str, str] | None = None,
        secret: Secret = NOTHING,
        keep: Sequence[int] = (),
    ) -> Output:
        """Run one command; `keep` names file descriptors that stay open in it, `limit` is in bytes.

        Raises `GitError` for an exit status that isn't among `codes`, `Transient` when the network is to
        blame or `timeout` (seconds) is over, `DiskFull` when there was no room to write.
        """
        # Shielded: cancelled at its start, a process with pipes is awaited for ever (asyncio in Python 3.11).
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                "git",
                *arguments,
                stdin=asyncio.subprocess.PIPE if input else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment(environment or {}, secret),
                cwd=self.worktree or self.directory,
                start_new_session=True,
                pass_fds=keep,
            )
        )
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_kill_started)
            raise
        try:
            stdout, stderr, cut = await asyncio.wait_for(_talk(process, input, limit), timeout)
        except TimeoutError:
            raise Transient(f"git {arguments[0]} took more than {timeout:g} seconds and was stopped.") from None
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()
        output = Output(process.returncode or 0, stdout, secret.redact(stderr.decode("utf-8", "replace")), cut)
        if output.code not in codes and not cut:
            raise failure(arguments[0], output.stderr or output.text)
        return output

    def _environment(self, more: Mapping[str, str], secret: Secret) -> dict[str, str]:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= _FIXED | {"GIT_DIR": str(self.directory)}
        if self.worktree is not None:
            environment["GIT_WORK_TREE"] = str(self.worktree)
        pairs = {**_CONFIGURATION, **secret.configuration}
        environment["GIT_CONFIG_COUNT"] = str(len(pairs))
        for number, (key, value) in enumerate(pairs.items()):
            environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return environment | dict(more)


_reaped: set[asyncio.Future[tuple[bytes, bytes]]] = set()  # asyncio itself keeps no reference to them


def _kill_started(started: "asyncio.Future[asyncio.subprocess.Process]") -> None:
    if not started.cancelled() and started.exception() is None:
        _kill(started.result())
        reaping = asyncio.ensure_future(started.result().communicate())
        _reaped.add(reaping)
        reaping.add_done_callback(_reaped.discard)


async def _talk(process: asyncio.subprocess.Process, input: bytes, limit: int | None) -> tuple[bytes, bytes, bool]:
    stdout, stderr = cast("tuple[asyncio.StreamReader, asyncio.StreamReader]", (process.stdout, process.stderr))
    feeding = asyncio.ensure_future(_feed(process.stdin, input))
    errors = asyncio.ensure_future(stderr.read())
    try:
        chunks = bytearray()
        while (limit is None or len(chunks) <= limit) and (chunk := await stdout.read(1 << 16)):
            chunks += chunk
        cut = limit is not None and len(chunks) > limit
        if cut:
            _kill(process)
        await feeding
        await process.wait()
        return bytes(chunks[:limit]), await errors, cut
    finally:
        feeding.cancel()
        errors.cancel()


async def _feed(stdin: asyncio.StreamWriter | None, input: bytes) -> None:
    if stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # git's own words say why it ended early
        stdin.write(input)
        await stdin.drain()
    stdin.close()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def failure(command: str, message: str) -> GitError | Transient:
    """Tell an outage, after which trying again may work, from everything else that git complains of."""
    lines = [line.removeprefix("fatal: ").removeprefix("error: ") for line in message.splitlines() if line.strip()]
    sentence = f"git {command} failed: {'; '.join(lines[-5:]) or 'it did not say why'}"[:2000]
    if "returned error: 403" in message:
        return GitError(f"{sentence}. Check that the app is installed here with the permission 'Contents'.")
    if _FULL.search(message):
        return DiskFull(f"{sentence}. Make room under the worker's data directory.")
    return Transient(sentence) if _OUTAGE.search(message) else GitError(sentence)


async def require_git() -> None:
    """Check that git is there and new enough; raises `ConfigurationError`."""
    needed = ".".join(map(str, OLDEST))
    try:
        version = (await Git(Path("/"))("version")).text
    except FileNotFoundError:
        raise ConfigurationError(f"git is not installed; install git {needed} or newer.") from None
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise ConfigurationError(f"This is {version}; install git {needed} or newer.")
