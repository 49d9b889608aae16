"""Projects as events and readers see them: begun once, found again by their issue or pull request."""

from datetime import datetime
from uuid import UUID

from app.domain.ports import ModelCall
from app.domain.project import Project, Repository
from app.domain.task import Task
from app.storage import rows
from app.storage.pool import Connection, Pool, sql


async def start(
    connection: Connection,
    identity: UUID,
    repository: Repository,
    issue_number: int,
    *,
    title: str,
    requested_by: str,
    budget_usd: float,
    at: datetime,
) -> UUID | None:
    """Begin the next run of an issue; None when one is under way."""
    started: UUID | None = await connection.fetchval(
        sql("projects.start"), identity, repository.full_name, repository.installation_id, issue_number,
        title, requested_by, budget_usd, at,
    )  # fmt: skip
    return started


async def live_of_issue(connection: Connection, repository: str, issue_number: int) -> Project | None:
    """Return the run of an issue that is under way."""
    row = await connection.fetchrow(sql("projects.live_of_issue"), repository, issue_number)
    return rows.project(row) if row else None


async def latest_of_issue(connection: Connection | Pool, repository: str, issue_number: int) -> Project | None:
    """Return the last run of an issue."""
    row = await connection.fetchrow(sql("projects.latest_of_issue"), repository, issue_number)
    return rows.project(row) if row else None


async def live_of_pull_request(connection: Connection, repository: str, number: int) -> Project | None:
    """Return the run under way that has this pull request."""
    row = await connection.fetchrow(sql("projects.live_of_pull_request"), repository, str(number))
    return rows.project(row) if row else None


class ProjectReader:
    """Reads projects for people and programs, without a lease."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def get(self, identity: UUID) -> Project | None:
        """Return one project."""
        row = await self._pool.fetchrow(sql("projects.get"), identity)
        return rows.project(row) if row else None

    async def page(self, limit: int, offset: int) -> list[Project]:
        """Return projects, the newest first."""
        return [rows.project(row) for row in await self._pool.fetch(sql("projects.page"), limit, offset)]

    async def tasks(self, identity: UUID) -> list[Task]:
        """Return the tasks of a project."""
        return [rows.task(row) for row in await self._pool.fetch(sql("tasks.of_project"), identity)]

    async def calls(self, identity: UUID) -> list[ModelCall]:
        """Return the model calls of a project, oldest first."""
        return [rows.model_call(row) for row in await self._pool.fetch(sql("usage.of_project"), identity)]

    async def of_issue(self, repository: str, number: int) -> Project | None:
        """Return the last run of an issue."""
        async with self._pool.acquire() as connection:
            return await latest_of_issue(connection, repository, number)
