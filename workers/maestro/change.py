"""What obeying an event comes to: rows that are written in one transaction with the note that it was obeyed."""

from dataclasses import dataclass, field
from typing import Any

from app.domain.concerns import Concern, ConcernKind
from app.domain.conversation import Event, Stage
from app.domain.ports import Fact
from app.domain.project import Project


@dataclass(frozen=True)
class Told:
    """An event as Maestro is told of it."""

    event: Event
    at: Stage  # of the project, before its effects
    by: str | None = None  # login of the person
    argument: str = ""  # of a command
    payload: dict[str, Any] = field(default_factory=dict)  # of its message
    words: str = ""  # what the table says to it

    @property
    def comment(self) -> int:
        """The comment that it was written in; 0 where there is none."""
        return int(self.payload.get("comment", 0))

    @property
    def wish(self) -> Concern:
        """Its argument as something that is to be changed."""
        return Concern(kind=ConcernKind.command, id=self.comment, author=self.by or "", text=self.argument)


@dataclass(frozen=True)
class Change:
    """A project as an effect leaves it, what else is written with it, and what has to be said."""

    project: Project
    facts: tuple[Fact, ...] = ()
    answer: str = ""

    def then(self, other: "Change") -> "Change":
        """Return both changes, one after the other."""
        answer = "\n\n".join(part for part in (self.answer, other.answer) if part)
        return Change(other.project, (*self.facts, *other.facts), answer)
