"""What is done to the system while it works: kills, freezes, floods and empties, one after the other, by chance."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

from app.errors import ConfigurationError
from workers.local.stack import Stack

PAUSE = 6.0  # seconds between two disturbances, about
# Each fault of the hub is drawn by itself, at every request. Those left out cost a documented minute each time, or
# give a repository another name, which would be a story of its own.
HUB = {"rate": 0.01, "without": ["secondary-limit-bare", "renamed"]}
FREEZES = (1.0, 5.0, 15.0)  # seconds; a lease lasts 10
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError)


@dataclass
class Disturbances:
    """The trouble that comes to one stack."""

    stack: Stack
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)

    async def go_on(self) -> None:
        """Disturb for ever; a disturbance that finds nothing to disturb isn't counted."""
        while True:
            await asyncio.sleep(self.dice.uniform(0.3, 1.7) * PAUSE)
            name = self.dice.choice(list(KINDS))
            with suppress(*UNREACHABLE, ProcessLookupError, ConfigurationError):
                await KINDS[name](self)
                self.done[name] += 1

    # --- the hub's own

    async def switch_hub(self, *, on: bool) -> None:
        """Let the hub misbehave, or stop it."""
        faults = {"random": {"seed": self.dice.randrange(10**6), **HUB}} if on else {}
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{self.stack.hub_url}/_faults", json=faults) as said,
        ):
            said.raise_for_status()

    async def injected_by_hub(self) -> Mapping[str, int]:
        """Return how often each of the hub's faults happened."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.stack.hub_url}/_faults") as said:
            counts: dict[str, int] = (await said.json())["counts"]
            return counts

    # --- ours

    def _worker(self) -> str:
        return self.dice.choice(["work-1", "work-2"])

    async def kill_worker(self) -> None:
        """Kill a worker without warning; the supervisor starts it again."""
        self.stack.programs.signal(self._worker(), signal.SIGKILL)

    async def end_worker(self) -> None:
        """Ask a worker to drain."""
        self.stack.programs.signal(self._worker(), signal.SIGTERM)

    async def kill_server(self) -> None:
        """Kill the web server: deliveries find nobody."""
        self.stack.programs.signal("serve", signal.SIGKILL)

    async def freeze_worker(self) -> None:
        """Stop a worker for a while, sometimes for longer than its leases last."""
        name = self._worker()
        await self._freeze([self.stack.programs.pid(name)])

    async def freeze_server(self) -> None:
        """Stop the web server for a while."""
        await self._freeze([self.stack.programs.pid("serve")])

    async def freeze_postgres(self) -> None:
        """Stop every process of PostgreSQL for a while."""
        await self._freeze(_processes(self.stack.data_dir / "postgres", "postgres"))

    async def freeze_redis(self) -> None:
        """Stop Redis for a while."""
        await self._freeze(_processes(self.stack.data_dir / "valkey", "valkey"))

    async def kill_postgres(self) -> None:
        """Kill PostgreSQL's first process; it repairs itself when it is started again."""
        (first, *_) = sorted(_processes(self.stack.data_dir / "postgres", "postgres"))
        signal.pidfd_send_signal(_pidfd(first), signal.SIGKILL)

    async def kill_redis(self) -> None:
        """Kill Redis, with whatever it has not written yet."""
        for pid in _processes(self.stack.data_dir / "valkey", "valkey"):
            signal.pidfd_send_signal(_pidfd(pid), signal.SIGKILL)

    async def end_connections(self) -> None:
        """End every connection to PostgreSQL."""
        connection = await self._connect()
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
            )
        finally:
            await connection.close()

    async def take_connections(self) -> None:
        """Take all of PostgreSQL's connections for some seconds."""
        taken: list[asyncpg.Connection] = []
        try:
            for _ in range(200):
                taken.append(await self._connect())
        except asyncpg.PostgresError:
            await asyncio.sleep(4)
        finally:
            for connection in taken:
                connection.terminate()

    async def empty_redis(self) -> None:
        """Lose everything that is in Redis."""
        async with self._redis() as client:
            await client.flushall()

    async def fill_redis(self) -> None:
        """Let Redis have no memory left for some seconds."""
        async with self._redis() as client:
            await client.config_set("maxmemory", "1mb")
            try:
                await asyncio.sleep(5)
            finally:
                await client.config_set("maxmemory", "0")

    async def _freeze(self, pids: list[int]) -> None:
        handles = [_pidfd(pid) for pid in pids]
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.dice.choice(FREEZES))
        finally:
            for handle in handles:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGCONT)

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.stack.environment["AURORA_DATABASE_URL"], timeout=5, command_timeout=10)

    def _redis(self) -> redis.asyncio.Redis:
        return redis.asyncio.Redis.from_url(self.stack.environment["AURORA_REDIS_URL"], socket_timeout=5)


def _pidfd(pid: int) -> int:
    return os.pidfd_open(pid)


def _processes(directory: Path, program: str) -> list[int]:
    """Return the ids of a program's processes that belong to this directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            where = (process / "cwd").readlink()
            if program in words[0].decode(errors="replace") and (
                where.is_relative_to(directory) or any(str(directory).encode() in word for word in words)
            ):
                found.append(int(process.name))
    return found


KINDS: Mapping[str, Callable[[Disturbances], Awaitable[None]]] = {
    "worker killed": Disturbances.kill_worker,
    "worker asked to end": Disturbances.end_worker,
    "worker frozen": Disturbances.freeze_worker,
    "server killed": Disturbances.kill_server,
    "server frozen": Disturbances.freeze_server,
    "PostgreSQL killed": Disturbances.kill_postgres,
    "PostgreSQL frozen": Disturbances.freeze_postgres,
    "PostgreSQL's connections ended": Disturbances.end_connections,
    "PostgreSQL's connections taken": Disturbances.take_connections,
    "Redis killed": Disturbances.kill_redis,
    "Redis frozen": Disturbances.freeze_redis,
    "Redis emptied": Disturbances.empty_redis,
    "Redis without memory": Disturbances.fill_redis,
}
