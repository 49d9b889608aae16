"""The archive: files of logs."""

from typing import Protocol
from uuid import UUID

from app.domain.artifacts import Artifact, ArtifactKind


class Archive(Protocol):
    """Writes files; a file becomes known by its fact being written to the records."""

    async def keep(
        self, project: UUID, kind: ArtifactKind, name: str, title: str, text: str, task: UUID | None = None
    ) -> Artifact | None:
        """Keep `text`, without what looks like a credential; None where the disk doesn't take it.

        The same `name` again replaces what was kept under it.
        """
        ...


class Unkept:
    """Keeps nothing."""

    async def keep(
        self,
        project: UUID,
        kind: ArtifactKind,
        name: str,
        title: str,
        text: str,
        task: UUID | None = None,
    ) -> Artifact | None:
        """Keep nothing."""
        del project, kind, name, title, text, task
        return None
