"""Projects as events and readers see them: begun once, found again by their issue or pull request."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.checks import CheckResult
from app.domain.commands import Said, load
from app.domain.ports import ModelCall
from app.domain.project import Phase, Project, Repository
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
    labelling: int | None = None,
) -> UUID | None:
    """Begin the next run of an issue; None when one is under way, or this labelling has begun one."""
    started: UUID | None = await connection.fetchval(
        sql("projects.start"), identity, repository.full_name, repository.installation_id, issue_number,
        title, requested_by, budget_usd, at, labelling,
    )  # fmt: skip
    return started


@dataclass(frozen=True)
class Run:
    """The last run of an issue, as far as intake has to know it."""

    id: UUID
    phase: Phase
    labelling: int | None  # the last one that it answers
    finished_at: datetime | None
    live: bool
    reverting: bool  # it takes back what an earlier run had merged: nothing that happens to the issue ends it
    told_to_end: bool

    @property
    def ending(self) -> bool:
        """Whether it is about to be cancelled."""
        return self.live and (self.told_to_end or self.phase is Phase.cancel)


async def last_run(connection: Connection, repository: str, issue_number: int) -> Run | None:
    """Return the last run of an issue; nobody else changes it until the transaction at hand has ended."""
    row = await connection.fetchrow(sql("projects.last_run_locked"), repository, issue_number)
    return Run(**{**row, "phase": Phase(row["phase"])}) if row else None


async def labelled_again(connection: Connection, identity: UUID, labelling: int) -> None:
    """Note that the issue of a run under way was labelled once more: it is still the same run."""
    await connection.execute(sql("projects.labelled_again"), identity, labelling)


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


async def hold(connection: Connection, project: UUID, *, held: bool) -> None:
    """Let no model call be begun for a project from now on, or let them again."""
    await connection.execute(sql("projects.hold"), project, held)


async def latest_of_pull_request(connection: Connection, repository: str, number: int) -> Project | None:
    """Return the last run that has this pull request, ended or not."""
    row = await connection.fetchrow(sql("projects.latest_of_pull_request"), repository, str(number))
    return rows.project(row) if row else None


async def of_commit(connection: Connection, repository: str, sha: str) -> Project | None:
    """Return the last run that a commit belongs to."""
    row = await connection.fetchrow(sql("projects.of_commit"), repository, sha)
    return rows.project(row) if row else None


async def live_of_installation(connection: Connection, number: int, repositories: Sequence[str]) -> list[Project]:
    """Return the runs under way of an installation, in these repositories or, where none are named, in all."""
    found = await connection.fetch(sql("projects.live_of_installation"), number, list(repositories))
    return [rows.project(row) for row in found]


@dataclass(frozen=True)
class Commanded:
    """A message that told a run of the commands in a comment."""

    id: UUID
    comment: int
    commands: list[Said]


async def commanded(connection: Connection, project: UUID, message: UUID) -> list[Commanded]:
    """Return what a run was commanded, and this message, whichever run it was for.

    Until the transaction ends, nobody else gives the run commands.
    """
    await connection.execute(sql("projects.lock"), project)
    found = await connection.fetch(sql("projects.commanded"), project, message)
    return [Commanded(row["id"], row["comment"], load(row["commands"])) for row in found]


@dataclass(frozen=True)
class Live:
    """A run under way."""

    id: UUID
    issue_number: int
    pull_request: int | None
    reverting: bool


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

    @asynccontextmanager
    async def connection(self, connection: Connection | None = None) -> AsyncIterator[Connection]:
        """Use the connection at hand, or one of the pool."""
        if connection is not None:
            yield connection
            return
        async with self._pool.acquire() as own:
            yield own

    async def of_pull_request(self, repository: str, number: int) -> Project | None:
        """Return the last run that has this pull request."""
        async with self._pool.acquire() as connection:
            return await latest_of_pull_request(connection, repository, number)

    async def checks(self, project: Project) -> list[CheckResult]:
        """Return what the checkpoints said last: of the head, or of what was checked before there was one."""
        return [rows.check(row) for row in await self._pool.fetch(sql("results.last"), project.id, project.head_sha)]

    async def tasks(self, identity: UUID) -> list[Task]:
        """Return the tasks of a project."""
        return [rows.task(row) for row in await self._pool.fetch(sql("tasks.of_project"), identity)]

    async def resting(self, identity: UUID) -> bool:
        """Tell whether nothing is to be done, or shown, of a project within the minute."""
        return bool(await self._pool.fetchval(sql("projects.resting"), identity))

    async def calls(self, identity: UUID) -> list[ModelCall]:
        """Return the model calls of a project, oldest first."""
        return [rows.model_call(row) for row in await self._pool.fetch(sql("usage.of_project"), identity)]

    async def last_run(self, repository: str, number: int) -> Run | None:
        """Return the last run of an issue as it is at the moment."""
        row = await self._pool.fetchrow(sql("projects.last_run"), repository, number)
        return Run(**{**row, "phase": Phase(row["phase"])}) if row else None

    async def live(self, repository: str) -> list[Live]:
        """Return the runs under way in a repository."""
        return [Live(**row) for row in await self._pool.fetch(sql("projects.live_of_repository"), repository)]

    async def of_issue(self, repository: str, number: int) -> Project | None:
        """Return the last run of an issue."""
        async with self._pool.acquire() as connection:
            return await latest_of_issue(connection, repository, number)
