"""Models: who asks for what, what is answered, and the journal that remembers it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from app.domain.ports.checkpoints import Workbench
from app.domain.ports.git import Worktree
from app.domain.roles import AgentRole

T = TypeVar("T", bound=BaseModel)


class Step(StrEnum):
    """What a model is asked for (the names are a contract: header `X-Aurora-Step`)."""

    parse = "parse"
    plan = "plan"
    generate = "generate"
    reflect = "reflect"
    merge = "merge"
    review = "review"


@dataclass(frozen=True)
class Call:
    """Who asks a model for what; `scope` and the position of the answer in it name the call for ever."""

    project_id: UUID
    task_id: UUID | None  # None: Maestro's own
    role: AgentRole
    step: Step
    attempt: int  # 1-based
    scope: str  # e.g. "parse", "plan", "r0.a1.v2": round, attempt, visit


@dataclass(frozen=True)
class Usage:
    """What a model call used."""

    input_tokens: int
    output_tokens: int
    seconds: float
    usd: float


class EntryKind(StrEnum):
    """What a journal entry is."""

    model = "model"
    tool = "tool"
    memory = "memory"  # what was recalled for a prompt


@dataclass(frozen=True)
class Entry:
    """One model answer, tool result or recollection, as it was before it was used."""

    kind: EntryKind
    content: dict[str, Any]  # JSON
    patch: bytes | None = None  # all uncommitted changes against the base, where a tool changed files
    at: datetime | None = field(default=None, compare=False)  # when it was recorded, where it was read


class Journal(Protocol):
    """The record of one task (or of Maestro's own calls), fenced by its lease, and the money behind it.

    Every method raises `LeaseLost` when another worker has taken over.
    """

    async def read(self, scope: str) -> list[Entry]:
        """Return what is recorded in `scope`, in order."""
        ...

    async def append(self, scope: str, position: int, entry: Entry) -> None:
        """Record at the 0-based `position` what is no model's answer."""
        ...

    async def reserve(self, call: Call, position: int, model: str, usd: float) -> UUID:
        """Set the worst case of a call aside; raises `BudgetExceeded`."""
        ...

    async def settle(self, reservation: UUID, usage: Usage, entry: Entry) -> None:
        """Record the answer at the reserved position and replace its worst case by what it cost, at once."""
        ...

    async def forfeit(self, reservation: UUID, *, sent: bool) -> None:
        """Close a reservation without an answer: spent when the request was `sent`, given back when not."""
        ...


@dataclass(frozen=True)
class Prompt:
    """What is said to a model: what stays the same first, so that its prefix can be cached."""

    system: str
    user: str


class Thinker(Protocol):
    """A model that answers in a given form, once per scope; a recorded answer isn't asked for again."""

    async def answer(self, call: Call, journal: Journal, form: type[T], prompt: Prompt) -> T:
        """Return a valid answer.

        Raises `BadAnswer` when none came in a few tries, `ModelError`, `BudgetExceeded` or `Transient`.
        """
        ...


class WorkEnd(StrEnum):
    """How an agent's work on an attempt ended."""

    done = "done"
    exhausted = "exhausted"  # steps, tokens or seconds are used up
    stuck = "stuck"  # no usable answer came


@dataclass(frozen=True)
class WorkResult:
    """What an agent says after its work; the work itself is in the worktree."""

    end: WorkEnd
    summary: str
    steps: int


class Agent(Protocol):
    """A role at work in a worktree; a resumed call replays its journal and goes on after it."""

    async def work(
        self, call: Call, journal: Journal, prompt: Prompt, worktree: Worktree, bench: Workbench
    ) -> WorkResult:
        """Change the worktree until done or out of limits.

        Raises `ModelError`, `BudgetExceeded`, `LeaseLost` or `Transient`; bad answers end in `WorkEnd.stuck`.
        """
        ...
