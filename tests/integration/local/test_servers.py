"""PostgreSQL and Valkey out of wheels start fresh and warm, survive being killed, and stay to themselves."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from arq import create_pool
from arq.connections import RedisSettings

from app.errors import ConfigurationError
from workers.local import servers
from workers.local.servers import EmbeddedPostgres, EmbeddedValkey


async def query(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_each_test_has_a_migrated_database_of_its_own(database_url: str) -> None:
    assert await query(database_url, "SELECT count(*) FROM projects") == 0


async def test_postgres_keeps_its_data_and_has_pgvector(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as server:
        await query(server.url, "CREATE EXTENSION vector")
        await query(server.url, "CREATE TABLE kept AS SELECT '[1,2]'::vector AS v")
        first = server.url
    async with EmbeddedPostgres(tmp_path) as server:
        assert server.url == first
        assert await query(server.url, "SELECT v::text FROM kept") == "[1,2]"


async def test_postgres_starts_after_it_was_killed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as server:
        await query(server.url, "CREATE TABLE kept AS SELECT 1 AS n")
        server._process.kill()
        server._process.wait()
    async with EmbeddedPostgres(tmp_path) as server:
        assert await query(server.url, "SELECT n FROM kept") == 1


async def test_postgres_refuses_who_has_no_password(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url, password="guess", timeout=5)


@pytest.fixture
def open_to_others() -> Iterator[Path]:
    """A directory that other users can reach: pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change users")
async def test_postgres_starts_for_root_without_user_namespaces(open_to_others: Path) -> None:
    async with EmbeddedPostgres(open_to_others / "data", namespaces=False) as server:
        assert await query(server.url, "SELECT 1") == 1
        assert server._cluster.stat().st_uid == 65_534


async def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / "with space"
    async with EmbeddedPostgres(deep / "pg", durable=False) as server, EmbeddedValkey(deep / "v") as valkey:
        assert await query(server.url, "SELECT 1") == 1
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            assert await client.ping()


async def test_a_data_directory_in_use_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "STOP_SECONDS", 0.1)
    async with EmbeddedValkey(tmp_path):
        with pytest.raises(ConfigurationError, match="Another process is using"):
            await EmbeddedValkey(tmp_path).start()


async def test_valkey_keeps_its_data_and_is_what_arq_takes(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        pool = await create_pool(RedisSettings.from_dsn(server.url))
        await pool.set("kept", "1")
        await pool.aclose()
    async with EmbeddedValkey(tmp_path) as server, redis.asyncio.Redis.from_url(server.url) as client:
        assert await client.get("kept") == b"1"


async def test_valkey_refuses_who_has_no_password(tmp_path: Path) -> None:
    socket = str(tmp_path / "run/valkey.sock")
    async with EmbeddedValkey(tmp_path), redis.asyncio.Redis(unix_socket_path=socket) as client:
        with pytest.raises(redis.exceptions.ConnectionError, match="Authentication required"):
            await client.ping()


HOLDER = """
import asyncio, sys
from pathlib import Path
from workers.local.servers import EmbeddedPostgres, EmbeddedValkey

async def main():
    data = Path(sys.argv[1])
    async with EmbeddedPostgres(data / "postgres") as pg, EmbeddedValkey(data / "valkey") as valkey:
        print(pg._process.pid, valkey._process.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_servers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    pids = [int(pid) for pid in (await holder.stdout.readline()).split()]
    assert all(_running(pid) for pid in pids)
    holder.kill()
    await holder.communicate()
    deadline = time.monotonic() + 10
    while any(_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    async with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert await query(server.url, "SELECT 1") == 1


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
