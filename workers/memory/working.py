"""Working memory as the coordinator uses it: nothing in it means the same twice."""

from datetime import datetime

from app.domain.memory import Memory, Question, Remembered
from app.storage.memory import WorkingMemory
from workers.memory.meaning import Meaning


class Working:
    """What PostgreSQL keeps of a repository. Raises the driver's errors."""

    def __init__(self, rows: WorkingMemory, meaning: Meaning) -> None:
        """Take the rows and what tells meanings."""
        self.rows, self._meaning = rows, meaning

    async def search(self, question: Question, now: datetime) -> list[Remembered]:
        """Return what might help with a question."""
        await self.tidy(question.repository)
        asked = question.repository, question.files, self._meaning.name, now
        return await self.rows.candidates(*asked, question.kinds)

    async def tidy(self, repository: str) -> None:
        """Look at the meaning of what is new, so that what is known already isn't kept twice."""
        for memory in await self.rows.unread(repository):
            vector = await self._meaning.of(memory.content)
            if vector is None:
                return  # what is told is compared anyway
            await self.rows.read(repository, memory, vector, self._meaning.name)

    async def promote(self, repository: str, memory: Remembered) -> None:
        """Keep what short-term memory has found to be of interest."""
        await self.rows.keep(repository, Memory(memory.kind, memory.content, memory.source, memory.at))
