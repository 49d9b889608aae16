"""Fixtures that every test may use: real git repositories, and real servers that start once per session."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

GitRepository = Callable[..., Path]


@pytest.fixture
def git_repository(tmp_path: Path) -> GitRepository:
    """Make a small repository on branch `main`: `git_repository({"a.py": "x = 1\\n"}, name="sample")`."""

    def make(files: Mapping[str, str | bytes] | None = None, name: str = "sample") -> Path:
        path = tmp_path / name
        subprocess.run(["git", "init", "-q", "-b", "main", path], check=True)
        for file, content in (files or {}).items():
            target = path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        if files:
            git = ["git", "-C", path, "-c", "user.name=Test", "-c", "user.email=test@example.com"]
            subprocess.run([*git, "add", "-A"], check=True)
            subprocess.run([*git, "commit", "-q", "-m", "Start"], check=True)
        return path

    return make
