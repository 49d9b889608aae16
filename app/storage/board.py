"""Reads what people and programs see of projects, each answer from one snapshot."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.account import account
from app.domain.board import Event, ProjectLine, ProjectView
from app.domain.ports import ModelCall
from app.domain.project import ProjectStatus
from app.domain.task import Task
from app.storage.pool import Connection, Pool, sql

SHOWN = 500  # of each long list
EVENTS = 500  # at a time
LISTS = ("checks", "calls", "messages", "errors", "effects", "memories", "uses", "artifacts")
UNOPENED: Mapping[str, Any] = {  # what a project has that is no issue yet
    "pull_request": None, "budget_usd": 0.0, "spent_usd": 0.0, "reserved_usd": 0.0, "finished_at": None, "phase": None,
    "branch": None, "base_branch": None, "base_sha": None, "head_sha": None, "requirements": (), "review": None,
    "notes": (), "rounds": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Position:
    """Where a page of projects ended."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True)
class Stand:
    """How far everything is; unequal to any other moment's if something happened in between."""

    events: int
    projects: int
    requests: int


class Board:
    """Reads projects for people and programs, without a lease."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        repository: str | None = None,
        statuses: Collection[ProjectStatus] = (),
    ) -> list[ProjectLine]:
        """Return at most `limit` projects, the newest first."""
        at, identity = (after.created_at, after.id) if after else (None, None)
        wanted = [status.value for status in statuses] or None
        async with self._snapshot() as connection:
            found = await connection.fetch(sql("dashboard.page"), at, identity, repository, wanted, limit)
            tasks = await connection.fetch(sql("dashboard.task_statuses"), [row["id"] for row in found])
        of = {row["project_id"]: tuple(row["statuses"]) for row in tasks}
        return [ProjectLine.model_validate({**row, "task_statuses": of.get(row["id"], ())}) for row in found]

    async def counts(self) -> dict[ProjectStatus, int]:
        """Return how many projects there are of each status."""
        return {ProjectStatus(row["status"]): row["number"] for row in await self._pool.fetch(sql("dashboard.counts"))}

    async def project(self, identity: UUID) -> ProjectView | None:
        """Return a project with all that hangs on it, or what was asked for and has no issue yet."""
        async with self._snapshot() as connection:
            found = await self._row(connection, identity)
            if found is None:
                return None
            tasks = await _rows(connection, "tasks.of_project", identity)
            return ProjectView.model_validate(
                {
                    **found,
                    **{name: await _rows(connection, f"dashboard.{name}", identity, SHOWN) for name in LISTS},
                    "tasks": tasks,
                    "task_statuses": [row["status"] for row in tasks],
                    "attempts": await _rows(connection, "dashboard.attempts", identity),
                    "totals": (await _rows(connection, "dashboard.totals", identity))[0],
                    "sums": await self._sums(connection, identity, [Task.model_validate(row) for row in tasks]),
                    "last_event": await connection.fetchval(sql("dashboard.last_event"), identity),
                }
            )

    async def log(self, project: UUID, check: UUID) -> str | None:
        """Return the whole output of a checkpoint."""
        found: str | None = await self._pool.fetchval(sql("dashboard.log"), project, check)
        return found

    async def last_event(self, project: UUID) -> int | None:
        """Return the number of the newest event, 0 before the first one; None where there is no such project."""
        found: int | None = await self._pool.fetchval(sql("dashboard.last_event"), project)
        return found

    async def events(self, project: UUID, after: int) -> list[Event]:
        """Return some of what followed the event with number `after`; nothing will ever appear in between."""
        found = await self._pool.fetch(sql("dashboard.events"), project, after, EVENTS)
        return [Event.model_validate(dict(row)) for row in found]

    async def changed(self, projects: Collection[UUID]) -> dict[UUID, int]:
        """Return the numbers of the newest events of these projects, where there is one."""
        found = await self._pool.fetch(sql("dashboard.changed"), list(projects))
        return {row["project_id"]: row["last"] for row in found}

    async def stand(self) -> Stand:
        """Return how far everything is."""
        row = await self._pool.fetchrow(sql("dashboard.stand"))
        assert row is not None  # noqa: S101 - an aggregate
        return Stand(**row)

    async def _row(self, connection: Connection, identity: UUID) -> dict[str, Any] | None:
        if found := await connection.fetchrow(sql("dashboard.project"), identity):
            return dict(found)
        request = await connection.fetchrow(sql("dashboard.request"), identity)
        return {**UNOPENED, **request} if request else None

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        async with (
            self._pool.acquire(timeout=10) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def _sums(self, connection: Connection, identity: UUID, tasks: list[Task]) -> dict[str, Any]:
        spent = await connection.fetch(sql("dashboard.spent_by_task"), identity)
        calls = [ModelCall(row["task_id"], "", "", row["usd"], row["tokens"], 0, row["seconds"]) for row in spent]
        sums = account(tasks, calls)
        return {
            "calls": sum(row["calls"] for row in spent),
            "tokens": sums.tokens,
            "usd": sums.usd,
            "model_seconds": sums.model_seconds,
            "critical_path_seconds": sums.critical_path_seconds,
        }


async def _rows(connection: Connection, query: str, *parameters: object) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(sql(query), *parameters)]
