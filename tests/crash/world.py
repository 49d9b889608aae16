"""What surrounds the processes under test and is never killed: stores, the hub, the model, and a place for each run."""

import asyncio
import json
import shutil
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import redis.asyncio
from aiohttp import web

from app.storage import migrate
from tests.crash.forks import Child, Forks, forking
from tests.crash.invariants import TimedDouble
from tests.crash.scenarios import SCENARIOS
from tests.e2e.team import MODEL, make_repository
from workers.local.process import plain_environment
from workers.local.servers import EmbeddedPostgres, EmbeddedValkey
from workers.saver import prepare_saver

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
OWNER = "acme"
API_TOKEN = "test"  # of a server that ends with the run
SECONDS = 20.0  # for a process to be ready


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class World:
    """The surroundings of all runs."""

    home: Path
    postgres: str
    valkey: str
    forks: Forks
    slots: asyncio.Queue["Slot"] = field(default_factory=asyncio.Queue)


@dataclass
class Slot:
    """A place where one run at a time happens: directories, ports, a database, a model."""

    number: int
    world: World
    place: Path
    model: TimedDouble
    runs: int = 0
    hub_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)

    @property
    def home(self) -> Path:
        """The directory of the run at hand: nothing of an earlier one can write into it."""
        return self.place / str(self.runs)

    @property
    def hub_url(self) -> str:
        return f"http://{HOST}:{self.hub_port}"

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    @property
    def data(self) -> Path:
        """Where the worker keeps mirrors and worktrees."""
        return self.home / "data"

    @property
    def hub_data(self) -> Path:
        return self.home / "hub"

    @property
    def hub_database(self) -> Path:
        return self.hub_data / "hub.sqlite3"

    @property
    def requests(self) -> Path:
        """What the hub notes of requests that aren't reads."""
        return self.home / "requests.jsonl"

    @property
    def crossings(self) -> Path:
        return self.home / "crossings.jsonl"

    @property
    def database(self) -> str:
        return _database(self.world.postgres, f"slot_{self.number}")

    @property
    def redis(self) -> str:
        return self.world.valkey.replace("db=0", f"db={self.number + 1}")

    async def renew(self, scenario: str) -> None:
        """Make everything as if nothing had ever run here."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.runs += 1
        self.home.mkdir(parents=True, mode=0o711)
        shutil.copytree(self.world.home / "hubs" / scenario, self.hub_data, symlinks=True)
        name = f"slot_{self.number}"
        admin = await asyncpg.connect(self.world.postgres)
        try:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE fresh STRATEGY FILE_COPY")
        finally:
            await admin.close()
        async with redis.asyncio.Redis.from_url(self.redis) as client:
            await client.flushdb()
        self.model.forget()
        self.model.answers = dict(SCENARIOS[scenario].answers)

    async def start_hub(self) -> Child:
        """Start the hub on the slot's data."""
        hub = await self.world.forks.start(
            "hub", self.home / "hub.log", plain_environment(),
            data=str(self.hub_data), port=self.hub_port, imports=[], manifest=str(ROOT / "app.yml"),
            webhook_url=f"{self.web_url}/webhooks/github", requests=str(self.requests),
        )  # fmt: skip
        await self._listening(self.hub_port, hub)
        return hub

    async def start_web(self, **plan: object) -> Child:
        """Start the server and wait until it listens, or has died."""
        child = await self._start("web", **plan)
        await self._listening(self.web_port, child)
        return child

    async def start_worker(self, **plan: object) -> Child:
        """Start a worker and wait until it is ready, or has died."""
        ready = self.home / "ready"
        ready.unlink(missing_ok=True)
        child = await self._start("worker", ready=str(ready), **plan)
        async with asyncio.timeout(SECONDS):
            while not ready.exists() and not child.ended.is_set() and not child.stopped.is_set():
                await asyncio.sleep(0.01)
        return child

    async def _start(self, role: str, **plan: object) -> Child:
        return await self.world.forks.start(
            role, self.home / f"{role}.log", self._environment(), role=role, crossings=str(self.crossings), **plan
        )

    async def _listening(self, port: int, child: Child) -> None:
        async with asyncio.timeout(SECONDS):
            while not child.ended.is_set() and not child.stopped.is_set():
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    return

    def hub_says(self) -> Mapping[str, object]:
        """Return what the hub says of itself."""
        said: Mapping[str, object] = json.loads((self.hub_data / "hub.json").read_text())
        return said

    def _environment(self) -> dict[str, str]:
        app = json.loads((self.hub_data / "hub.json").read_text())["app"]
        return {
            **plain_environment(),
            "OPENAI_BASE_URL": self.model.url,
            "OPENAI_API_KEY": "test",
            "AURORA_MODEL": MODEL,
            "AURORA_MODEL_PRICES": json.dumps({MODEL: {"input": 1, "output": 1}}),
            "AURORA_DATABASE_URL": self.database,
            "AURORA_REDIS_URL": self.redis,
            "AURORA_DATA_DIR": str(self.data),
            "AURORA_API_TOKEN": API_TOKEN,
            "AURORA_PORT": str(self.web_port),
            "AURORA_PUBLIC_URL": self.web_url,
            "AURORA_SETUP_NETWORK": "never",
            "AURORA_GITHUB_APP_ID": str(app["id"]),
            "AURORA_GITHUB_PRIVATE_KEY_FILE": str(self.hub_data / Path(app["private_key_file"]).name),
            "AURORA_GITHUB_WEBHOOK_SECRET": app["webhook_secret"],
            "AURORA_GITHUB_API_URL": self.hub_url,
            "AURORA_GITHUB_WEB_URL": self.hub_url,
        }


def _database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@asynccontextmanager
async def surroundings(home: Path, slots: int) -> AsyncIterator[World]:
    """Start everything that runs share, with places for `slots` of them at a time."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(EmbeddedPostgres(home / "postgres", durable=False))
        valkey = await stack.enter_async_context(EmbeddedValkey(home / "valkey", durable=False))
        environment = {**plain_environment(), "PYTHONPATH": str(ROOT)}
        forks = await stack.enter_async_context(forking(home / "forks.log", environment))
        world = World(home, postgres.url, valkey.url, forks)
        await _make_templates(world)
        for number in range(slots):
            model = await stack.enter_async_context(_model())
            world.slots.put_nowait(Slot(number, world, home / f"slot-{number}", model))
        yield world


async def _make_templates(world: World) -> None:
    admin = await asyncpg.connect(world.postgres)
    try:
        await admin.execute("CREATE DATABASE fresh")
    finally:
        await admin.close()
    fresh = _database(world.postgres, "fresh")
    await migrate(fresh)
    await prepare_saver(fresh)
    for name, scenario in SCENARIOS.items():
        repository = make_repository(world.home / "repositories" / name, scenario.files)
        await _make_hub(world, name, repository)


async def _make_hub(world: World, name: str, repository: Path) -> None:
    """Let a hub import the repository and make the app, once, for copies to start from."""
    data, port = world.home / "hubs" / name, free_port()
    data.mkdir(parents=True)
    hub = await world.forks.start(
        "hub", world.home / "hubs.log", plain_environment(),
        data=str(data), port=port, imports=[[str(repository), OWNER, name]], manifest=str(ROOT / "app.yml"),
        webhook_url=None,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        while not (data / "hub.json").exists() and not hub.ended.is_set():
            await asyncio.sleep(0.02)
    if await hub.end(signal.SIGTERM, SECONDS) != 0:
        raise RuntimeError(f"the hub did not start: {(world.home / 'hubs.log').read_text()[-2000:]}")

    with sqlite3.connect(data / "hub.sqlite3") as store:  # what it told before there was a server is another story
        store.execute("DELETE FROM deliveries")


@asynccontextmanager
async def _model() -> AsyncIterator[TimedDouble]:
    model = TimedDouble()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", model.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    model.url = f"http://{HOST}:{runner.addresses[0][1]}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()
