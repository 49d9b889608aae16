"""Records: the rows that a holder of a lease writes, and effects that happen once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from app.domain.artifacts import Artifact
from app.domain.checks import CheckResult
from app.domain.memory import Memory, Settled, Used
from app.domain.messages import AgentMessage
from app.domain.project import Project
from app.domain.recovery import AgentError
from app.domain.repository_settings import RepositorySettings
from app.domain.task import Task


@dataclass(frozen=True)
class Checked:
    """What a checkpoint said of a commit, or of a task's attempt that failed and made none."""

    commit: str | None  # None: there is none
    result: CheckResult
    task_id: UUID | None  # None: the combination
    attempt: int
    log: Artifact | None = None  # the file with all that the tools printed
    round: int | None = None  # of the attempt, where there is no commit


@dataclass(frozen=True)
class Handled:
    """Messages that have had their effect."""

    messages: tuple[UUID, ...]


@dataclass(frozen=True)
class Postponed:
    """Messages to be handled later."""

    messages: tuple[UUID, ...]
    seconds: float
    counted: bool = True  # as a failure; waiting for a limit is none


@dataclass(frozen=True)
class Later:
    """A message that is due after some seconds, unless one about the same event is waiting."""

    message: AgentMessage
    seconds: float


@dataclass(frozen=True)
class Shown:
    """When the progress comment was written, and a digest of what it says."""

    at: datetime
    digest: str


@dataclass(frozen=True)
class Revoked:
    """Tasks that are taken away from whoever works on them."""

    tasks: tuple[UUID, ...]


@dataclass(frozen=True)
class Discarded:
    """Tasks of a plan that is no more, which nobody has begun."""

    tasks: tuple[UUID, ...]


@dataclass(frozen=True)
class Obeyed:
    """A message whose effects are written in this very transaction, with what is to be answered."""

    message: UUID
    answer: str = ""


@dataclass(frozen=True)
class Begun:
    """A run that follows from another one, and what it is told first; where its issue has a run, nothing is begun."""

    project: Project
    message: AgentMessage


@dataclass(frozen=True)
class InForce:
    """The settings of the project's repository as they could be read at a commit: they count until others can."""

    commit: str
    settings: RepositorySettings


Fact = (
    Project
    | Task
    | AgentMessage
    | AgentError
    | Checked
    | Memory
    | Used
    | Settled
    | Handled
    | Postponed
    | Later
    | Shown
    | Revoked
    | Discarded
    | Obeyed
    | Begun
    | Artifact
    | InForce
)


@dataclass(frozen=True)
class ModelCall:
    """One model call, as the account knows it."""

    task_id: UUID | None
    step: str
    model: str
    usd: float
    input_tokens: int
    output_tokens: int
    seconds: float


@dataclass(frozen=True)
class Usual:
    """What earlier tasks of a repository have cost."""

    tasks: int
    usd: float  # each


class Records(Protocol):
    """The rows of one project, as the holder of a lease reads and writes them."""

    async def project(self) -> Project: ...
    async def last_run(self) -> Project:
        """Return the last run of the project's issue, which may be itself."""
        ...

    async def tasks(self, *, superseded: bool = False) -> list[Task]:
        """Return the tasks of the present plan, with those of earlier plans where `superseded`."""
        ...

    async def checks(self, commit: str) -> list[CheckResult]: ...
    async def calls(self) -> list[ModelCall]: ...
    async def usual_cost(self) -> Usual: ...
    async def obeyed(self, messages: Sequence[UUID]) -> dict[UUID, str]:
        """Return the answers to those of these messages that were obeyed already."""
        ...

    async def in_force(self) -> InForce | None:
        """Return the last settings of the repository that could be read; None before any were."""
        ...

    async def write(self, *facts: Fact) -> None:
        """Write all or nothing, then ring for the messages among them; raises `LeaseLost`."""
        ...

    async def queue(self, at: datetime) -> int | None:
        """Have the project wait for its turn to be merged into its base, if it doesn't yet.

        Returns the pull request just before it; None: it is its turn. A project that is written without `queued_at`
        has left the line, and whoever was just behind it is sent a message.
        """
        ...


Outcome = dict[str, Any]  # JSON


class Effects(Protocol):
    """Writes that others can see: done once, whatever dies in between."""

    async def once(
        self,
        key: str,
        act: Callable[[], Awaitable[Outcome]],
        find: Callable[[], Awaitable[Outcome | None]],
    ) -> Outcome:
        """Return the outcome of the effect `key` of this project.

        A known outcome is returned. After an intent without one, `find` looks for what it may have left.
        Where there is nothing, `act` does it.
        """
        ...
