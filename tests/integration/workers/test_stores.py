"""The stores fail under a running project: its worker lives on, goes on by itself, and does nothing twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
import redis.asyncio

from workers.sandbox.watch import descendants

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTAGE = 2.5  # seconds, longer than a lease


@asynccontextmanager
async def _redis(yard) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(yard.stack.environment["AURORA_REDIS_URL"]) as client:
        yield client


def _stop(pid: int, number: signal.Signals) -> None:
    for each in descendants(pid):
        with suppress(ProcessLookupError):
            os.kill(each, number)


# --- what happens to them; each returns when it is over


async def killed_redis(yard) -> None:
    os.kill(yard.stack.stores["Valkey"].pid, signal.SIGKILL)


async def flushed_redis(yard) -> None:
    async with _redis(yard) as client:
        await client.flushall()


async def full_redis(yard) -> None:
    async with _redis(yard) as client:
        await client.config_set("maxmemory", "1mb")
        await asyncio.sleep(OUTAGE)
        await client.config_set("maxmemory", "0")


async def paused_redis(yard) -> None:
    _stop(yard.stack.stores["Valkey"].pid, signal.SIGSTOP)
    await asyncio.sleep(OUTAGE)
    _stop(yard.stack.stores["Valkey"].pid, signal.SIGCONT)


async def killed_postgres(yard) -> None:
    os.kill(yard.stack.stores["PostgreSQL"].pid, signal.SIGKILL)


async def restarted_postgres(yard) -> None:
    os.kill(yard.stack.stores["PostgreSQL"].pid, signal.SIGQUIT)  # what `pg_ctl -m immediate` sends


async def paused_postgres(yard) -> None:
    pids = [*descendants(yard.stack.stores["PostgreSQL"].pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(OUTAGE)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def crowded_postgres(yard) -> None:
    """Others take all connections, and ours were cut."""
    url, others = yard.stack.environment["AURORA_DATABASE_URL"], []
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            others.append(await asyncpg.connect(url, timeout=5))
    await others[0].execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'aurora' AND pid <> pg_backend_pid()"
    )
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            others.append(await asyncpg.connect(url, timeout=5))
    await asyncio.sleep(OUTAGE)
    for other in others:
        await other.close()


async def standby_postgres(yard) -> None:
    """It turns into one that only reads, for connections that come now, and our old ones are cut."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aurora'"
    await yard.rows("ALTER SYSTEM SET default_transaction_read_only = on")
    await yard.rows("SELECT pg_reload_conf()")
    await yard.rows(cut)
    await asyncio.sleep(OUTAGE)
    connection = await asyncpg.connect(
        yard.stack.environment["AURORA_DATABASE_URL"], server_settings={"default_transaction_read_only": "off"}
    )
    await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


FULL = """
CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""
WRITTEN = ("journal", "effects", "agent_messages", "tasks", "checkpoints", "token_usage", "deliveries")


async def full_postgres(yard) -> None:
    """Whatever writes gets the error that a full disk gives."""
    await yard.rows(FULL)
    for table in WRITTEN:
        await yard.rows(f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION full_disk()")
    await asyncio.sleep(OUTAGE)
    for table in WRITTEN:
        await yard.rows(f"DROP TRIGGER full_disk ON {table}")


REDIS = (killed_redis, flushed_redis, full_redis, paused_redis)
POSTGRES = (
    killed_postgres, restarted_postgres, paused_postgres, crowded_postgres, standby_postgres, full_postgres,
)  # fmt: skip


@pytest.mark.parametrize("faults", [REDIS, POSTGRES], ids=["redis", "postgres"])
async def test_a_project_is_merged_by_the_same_worker_although_a_store_fails_again_and_again(yard, faults):
    """Each time it is struck while the model is asked, which answers in the middle of the outage."""
    struck = [asyncio.Event() for _ in faults]

    async def generate(asked):
        if asked.turn == len(faults):
            return (("done", {"summary": "It is done."}),)
        name = faults[asked.turn].__name__
        await struck[asked.turn].wait()
        return (("write_file", {"path": name, "content": "1\n"}),)

    yard.model.answers["generate"] = generate
    worker = await yard.work()
    number = await yard.ask(faults[0].__name__)
    for turn, fault in enumerate(faults):
        await yard.until(lambda turn=turn: turns(yard).count(turn), 60)
        striking = asyncio.create_task(fault(yard))
        await asyncio.sleep(0.3)
        struck[turn].set()
        await striking
    await yard.merged(number)

    assert all(1 <= turns(yard).count(turn) <= 3 for turn in range(len(faults) + 1))
    assert worker.popen.poll() is None
    told = [event for event in worker.said() if event.endswith(" is away")]
    assert len(told) <= 4 * len(faults), told  # not at each look
    assert "Traceback" not in worker.log.read_text()
    forked = await yard.rows("SELECT 1 FROM checkpoints GROUP BY thread_id, parent_checkpoint_id HAVING count(*) > 1")
    assert not forked


def turns(yard) -> list[int]:
    """Return how far the conversation had come at each request to generate."""
    return [asked.turn for asked in yard.model.steps("generate")]
