"""Fixtures that every test may use: real git repositories, and real servers that start once per session."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

# In CI the same cases each time: what a new one finds is for whoever runs the tests by hand. How quickly cases are made
# depends on what else the machine does.
settings.register_profile("aurora", derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("aurora")

T = TypeVar("T")

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


def _finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own, leaving the tests' loops alone."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL that has a migrated database to copy, `migrated`."""
    import psycopg

    from app.storage.migrations import migrate
    from workers.local.servers import EmbeddedPostgres

    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    _finish(server.start())
    try:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE migrated")
        _finish(migrate(_database(server.url, "migrated")))
        yield server.url
    finally:
        _finish(server.stop())


def _database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


_numbers = count(1)


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """The address of a database of its own, migrated and empty."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY FILE_COPY")
        yield _database(postgres, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis for the whole session."""
    from workers.local.servers import EmbeddedValkey

    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"), durable=False)
    _finish(server.start())
    try:
        yield server.url
    finally:
        _finish(server.stop())


@pytest.fixture
def redis_url(valkey: str) -> str:
    """The address of an empty Redis."""
    import redis

    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    return valkey
