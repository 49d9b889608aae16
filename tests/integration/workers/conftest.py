"""Everything but the workers, running: each test starts real ones, and does to them what it wants."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.team import MODEL, ModelDouble, Team, approves, learns, make_repository, planned, requirements
from workers.local.process import bound, start
from workers.local.stack import Import, Options, Stack

ROOT = Path(__file__).parents[3]
QUICK = (sys.executable, "-P", "-m", "tests.integration.workers.quick")
REPOSITORY = "acme/plain"
# Checkpoints that take milliseconds: what they say is for other tests.
FILES = {
    "start": "0\n",
    "check.sh": "test ! -e slow || sleep 600\n",
    ".github/aurora.yml": "merge: auto\ncheckpoints:\n  types: 'true'\n  lint: 'true'\n  tests: sh check.sh\n",
}
SECONDS = 30.0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def double() -> AsyncIterator[ModelDouble]:
    """The model's server."""
    model = ModelDouble()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", model.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield model
    await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(double: ModelDouble, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Stores, hub and server."""
    home = tmp_path_factory.mktemp("workers")
    imports = (Import(make_repository(home / "plain", FILES), REPOSITORY),)
    environment = {
        **os.environ,
        "AURORA_MODEL": MODEL,
        "AURORA_MODEL_PRICES": json.dumps({MODEL: {"input": 1, "output": 1}}),
        "AURORA_SETUP_NETWORK": "never",
        "OPENAI_BASE_URL": double.url,
        "OPENAI_API_KEY": "test",
    }
    async with Stack(Options(home / "data", workers=0, imports=imports, durable=False), environment) as running:
        yield running


@dataclass
class Process:
    """A worker's process."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    async def ended(self, seconds: float = SECONDS) -> int:
        """Wait for the end and return its status."""
        async with asyncio.timeout(seconds):
            while (status := self.popen.poll()) is None:
                await asyncio.sleep(0.01)
        return status

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines about an event."""
        return [line for line in self._lines() if line["event"] == event]

    def said(self) -> list[str]:
        """Return the events of the log."""
        return [line["event"] for line in self._lines()]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@dataclass
class Yard:
    """Where workers are started, and what is seen of their work."""

    stack: Stack
    model: ModelDouble
    team: Team
    processes: list[Process] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def work(self, *, awaited: bool = True, database: str | None = None, **tempo: float) -> Process:
        """Start a worker and wait until it is ready."""
        name = f"worker-{next(self.numbers)}-{time.monotonic_ns()}"
        ready, log = self.stack.data_dir / f"{name}.ready", self.stack.data_dir / f"{name}.log"
        environment = {
            **self.stack.environment, "AURORA_READY_FILE": str(ready), "QUICK": json.dumps(tempo),
            "PYTHONPATH": str(ROOT), "AURORA_DATA_DIR": str(self.stack.data_dir / name),
            "AURORA_DATABASE_URL": database or self.stack.environment["AURORA_DATABASE_URL"],
        }  # fmt: skip
        process = Process(start(bound((*QUICK, "work"), signal.SIGKILL), environment, log), log)
        self.processes.append(process)
        async with asyncio.timeout(SECONDS):
            while awaited and not ready.exists():
                assert process.popen.poll() is None, log.read_text()[-2000:]
                await asyncio.sleep(0.02)
        return process

    def end(self) -> None:
        """Kill what is left."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()

    async def ask(self, *names: str) -> int:
        """Open an issue that becomes one task for each of these files."""
        self.model.answers |= {
            "parse": lambda _: requirements("all of it"),
            "plan": lambda _: {"tasks": [planned(name, name) for name in names]},
        }
        return await self.team.ask(REPOSITORY, f"Add {', '.join(names)}")

    async def until(self, condition: Callable[[], Any], seconds: float = SECONDS) -> float:
        """Wait for a condition; return the seconds that it took."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the database."""
        connection = await asyncpg.connect(self.stack.environment["AURORA_DATABASE_URL"], timeout=5)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def merged(self, number: int) -> None:
        """Wait until the issue's pull request is merged and nothing moves any more."""
        assert await self.team.settled(REPOSITORY, number) == "Merged in"
        async with asyncio.timeout(SECONDS):
            while await self.rows("SELECT 1 FROM leases WHERE expires_at > now()"):
                await asyncio.sleep(0.02)
        assert len(await self.team.comments(REPOSITORY, number)) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def yard(stack: Stack, double: ModelDouble) -> AsyncIterator[Yard]:
    """A yard without workers and without anything to do."""
    double.answers, double.asked = {"review": approves, "reflect": learns}, []
    made = Yard(stack, double, Team(stack))
    # What an earlier test left open would be found by the search for what GitHub could not bring, and be begun.
    for issue in await stack.person.get(f"/repos/{REPOSITORY}/issues", state="open", per_page="100"):
        await stack.person.patch(f"/repos/{REPOSITORY}/issues/{issue['number']}", {"state": "closed"})
    await made.rows("TRUNCATE projects, deliveries, leases, journal CASCADE")
    yield made
    made.end()
