"""Requests to GitHub's REST API as one identity: retries, limits and redirects by GitHub's rules."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from gidgethub import GitHubException, HTTPException
from gidgethub import abc as gidgethub
from yarl import URL

from app import metrics
from app.edges import Edge, edge
from app.errors import ForgeError, NotFound, RateLimited, Transient
from app.github.auth import Credentials, Sleep
from app.github.pace import PATIENCE, Pace, number_in

log = logging.getLogger(__name__)

REQUESTER = "aurora-dev"
VERSION = {"x-github-api-version": "2022-11-28"}
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
READ_TRIES = 4
UNAUTHORISED_TRIES = 10
REDIRECTS = 3
READS = frozenset({"GET", "HEAD"})
TOKENS = "/access_tokens"  # asking for one more does no harm, and is no content
EMPTY = frozenset({204, 205})  # answers without content
NAMED = re.compile(r"[^a-z_-]")  # parts of a path that are a name or number, not a kind of thing

Answer = tuple[int, Mapping[str, str], bytes]


class GitHubClient(gidgethub.GitHubAPI):
    """GitHub's API with one identity's credentials; raises `Transient`, `NotFound` or `ForgeError`.

    Reads are tried again here. A write is sent again only when GitHub said that it did nothing with it
    (a limit, a refused token): after a lost answer the caller has to look first. A limit that lasts longer
    than one request waits is a `RateLimited`; every process of the installation keeps to it.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        base_url: str,
        *,
        pace: Pace,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`jitter` is in [0, 1)."""
        super().__init__(REQUESTER, base_url=base_url)
        self._session = session
        self._credentials = credentials
        self._pace = pace
        self._sleep = sleep
        self._jitter = jitter

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._sleep(seconds)

    async def list(self, url: str, url_vars: Mapping[str, Any], key: str = "items") -> list[Any]:
        """Return the items of every page; `key` is where they are when a page is an object."""
        return [item async for item in self.getiter(url, url_vars, iterable_key=key)]

    async def _make_request(self, method: str, *args: Any, **kwargs: Any) -> tuple[Any, str | None, int]:
        content: Any
        for left in reversed(range(READ_TRIES if method in READS else 1)):
            try:
                content, more, status = await super()._make_request(method, *args, **kwargs)
                if status in EMPTY or isinstance(content, dict | list):
                    return content, more, status
            except HTTPException as error:
                raise _translated(error) from error
            except (GitHubException, ValueError, KeyError) as error:
                log.info("an answer of GitHub's can't be read", extra={"why": str(error)})
            if left:
                await self._sleep(backoff(READ_TRIES - left, self._jitter()))
        raise Transient("GitHub's answer can't be read.")

    async def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        exchange = _Exchange(method, url, {**headers, **VERSION}, body)
        while True:
            authorization = await self._credentials.header()
            await (self._pace.write() if exchange.writes else self._pace.read())
            send = partial(self._send, exchange, authorization)
            try:
                answer = await (send() if method in READS else edge(Edge.github, exchange.shape(), send))
            except Transient:
                if not exchange.may_repeat():
                    raise
                await self._sleep(exchange.pause(self._jitter()))
                continue
            if not await self._go_on(exchange, answer, authorization):
                return answer

    async def _go_on(self, exchange: "_Exchange", answer: Answer, authorization: str) -> bool:
        """Tell whether to send once more, after any wait; raise `Transient` when that is for the caller."""
        status, headers, body = answer
        wait = await self._pace.heard(status, headers, body)
        if exchange.follow(status, headers):
            return True
        if status == 401 and await self._credentials.refused(authorization):
            if not exchange.may_authorise_again():
                raise Transient("GitHub refuses a new token.")
            return True
        if wait is not None:
            if not exchange.may_wait(wait):
                raise RateLimited("GitHub asks to slow down.", retry_after=wait)
            return True  # the pace keeps everybody waiting
        if status >= 500:
            asked = number_in(headers.get("retry-after"))
            if (asked or 0.0) > PATIENCE or not exchange.may_repeat():
                raise Transient(f"GitHub is out of order at the moment (HTTP {status}).", retry_after=asked)
            await self._sleep(max(exchange.pause(self._jitter()), asked or 0.0))
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
                return status, response.headers, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"GitHub can't be reached: {type(error).__name__}.") from error
        finally:
            elapsed = time.perf_counter() - started
            metrics.GITHUB_SECONDS.labels(exchange.method, str(status)).observe(elapsed)


class _Exchange:
    """One logical request and what is left of its budgets."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.writes = method not in READS and not url.endswith(TOKENS)
        self.url = url
        self.headers = headers
        self.body = body
        self._failures = 0
        self._unauthorised = 0
        self._redirects = 0
        self._waited = 0.0

    def shape(self) -> str:
        """Return method and path without the names and numbers in it."""
        path = urlsplit(self.url).path
        parts = path.partition("/repos/")[2].split("/")[2:] or path.strip("/").split("/")
        return f"{self.method} {'/'.join('*' if NAMED.search(part) else part for part in parts)}"

    def may_repeat(self) -> bool:
        self._failures += 1
        return not self.writes and self._failures < READ_TRIES

    def pause(self, jitter: float) -> float:
        return backoff(self._failures, jitter)

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


def backoff(failures: int, jitter: float) -> float:
    """Return the seconds to wait after so many failures: twice as long each time, not all at once."""
    return 0.25 * 2.0**failures * (0.5 + jitter / 2)


def _translated(error: HTTPException) -> ForgeError:
    status = int(error.status_code)
    kind = NotFound if status in {404, 410} else ForgeError
    return kind(f"GitHub refused the request (HTTP {status}): {error}", status)
