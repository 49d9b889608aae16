"""Memory: what agents are told of earlier work, and what becomes of it."""

from collections.abc import Sequence
from typing import Protocol

from app.domain.memory import Memory, Question, Remembered
from app.domain.ports.git import Clone


class Memories(Protocol):
    """The three tiers as one. Nothing here raises: a tier that is lost means that less is remembered."""

    async def recall(self, question: Question, clone: Clone) -> Sequence[Remembered]:
        """Return what helps, best first, within the question's limit; nothing whose source is gone."""
        ...

    async def note(self, repository: str, memory: Memory, *, kept: bool = False) -> None:
        """Remember something for an hour; `kept` says that PostgreSQL has it already."""
        ...

    async def look_back(self, repository: str, clone: Clone, base: str) -> None:
        """Notice which earlier projects of the repository were taken back, at its present base commit."""
        ...

    async def settle(self, repository: str) -> None:
        """Take what has held across projects to long-term memory, and what was disproved out of it."""
        ...


class Forgetful:
    """Remembers nothing."""

    async def recall(self, _question: Question, _clone: Clone) -> Sequence[Remembered]:
        """Return nothing."""
        return ()

    async def note(self, repository: str, memory: Memory, *, kept: bool = False) -> None:
        """Forget it."""

    async def look_back(self, repository: str, clone: Clone, base: str) -> None:
        """Notice nothing."""

    async def settle(self, repository: str) -> None:
        """Keep nothing."""
