"""Whatever ails PostgreSQL, a webhook is answered in time: 202 when it is on disk, 503 and a sentence otherwise."""

import asyncio
import hashlib
import hmac
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from app.storage import deliveries as store
from app.storage import group
from app.storage.deliveries import Inbox, open_door
from app.storage.migrations import migrate
from app.storage.pool import Pool
from app.web.server import create_app, serve
from workers.local.servers import EmbeddedPostgres

SECRET = "s3cret"


class Silent:
    """A doorbell that nobody hears."""

    async def new_deliveries(self, guids: object) -> None:
        return None


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        await migrate(server.url)
        yield server


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "STORE_SECONDS", 1.0)
    monkeypatch.setattr(group, "PATIENCE", 0.5)


@asynccontextmanager
async def web(door: Pool) -> AsyncIterator[aiohttp.ClientSession]:
    app = create_app(inbox=Inbox(door), doorbell=Silent(), checks={}, webhook_secret=SECRET)
    stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, url.set_result))
    async with asyncio.timeout(60), aiohttp.ClientSession(await url) as client:
        yield client
        stop.set()
        await server


async def deliver(client: aiohttp.ClientSession, guid: str) -> tuple[int, str]:
    body = b'{"action": "labeled"}'
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": guid, "X-GitHub-Event": "issues"}
    async with asyncio.timeout(9), client.post("/webhooks/github", data=body, headers=headers) as answer:
        assert answer.status == 202 or answer.headers["Retry-After"]
        return answer.status, await answer.text()


async def delivered(client: aiohttp.ClientSession, guid: str) -> None:
    """Deliver, as GitHub does when it is asked to, until it is taken."""
    async with asyncio.timeout(20):
        while (await deliver(client, guid))[0] != 202:
            await asyncio.sleep(0.1)


async def test_a_restart_is_answered_503_and_then_202_without_help(database: EmbeddedPostgres):
    door = await open_door(database.url)
    async with web(door) as client:
        assert (await deliver(client, "before"))[0] == 202
        await database.stop()
        status, text = await deliver(client, "during")
        assert status == 503
        assert "PostgreSQL" in text
        assert "aurora:" not in text  # the address
        await database.start()
        await delivered(client, "during")
        assert await door.fetchval("SELECT count(*) FROM deliveries") == 2
    await door.close()


def tree(pid: int) -> list[int]:
    """Return a process and all below it; PostgreSQL's each have a group of their own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


def signal_all(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        os.kill(pid, number)


async def test_a_frozen_postgresql_is_given_up_in_time_and_comes_back(database: EmbeddedPostgres):
    door = await open_door(database.url)
    async with web(door) as client:
        await deliver(client, "before")
        assert database._process is not None
        processes = tree(database._process.pid)
        signal_all(processes, signal.SIGSTOP)
        try:
            answers = await asyncio.gather(*(deliver(client, f"g{number}") for number in range(20)))
        finally:
            signal_all(processes, signal.SIGCONT)
        assert {status for status, _ in answers} == {503}
        assert all("in time" in text for _, text in answers)
        await delivered(client, "g1")
    await door.close()


async def test_without_connections_left_it_says_so(database: EmbeddedPostgres):
    door = await open_door(database.url)
    admin = await asyncpg.connect(database.url)
    await admin.execute("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0")
    few = await open_door(database.url.replace(database.url.split("@")[0], "postgresql://few:few"))
    async with web(few) as client:
        status, text = await deliver(client, "g1")
        assert (status, "no connection left" in text) == (503, True)
        await admin.execute("ALTER ROLE few CONNECTION LIMIT 5")
        await admin.execute("GRANT ALL ON deliveries TO few")
        await delivered(client, "g1")
    for pool in (door, few):
        await pool.close()
    await admin.close()


async def test_a_database_that_takes_no_writes_says_so(database: EmbeddedPostgres):
    admin = await asyncpg.connect(database.url)
    await admin.execute("ALTER DATABASE aurora SET default_transaction_read_only = on")
    door = await open_door(database.url)
    async with web(door) as client:
        status, text = await deliver(client, "g1")
        assert (status, "takes no writes" in text) == (503, True)
    await door.close()
    await admin.close()


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON deliveries EXECUTE FUNCTION full_disk()
"""


async def test_a_full_disk_is_answered_503_until_there_is_room(database: EmbeddedPostgres):
    """GitHub marks the delivery as failed, so it is asked for again; nothing was half stored."""
    door = await open_door(database.url)
    async with web(door) as client:
        await door.execute(FULL)
        for _ in range(3):
            status, text = await deliver(client, "g1")
            assert (status, "PostgreSQL's disk is full." in text) == (503, True)
        await door.execute("DROP TRIGGER full_disk ON deliveries")
        assert (await deliver(client, "g1"))[0] == 202
        assert await door.fetchval("SELECT count(*) FROM deliveries") == 1
    await door.close()


async def test_commits_wait_for_the_disk_whatever_the_default_is(database: EmbeddedPostgres):
    """The server of these tests has synchronous_commit off; a connection that was used and given back as well."""
    door = await open_door(database.url)
    for _ in range(3):
        assert await door.fetchval("SHOW synchronous_commit") == "on"
    await door.close()


async def test_one_bad_row_fails_alone(database: EmbeddedPostgres):
    door = await open_door(database.url)
    await door.execute("ALTER TABLE deliveries ADD CHECK (guid <> 'bad')")
    inbox = Inbox(door)
    guids = ["g1", "bad", "g2", "g1", "g3"]
    answers = await asyncio.gather(
        *(inbox.store(guid, "issues", None, b"{}") for guid in guids), return_exceptions=True
    )
    assert [answers[0], answers[2], answers[4]] == [True, True, True]
    assert isinstance(answers[1], Exception)
    assert answers[3] is False
    await door.close()
