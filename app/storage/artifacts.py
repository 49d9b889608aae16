"""Rows of files: who has which, and where that can be asked for."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.domain.artifacts import Artifact, ArtifactKind
from app.domain.board import ArtifactList, ArtifactView
from app.storage.pool import Connection, Pool, sql

SHOWN = 500
ALIVE = 180.0  # seconds since a worker was last heard of


async def save(connection: Connection, project: UUID, artifact: Artifact) -> None:
    """Write a file's row in the transaction at hand."""
    await connection.execute(
        sql("artifacts.save"), artifact.id, project, artifact.task_id, artifact.kind, artifact.title, artifact.store,
        artifact.location, artifact.size, artifact.digest, artifact.created_at, artifact.expires_at,
    )  # fmt: skip


class Artifacts:
    """Finds files, for people and for those who have them."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def of_project(self, project: UUID) -> ArtifactList:
        """Return what is known of a project's files, the newest first."""
        found = await self._pool.fetch(sql("dashboard.artifacts"), project, SHOWN)
        return ArtifactList(artifacts=tuple(ArtifactView.model_validate(dict(row)) for row in found))

    async def get(self, project: UUID, artifact: UUID) -> Artifact | None:
        """Return one file's row."""
        row = await self._pool.fetchrow(sql("artifacts.get"), project, artifact)
        return Artifact(**{**row, "kind": ArtifactKind(row["kind"])}) if row else None

    async def known(self, store: UUID, ids: Collection[UUID]) -> set[UUID]:
        """Return those of the files in a data directory that have a row."""
        return {row["id"] for row in await self._pool.fetch(sql("artifacts.known"), list(ids), store)}

    async def here(self, worker: str, store: UUID, url: str) -> None:
        """Say where a worker can be asked for the files of its data directory."""
        await self._pool.execute(sql("artifacts.here"), worker, store, url)

    async def hosts(self, store: UUID) -> Sequence[str]:
        """Return the addresses at which workers said that a data directory can be reached."""
        return [row["url"] for row in await self._pool.fetch(sql("artifacts.hosts"), store, ALIVE)]
