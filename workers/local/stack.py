"""The whole system on one machine: stores, the local GitHub, web and workers, in one process tree."""

import asyncio
import json
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from app.errors import ConfigurationError
from workers.local.person import HubPerson
from workers.local.process import plain_environment, run
from workers.local.servers import EmbeddedPostgres, EmbeddedValkey
from workers.local.supervise import Program, Supervisor
from workers.workspace.locks import try_lock

# -P: not from the current directory, which may be a repository with packages of the same names.
PYTHON = (sys.executable, "-P", "-m")
AURORA = (*PYTHON, "workers.cli")
HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
MIGRATE_SECONDS = 120.0


@dataclass(frozen=True)
class Import:
    """A local repository to be copied to the hub as OWNER/NAME."""

    path: Path
    name: str


@dataclass(frozen=True)
class Options:
    """What a stack is made of; ports that are None are kept from the last time, or any free ones."""

    data_dir: Path
    workers: int = 1
    hub_port: int | None = None
    web_port: int | None = None
    imports: tuple[Import, ...] = ()
    people: tuple[str, ...] = ()  # more people at the hub, without rights
    manifest: Path | None = None
    restart: bool = True  # start again what ends by itself
    durable: bool = True  # whether embedded stores survive a crash of the machine
    aurora: tuple[str, ...] = AURORA


class Stack:
    """Everything, running: `async with Stack(options) as stack`."""

    hub_url: str
    web_url: str
    api_token: str
    app_slug: str
    person: HubPerson
    people: Mapping[str, HubPerson]  # all of them, by login

    def __init__(self, options: Options, environment: Mapping[str, str] | None = None) -> None:
        """Take settings such as AURORA_MODEL from `environment`, by default this process's own."""
        self.options = options
        self.data_dir = options.data_dir.resolve()
        self.programs = Supervisor()
        self._given = dict(os.environ if environment is None else environment)
        self._environment: dict[str, str] = {}
        self._closing = AsyncExitStack()
        self._workers = 0
        self.stores: dict[str, EmbeddedPostgres | EmbeddedValkey] = {}  # the embedded ones, by their names
        self._keeping: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What web and workers run with, secrets included."""
        return self._environment

    def log(self, name: str) -> Path:
        """Return the log file of a program: hub, serve, work-1 …"""
        return self.data_dir / "logs" / f"{name}.log"

    async def __aenter__(self) -> Self:
        """Start everything; raises `ConfigurationError` with one sentence when something doesn't."""
        try:
            await self._start()
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def add_worker(self) -> str:
        """Start one more worker and return its name when it is ready."""
        self._workers += 1
        name = f"work-{self._workers}"
        await self.programs.start(self._worker(name))
        return name

    async def restart_worker(self, name: str = "work-1") -> None:
        """Kill a worker (-9) and start it anew."""
        (self.data_dir / "run" / f"{name}.ready").unlink(missing_ok=True)
        await self.programs.restart(name)

    async def _start(self) -> None:
        self._own()
        self._session = await self._closing.enter_async_context(aiohttp.ClientSession())
        hub_port, web_port = self._ports()
        self.hub_url, self.web_url = f"http://{HOST}:{hub_port}", f"http://{HOST}:{web_port}"
        postgres = EmbeddedPostgres(self.data_dir / "postgres", durable=self.options.durable)
        valkey = EmbeddedValkey(self.data_dir / "valkey", durable=self.options.durable)
        for stop in (postgres.stop, valkey.stop, self._stop_keeping, self.programs.stop):
            self._closing.push_async_callback(stop)
        database, queue, _ = await _all(
            self._store("AURORA_DATABASE_URL", postgres),
            self._store("AURORA_REDIS_URL", valkey),
            self.programs.start(self._hub(hub_port)),
        )
        stores = {"AURORA_DATABASE_URL": database, "AURORA_REDIS_URL": queue}
        self._environment = self._settings(stores, web_port)
        await run((*self.options.aurora, "migrate"), self._environment, MIGRATE_SECONDS, "aurora migrate")
        await _all(self.programs.start(self._web()), *(self.add_worker() for _ in range(self.options.workers)))

    def _own(self) -> None:
        self.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        (self.data_dir / "run").mkdir(exist_ok=True)
        lock = try_lock(self.data_dir / "run" / "lock")
        if lock is None:
            raise ConfigurationError(
                f"{self.data_dir} is in use by another aurora: stop that, or choose another --data."
            )
        self._closing.callback(os.close, lock)

    def _ports(self) -> tuple[int, int]:
        """Choose ports, the same as last time where they are free: links in old comments go on working."""
        file = self.data_dir / "run" / "ports.json"
        try:
            last = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):
            last = {}
        hub = _port(self.options.hub_port, last.get("hub"))
        web = _port(self.options.web_port, last.get("web"), taken=hub)
        file.write_text(json.dumps({"hub": hub, "web": web}))
        return hub, web

    def _own_token(self) -> str:
        """Return the token of this data directory, so that browsers stay signed in over a restart."""
        file = self.data_dir / "run" / "api-token"
        try:
            return file.read_text()
        except FileNotFoundError:
            token = secrets.token_urlsafe(24)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
                written.write(token)
            return token

    # --- the parts

    async def _store(self, name: str, server: EmbeddedPostgres | EmbeddedValkey) -> str:
        """Return the address of the store that a setting names, or else of an embedded one, started."""
        if given := self._given.get(name):
            return given
        await server.start()
        self.stores[server.name] = server
        if self.options.restart:
            self._keeping.append(asyncio.create_task(server.keep(), name=f"keep {server.name}"))
        return server.url

    async def _stop_keeping(self) -> None:
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    def _hub(self, port: int) -> Program:
        argv = [*PYTHON, "hub", "--port", str(port), "--data", str(self.data_dir / "hub")]
        argv += ["--manifest", str((self.options.manifest or _manifest()).resolve())]
        argv += ["--webhook-url", f"{self.web_url}/webhooks/github"]
        for one in self.options.imports:
            argv += ["--import", str(one.path.resolve()), "--as", one.name]
        for login in self.options.people:
            argv += ["--user", login]
        return Program(
            "hub",
            tuple(argv),
            self.log("hub"),
            self._answers(self.hub_url),
            {**plain_environment(), "PYTHONPATH": str(ROOT)},
            restart=self.options.restart,
        )

    def _settings(self, stores: Mapping[str, str], web_port: int) -> dict[str, str]:
        """Read what the hub says of itself, and put together what web and workers are told."""
        hub: dict[str, Any] = json.loads((self.data_dir / "hub" / "hub.json").read_text())
        app = hub["app"]
        self.app_slug = app["slug"]
        assert self._session is not None  # noqa: S101 - made at the start
        session, api = self._session, hub["api_url"]
        self.people = {login: HubPerson(session, api, login, token) for login, token in hub["users"].items()}
        self.person = next(iter(self.people.values()))
        self.api_token = self._given.get("AURORA_API_TOKEN") or self._own_token()
        return {
            **self._given,
            **stores,
            "PYTHONPATH": str(ROOT),
            "AURORA_DATA_DIR": str(self.data_dir),
            "AURORA_API_TOKEN": self.api_token,
            "AURORA_HOST": HOST,
            "AURORA_PORT": str(web_port),
            "AURORA_PUBLIC_URL": self._given.get("AURORA_PUBLIC_URL") or self.web_url,
            "AURORA_GITHUB_APP_ID": str(app["id"]),
            "AURORA_GITHUB_PRIVATE_KEY": "",
            "AURORA_GITHUB_PRIVATE_KEY_FILE": str(app["private_key_file"]),
            "AURORA_GITHUB_WEBHOOK_SECRET": app["webhook_secret"],
            "AURORA_GITHUB_API_URL": hub["api_url"],
            "AURORA_GITHUB_WEB_URL": hub["url"],
        }

    def _web(self) -> Program:
        argv = (*self.options.aurora, "serve")
        ready = self._answers(f"{self.web_url}/readyz", 200)
        return Program("serve", argv, self.log("serve"), ready, self._environment, restart=self.options.restart)

    def _worker(self, name: str) -> Program:
        file = self.data_dir / "run" / f"{name}.ready"
        file.unlink(missing_ok=True)

        async def ready() -> bool:
            return await asyncio.to_thread(file.exists)

        return Program(
            name,
            (*self.options.aurora, "work"),
            self.log(name),
            ready,
            {**self._environment, "AURORA_READY_FILE": str(file)},
            restart=self.options.restart,
        )

    def _answers(self, url: str, status: int | None = None) -> Callable[[], Awaitable[bool]]:
        async def answers() -> bool:
            assert self._session is not None  # noqa: S101 - made at the start
            try:
                async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
                    return response.status == (status or response.status)
            except (TimeoutError, aiohttp.ClientError):
                return False

        return answers


def _manifest() -> Path:
    for place in (ROOT / "app.yml", Path(__file__).with_name("app.yml")):
        if place.exists():
            return place
    raise ConfigurationError("The app's manifest, app.yml, isn't where this was installed; run from a checkout.")


def _port(wanted: int | None, last: int | None, taken: int = 0) -> int:
    """Return a port that is free now; the one that is wanted must be."""
    if wanted:
        if not _free(wanted):
            raise ConfigurationError(f"Port {wanted} is in use; choose another one.")
        return wanted
    if last and last != taken and _free(last):
        return last
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False


async def _all(*works: Awaitable[Any]) -> list[Any]:
    """Await all, to their ends, and raise what went wrong first: nothing goes on starting behind our back."""
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return ends
