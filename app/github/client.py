"""Requests to GitHub's REST API as one identity: retries, limits and redirects by GitHub's rules."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from gidgethub import GitHubException, HTTPException
from gidgethub import abc as gidgethub
from yarl import URL

from app import metrics
from app.edges import Edge, edge
from app.errors import ForgeError, NotFound, Transient
from app.github.auth import Credentials, Sleep
from app.github.pace import Pace, wait_asked

REQUESTER = "aurora-dev"
VERSION = {"x-github-api-version": "2022-11-28"}
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
READ_TRIES = 4
UNAUTHORISED_TRIES = 6
REDIRECTS = 3
PATIENCE = 20.0  # seconds that one request waits for a limit by itself; longer waits are the caller's
READS = frozenset({"GET", "HEAD"})
NAMED = re.compile(r"[^a-z_-]")  # parts of a path that are a name or number, not a kind of thing

Answer = tuple[int, Mapping[str, str], bytes]


class GitHubClient(gidgethub.GitHubAPI):
    """GitHub's API with one identity's credentials; raises `Transient`, `NotFound` or `ForgeError`.

    Reads are tried again here. A write is sent again only when GitHub said that it did nothing with it
    (a limit, a refused token): after a lost answer the caller has to look first.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        base_url: str,
        *,
        pace: Pace | None = None,
        name: str = "app",
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is in seconds since the epoch; `name` labels the metrics."""
        super().__init__(REQUESTER, base_url=base_url)
        self._session = session
        self._credentials = credentials
        self._pace = pace
        self._name = name
        self._sleep = sleep
        self._now = now

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._sleep(seconds)

    async def list(self, url: str, url_vars: Mapping[str, Any], key: str = "items") -> list[Any]:
        """Return the items of every page; `key` is where they are when a page is an object."""
        return [item async for item in self.getiter(url, url_vars, iterable_key=key)]

    async def _make_request(self, *args: Any, **kwargs: Any) -> tuple[Any, str | None, int]:
        try:
            return await super()._make_request(*args, **kwargs)
        except HTTPException as error:
            raise _translated(error) from error
        except (GitHubException, ValueError, KeyError) as error:
            raise Transient(f"GitHub's answer can't be read: {error}") from error

    async def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        exchange = _Exchange(method, url, {**headers, **VERSION}, body)
        while True:
            if method not in READS and self._pace is not None:
                await self._pace.turn()
            authorization = await self._credentials.header()
            send = partial(self._send, exchange, authorization)
            try:
                answer = await (send() if method in READS else edge(Edge.github, exchange.shape(), send))
            except Transient:
                if not exchange.may_read_again():
                    raise
                await self._sleep(exchange.pause())
                continue
            if not await self._go_on(exchange, answer, authorization):
                return answer

    async def _go_on(self, exchange: "_Exchange", answer: Answer, authorization: str) -> bool:
        """Tell whether to send once more, after any wait; raise `Transient` when that is for the caller."""
        status, headers, body = answer
        if exchange.follow(status, headers):
            return True
        if status == 401 and exchange.may_authorise_again():
            return await self._credentials.refused(authorization)
        wait = wait_asked(status, headers, body, self._now())
        if wait is not None:
            if not exchange.may_wait(wait):
                raise Transient("GitHub asks to slow down.", retry_after=wait)
            await self._sleep(wait)
            return True
        if status >= 500:
            if not exchange.may_read_again():
                raise Transient(f"GitHub is out of order at the moment (HTTP {status}).")
            await self._sleep(exchange.pause())
            return True
        return False

    async def _send(self, exchange: "_Exchange", authorization: str) -> Answer:
        started = time.perf_counter()
        status = 0
        headers = {**exchange.headers, "authorization": authorization}
        try:
            async with self._session.request(
                exchange.method,
                URL(exchange.url, encoded=True),
                headers=headers,
                data=exchange.body or None,
                allow_redirects=False,  # aiohttp would turn a redirected POST into a GET
                timeout=TIMEOUT,
            ) as response:
                status = response.status
                self._note_limit(response.headers)
                return status, response.headers, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"GitHub can't be reached: {type(error).__name__}.") from error
        finally:
            elapsed = time.perf_counter() - started
            metrics.GITHUB_SECONDS.labels(exchange.method, str(status)).observe(elapsed)

    def _note_limit(self, headers: Mapping[str, str]) -> None:
        remaining = headers.get("x-ratelimit-remaining", "")
        if remaining.isdecimal():
            metrics.GITHUB_REMAINING.labels(self._name).set(int(remaining))


class _Exchange:
    """One logical request and what is left of its budgets."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self._failures = 0
        self._unauthorised = 0
        self._redirects = 0
        self._waited = 0.0

    def shape(self) -> str:
        """Return method and path without the names and numbers in it."""
        parts = urlsplit(self.url).path.partition("/repos/")[2].split("/")[2:] or [urlsplit(self.url).path]
        return f"{self.method} {'/'.join('*' if NAMED.search(part) else part for part in parts)}"

    def may_read_again(self) -> bool:
        self._failures += 1
        return self.method in READS and self._failures < READ_TRIES

    def pause(self) -> float:
        return 0.25 * 2.0**self._failures

    def may_authorise_again(self) -> bool:
        self._unauthorised += 1
        return self._unauthorised < UNAUTHORISED_TRIES

    def may_wait(self, seconds: float) -> bool:
        self._waited += max(seconds, 0.1)
        return self._waited <= PATIENCE

    def follow(self, status: int, headers: Mapping[str, str]) -> bool:
        """Turn to the address that a renamed repository has now: the same method, body and host."""
        if status not in {301, 302, 307, 308} or self._redirects >= REDIRECTS:
            return False
        target = urljoin(self.url, headers.get("location", ""))
        if urlsplit(target)[:2] != urlsplit(self.url)[:2]:
            return False  # credentials go nowhere else
        self._redirects += 1
        self.url = target
        return True


async def found_within(read: Callable[[], Awaitable[Any]], sleep: Sleep, pauses: tuple[float, ...]) -> Any:
    """Read something that was just announced: for a moment GitHub may not find it everywhere."""
    for pause in pauses:
        try:
            return await read()
        except NotFound:
            await sleep(pause)
    return await read()


def _translated(error: HTTPException) -> ForgeError:
    status = int(error.status_code)
    kind = NotFound if status in {404, 410} else ForgeError
    return kind(f"GitHub refused the request (HTTP {status}): {error}", status)
