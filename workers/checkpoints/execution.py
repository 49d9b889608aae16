"""Runs checkers and tests in the sandbox, with the repository's environment around them."""

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import mkdtemp

from app.domain.sandbox import GIB, Command, Limits, Mount, Network, Outcome, Sandbox
from workers.checkpoints.environment import Environment
from workers.checkpoints.locks import hold

LARGEST_REPORT = 64 * 1024 * 1024  # bytes


class Executor:
    """The sandbox, shared so that no more heavy commands run at once than there are processors."""

    def __init__(self, sandbox: Sandbox, scratch: Path) -> None:
        """Keep reports and the like under `scratch` while they are needed."""
        self._sandbox = sandbox
        self._scratch = scratch
        self._cleared = False
        self._heavy = asyncio.Semaphore(max(1, os.cpu_count() or 1))

    async def run(
        self,
        argv: Sequence[str],
        root: Path,
        environment: Environment,
        *,
        seconds: float,
        writable: bool = False,
        mounts: Sequence[Mount] = (),
        variables: Mapping[str, str] | None = None,
        network: Network = Network.none,
        heavy: bool = True,
        merged: bool = False,
        memory: int = 4 * GIB,
    ) -> Outcome:
        """Run a command over the checkout at `root`. Raises SandboxUnavailable."""
        tool = Path(argv[0])
        own = () if _visible(tool, environment) else (Mount(tool, hidden=()),)
        command = Command(
            argv=tuple(argv),
            cwd=root,
            mounts=(Mount(root, writable=writable), *mounts, *environment.mounts(), *own),
            env=environment.variables(root) | dict(variables or {}),
            limits=Limits(seconds=seconds, memory=memory, total_memory=memory + 2 * GIB),
            network=network,
            merged=merged,
        )
        async with self._heavy if heavy else nullcontext():
            with linked(environment.modules, root):
                return await self._sandbox.run(command)

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """Lend an empty directory that a command may write to."""
        if not self._cleared:
            self._cleared = True
            await asyncio.to_thread(_clear, self._scratch)
        path, lock = await asyncio.to_thread(_lend, self._scratch)
        try:
            yield path
        finally:
            await asyncio.to_thread(shutil.rmtree, path, True)
            os.close(lock)

    @asynccontextmanager
    async def cache(self, name: str, *, keep: bool) -> AsyncIterator[Path]:
        """Lend a copy of a cache; with `keep`, what the command leaves becomes the cache where there is none yet."""
        kept = self._scratch.with_name("caches") / name
        async with self.scratch() as path:
            if kept.is_dir():
                await asyncio.to_thread(shutil.copytree, kept, path, symlinks=True, dirs_exist_ok=True)
            yield path
            if keep and not kept.is_dir():
                kept.parent.mkdir(parents=True, exist_ok=True)
                with suppress(OSError):  # somebody else was first
                    path.rename(kept)


def _lend(home: Path) -> tuple[Path, int]:
    """Make a directory, and hold a lock on it that tells others that its owner lives."""
    home.mkdir(parents=True, exist_ok=True)
    while True:
        path = Path(mkdtemp(dir=home))
        if (lock := hold(path)) is None:
            continue  # somebody is clearing up, and took it for one of those
        if path.is_dir():
            return path, lock
        os.close(lock)


def _clear(home: Path) -> None:
    """Remove what processes that are gone left behind."""
    for path in home.glob("*"):
        if (lock := hold(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _visible(tool: Path, environment: Environment) -> bool:
    """Say whether a program is in the sandbox's system directories or in the environment already."""
    if environment.home is not None and tool.is_relative_to(environment.home):
        return True
    return tool.is_relative_to("/usr") or tool.is_relative_to("/bin")


@contextmanager
def linked(modules: Path | None, root: Path) -> Iterator[None]:
    """Let a checkout have its `node_modules` while a command runs, where it has none of its own."""
    place = root / "node_modules"
    if modules is None or place.exists() or place.is_symlink():
        yield
        return
    place.symlink_to(modules)
    try:
        yield
    finally:
        if place.is_symlink():
            place.unlink()


def read_report(path: Path, largest: int = LARGEST_REPORT) -> bytes | None:
    """Read a file that untrusted code may have put there: a plain one of bearable size, or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > largest:
            return None
        return file.read(largest)
