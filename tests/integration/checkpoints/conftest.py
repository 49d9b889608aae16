"""Small real repositories with mirrors, worktrees and a sandbox around them."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain.repository_settings import CommandSettings
from workers.checkpoints.bench import Bench
from workers.checkpoints.suite import Checkers
from workers.sandbox.detect import detect
from workers.workspace.command import Identity
from workers.workspace.mirror import Mirror
from workers.workspace.worktree import Checkout


class LocalForge:
    """Only what a mirror asks of a forge."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def info(self) -> SimpleNamespace:
        return SimpleNamespace(clone_url=self._url, default_branch="main")

    async def token(self) -> str:
        return ""


def git(cwd: Path, *arguments: str) -> str:
    """Run git as somebody."""
    who = {f"GIT_{role}_{what}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=os.environ | who, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(root: Path, files: Mapping[str, str | None]) -> None:
    """Write files; None deletes one."""
    for path, text in files.items():
        target = root / path
        if text is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


@dataclass
class Bay:
    """A bench at a changed worktree."""

    bench: Bench
    worktree: Checkout
    clone: Mirror

    def change(self, files: Mapping[str, str | None]) -> None:
        write(self.worktree.path, files)


Open = Callable[..., AbstractAsyncContextManager[Bay]]


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments are kept, so that each is installed once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
async def checkers(shared_data: Path) -> Checkers:
    """The checkpoints in whichever sandbox works on this machine."""
    return Checkers(await detect(), shared_data, lambda: datetime.now(UTC))


@pytest.fixture
def bay(tmp_path: Path, checkers: Checkers) -> Open:
    """Open a bench on a repository of these files, changed so."""

    @asynccontextmanager
    async def open_bay(
        base: Mapping[str, str],
        change: Mapping[str, str | None] | None = None,
        commands: CommandSettings | None = None,
        setup: str | None = None,
        using: Checkers | None = None,
    ) -> AsyncIterator[Bay]:
        origin = tmp_path / "origin"
        origin.mkdir()
        git(origin, "init", "-q", "-b", "main")
        write(origin, base)
        git(origin, "add", "--all")
        git(origin, "commit", "-q", "--allow-empty", "-m", "base")
        clone = Mirror(tmp_path / "mirror.git", tmp_path / "worktrees", LocalForge(str(origin)), Identity())  # type: ignore[arg-type]  # a part
        await clone.prepare()
        await clone.fetch()
        async with clone.worktree("task", git(origin, "rev-parse", "HEAD")) as worktree:
            bench = (using or checkers).bench(clone, worktree, commands or CommandSettings(), setup)
            opened = Bay(bench, worktree, clone)
            opened.change(change or {})
            yield opened

    return open_bay


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where nothing can be installed: no registry answers."""
    uv = str(Path(sys.executable).with_name("uv"))
    argv = [uv, "pip", "install", "--dry-run", "--quiet", "--target", str(tmp_path_factory.mktemp("dry")), "iniconfig"]
    if subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode != 0:
        pytest.skip("no package registry answers here")
