"""Messages that wait: those about one subject, and those that nobody is handling."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.domain.messages import AgentMessage, MessageType
from app.storage import rows
from app.storage.pool import Pool, sql


@dataclass(frozen=True)
class Overdue:
    """A message that nobody is handling."""

    id: UUID
    subject: UUID
    message_type: MessageType
    ring: int


@dataclass(frozen=True)
class Waiting:
    """A subject that has had a message for very long."""

    subject: UUID
    seconds: float
    tries: int  # how often handling it failed
    rings: int  # how often it was announced again


class Mailbox:
    """Finds the messages that are still to be handled."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    async def pending(self, subject: UUID) -> list[AgentMessage]:
        """Return the due messages about a task or project, oldest first."""
        return [rows.message(row) for row in await self._pool.fetch(sql("messages.pending"), subject)]

    async def overdue(self, seconds: float) -> list[Overdue]:
        """Return the messages that have been due for `seconds` and whose subject no worker holds."""
        return [_overdue(row) for row in await self._pool.fetch(sql("messages.overdue"), seconds)]

    async def again(self, subjects: Sequence[UUID]) -> list[Overdue]:
        """Return the messages that are due about subjects that were just let go."""
        return [_overdue(row) for row in await self._pool.fetch(sql("messages.again"), subjects)]

    async def waiting(self, seconds: float) -> list[Waiting]:
        """Return what has been due, put off or unheard for `seconds` since its message was written."""
        found = await self._pool.fetch(sql("messages.waiting"), seconds)
        return [Waiting(row["subject"], row["seconds"], row["tries"], row["rings"]) for row in found]

    async def tries(self, subject: UUID) -> int:
        """Return how often handling the pending messages about a subject failed."""
        found: int = await self._pool.fetchval(sql("messages.tries"), subject)
        return found


def _overdue(row: asyncpg.Record) -> Overdue:
    return Overdue(row["id"], row["subject"], MessageType(row["message_type"]), row["rings"])
