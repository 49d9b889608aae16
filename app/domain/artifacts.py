"""What is kept of a project's work besides its code: logs as files, and for how long everything is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5


class ArtifactKind(StrEnum):
    """What a file tells."""

    build_log = "build_log"  # what the tools of a checkpoint printed
    agent_log = "agent_log"  # what an agent said and did in one visit


@dataclass(frozen=True)
class Artifact:
    """A file on some worker's disk."""

    id: UUID
    kind: ArtifactKind
    title: str
    task_id: UUID | None
    store: UUID  # the data directory that holds it
    location: str  # the path within
    size: int  # bytes
    digest: str  # SHA-256, hexadecimal
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Periods:
    """For how long things are kept."""

    test_results: timedelta = timedelta(days=90)
    build_logs: timedelta = timedelta(days=30)
    agent_logs: timedelta = timedelta(days=30)
    task_history: timedelta = timedelta(days=365)
    deliveries: timedelta = timedelta(days=30)
    workspaces: timedelta = timedelta(days=30)  # on a worker's disk, since their last use
    session: timedelta = timedelta(hours=1)  # in Redis

    def of(self, kind: ArtifactKind) -> timedelta:
        """Return for how long files of a kind are kept."""
        return self.build_logs if kind is ArtifactKind.build_log else self.agent_logs


def artifact_id(project: UUID, kind: ArtifactKind, name: str) -> UUID:
    """Name a file after what it tells: whoever writes it again writes the same one, and links to it stay good."""
    return uuid5(project, f"{kind.value}:{name}")


def artifact_url(public_url: str, project: UUID, artifact: UUID) -> str:
    """Return where people read a file."""
    return f"{public_url}/projects/{project}/artifacts/{artifact}"
