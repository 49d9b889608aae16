"""How many deliveries a second one server acknowledges durably, against a handler that only checks the signature."""

import asyncio
import hashlib
import hmac
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg

from app.storage.migrations import migrate
from benchmarks.bare import PATH, SECRET
from workers.local.servers import EmbeddedPostgres, EmbeddedValkey

BODY_BYTES = 10 * 1024
CONNECTIONS = 64  # of both; fewer than two batches would leave the server idle while it waits for the disk
FLEET = 64  # connections of the steady load: more than are ever busy at once
START_SECONDS = 30.0


@dataclass(frozen=True)
class Found:
    """Answers a second, in one run of both, and milliseconds at a steady rate."""

    bare: float
    durable: float
    rate: int
    median_ms: float
    p99_ms: float
    stored: int
    acknowledged: int

    @property
    def ratio(self) -> float:
        """Durable acknowledgements for each answer of the bare handler."""
        return self.durable / self.bare


@dataclass
class Requests:
    """Signed deliveries, each with a GUID of its own, as the bytes that go over the wire."""

    port: int
    numbers: Iterator[int]

    def __post_init__(self) -> None:
        issue = {"number": 1, "title": "Slow", "labels": [{"name": "bug", "color": "ffffff"}], "body": ""}
        payload = {"action": "edited", "issue": issue, "repository": {"full_name": "acme/sample"}}
        issue["body"] = "word " * ((BODY_BYTES - len(json.dumps(payload))) // 5)
        body = json.dumps(payload).encode().ljust(BODY_BYTES)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"User-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\nContent-Length: {len(body)}\r\n"
            f"X-GitHub-Event: issues\r\nX-Hub-Signature-256: sha256={signature}\r\nX-GitHub-Delivery: "
        )
        self._before, self._after = head.encode(), b"\r\n\r\n" + body

    def next(self) -> bytes:
        """Return the next delivery."""
        return b"%s%036d%s" % (self._before, next(self.numbers), self._after)


class Line(asyncio.Protocol):
    """One connection: a request goes out, the status of its answer comes back."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Wait for the whole answer: head, and as many bytes as it says."""
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]):
            heard, self._heard = self._heard, b""
            if self._answer and not self._answer.done():
                self._answer.set_result(heard[9:12])

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("The server closed the connection."))

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the status of its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()


@asynccontextmanager
async def lines(port: int, number: int) -> AsyncIterator[list[Line]]:
    """Open connections."""
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(Line, "127.0.0.1", port))[1] for _ in range(number)]
    try:
        yield opened
    finally:
        for line in opened:
            line.close()


async def most(requests: Requests, seconds: float) -> tuple[float, int]:
    """Return how many answers came a second, each connection asking as fast as it is answered, and how many in all."""
    answered = 0

    async def keep_asking(line: Line, until: float) -> None:
        nonlocal answered
        while time.perf_counter() < until:
            status = await line.ask(requests.next())
            if status != b"202":
                raise SystemExit(f"The server answered {status.decode()}.")
            answered += 1

    async with lines(requests.port, CONNECTIONS) as opened:
        started = time.perf_counter()
        await asyncio.gather(*(keep_asking(line, started + seconds) for line in opened))
        return answered / (time.perf_counter() - started), answered


async def steady(requests: Requests, rate: int, seconds: float) -> list[float]:
    """Return the seconds to each answer, from when its request was meant to be sent: a late one counts as slow."""
    found: list[float] = []
    async with lines(requests.port, FLEET) as opened:
        free: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for line in opened:
            free.put_nowait(line)

        async def ask(meant: float) -> None:
            line = await free.get()
            status = await line.ask(requests.next())
            found.append(time.perf_counter() - meant)
            free.put_nowait(line)
            if status != b"202":
                raise SystemExit(f"The server answered {status.decode()}.")

        started = time.perf_counter()
        async with asyncio.TaskGroup() as asked:
            for number in range(int(rate * seconds)):
                meant = started + number / rate
                await asyncio.sleep(meant - time.perf_counter())
                asked.create_task(ask(meant))
    return found


@asynccontextmanager
async def program(*arguments: str, environment: dict[str, str], port: int, log: Path) -> AsyncIterator[None]:
    """Run a server until it listens, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, env={**os.environ, **environment}, stderr=log.open("wb")
    )
    try:
        await _listening(process, port)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit("A server didn't start.")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def measure(seconds: float = 5.0, rate: int = 200, steady_seconds: float = 15.0) -> Found:
    """Measure both servers in turn for `seconds` each, and the product's alone at a steady rate."""
    with tempfile.TemporaryDirectory(prefix="aurora-benchmark-") as folder:
        async with (
            EmbeddedPostgres(Path(folder, "postgres")) as postgres,
            EmbeddedValkey(Path(folder, "redis")) as redis,
        ):
            await migrate(postgres.url)
            bare_port, port = _free_port(), _free_port()
            environment = {
                "AURORA_DATABASE_URL": postgres.url, "AURORA_REDIS_URL": redis.url, "AURORA_PORT": str(port),
                "AURORA_GITHUB_WEBHOOK_SECRET": SECRET,
            }  # fmt: skip
            bare = program(
                "benchmarks.bare", str(bare_port), environment={}, port=bare_port, log=Path(folder, "bare.log")
            )
            ours = program("workers.cli", "serve", environment=environment, port=port, log=Path(folder, "2.log"))
            async with bare, ours:
                return await _compare(Requests(bare_port, count()), Requests(port, count()), postgres.url, seconds,
                                      rate, steady_seconds)  # fmt: skip


async def _compare(bare: Requests, ours: Requests, url: str, seconds: float, rate: int, steady_seconds: float) -> Found:
    """Take turns of a second, so that whatever else the machine does falls on both."""
    rates: dict[int, list[float]] = {bare.port: [], ours.port: []}
    acknowledged = 0
    for turn in range(1 + round(seconds)):
        for requests in (bare, ours):
            found, answered = await most(requests, 1.0)
            acknowledged += answered * (requests is ours)
            if turn:  # in the first both import and connect what they need
                rates[requests.port].append(found)
    times = await steady(ours, rate, steady_seconds)
    cut = statistics.quantiles(times, n=100)
    connection = await asyncpg.connect(url)
    try:
        stored = await connection.fetchval("SELECT count(*) FROM deliveries")
    finally:
        await connection.close()
    return Found(
        statistics.mean(rates[bare.port]), statistics.mean(rates[ours.port]), rate, cut[49] * 1000, cut[98] * 1000,
        stored, acknowledged + len(times),
    )  # fmt: skip
