"""Projects asked for by HTTP: stored first, opened as issues by a worker, adopted by the issue's webhook."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from app.domain.board import ProjectRequest
from app.edges import Edge, edge
from app.storage.pool import Connection, Lease, Pool, fenced, sql, storable


class KeyTaken(Exception):
    """The idempotency key was used for another request."""


@dataclass(frozen=True)
class Unopened:
    """A request whose issue is to be opened."""

    repository: str
    title: str
    text: str
    intended_at: datetime | None  # an earlier try may have opened the issue since then
    settled: bool  # … and long enough ago to be seen
    tries: int


@dataclass(frozen=True)
class Claim:
    """How a project that was asked for by HTTP begins."""

    id: UUID
    requested_by: str


class Repeated(Exception):
    """A second issue was opened for one request: nothing is done for it."""


class Requests:
    """The requests of one installation of AURORA-DEV."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def store(self, identity: UUID, key: str | None, request: ProjectRequest) -> UUID:
        """Keep a request and return its id: an earlier one where the key is known. Raises `KeyTaken`."""
        content = tuple(map(storable, (request.repository, request.heading, request.text, request.requested_by)))
        keep = partial(self._pool.fetchval, sql("requests.store"), identity, key, *content)
        stored: UUID | None = await edge(Edge.stored, "request", keep)
        if stored is not None:
            return stored
        row = await self._pool.fetchrow(sql("requests.of_key"), key)
        if row is None or (row["repository"], row["title"], row["text"], row["requested_by"]) != content:
            raise KeyTaken
        known: UUID = row["id"]
        return known

    async def due(self) -> list[UUID]:
        """Return those whose issue is to be opened now."""
        return [row["id"] for row in await self._pool.fetch(sql("requests.due"))]

    async def get(self, identity: UUID, settling: float) -> Unopened | None:
        """Return one that still needs an issue; what was tried `settling` seconds ago is visible by now."""
        row = await self._pool.fetchrow(sql("requests.get"), identity, settling)
        return Unopened(**{**row, "settled": bool(row["settled"])}) if row else None

    async def intend(self, lease: Lease) -> None:
        """Say that the issue is about to be opened."""
        async with fenced(self._pool, lease, "request intended") as connection:
            await connection.execute(sql("requests.intend"), lease.subject)

    async def opened(self, lease: Lease, number: int) -> None:
        """Say which issue it became."""
        async with fenced(self._pool, lease, "request opened") as connection:
            await connection.execute(sql("requests.opened"), lease.subject, number)

    async def refuse(self, lease: Lease, why: str) -> None:
        """Say in a sentence why it becomes none."""
        async with fenced(self._pool, lease, "request refused") as connection:
            await connection.execute(sql("requests.refused"), lease.subject, why)

    async def postpone(self, lease: Lease, seconds: float) -> None:
        """Try again later."""
        async with fenced(self._pool, lease, "request postponed") as connection:
            await connection.execute(sql("requests.postpone"), lease.subject, seconds)


async def adopt(connection: Connection, identity: UUID, repository: str, issue_number: int) -> Claim | None:
    """Make a request the project of its issue; None where there is none, or its project has begun already.

    Raises `Repeated` when it is that of another issue.
    """
    row = await connection.fetchrow(sql("requests.claim"), identity, repository)
    if row is None or row["begun"]:
        return None
    if row["issue_number"] not in {None, issue_number}:
        raise Repeated
    await connection.execute(sql("requests.adopt"), identity, issue_number)
    return Claim(identity, row["requested_by"])
