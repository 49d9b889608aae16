"""All three tiers on real servers, a repository in memory, and ways to look at what was counted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app import metrics
from app.domain.memory import Kind, Memory, MemoryTier, Question, Remembered, Source, Used
from app.domain.project import Repository
from app.storage import memory as rows
from app.storage import projects
from app.storage.memory import WorkingMemory
from app.storage.pool import Pool, connect, transaction
from tests.fakes import FakeClone, FakeGit
from workers.memory.coordinator import Coordinator
from workers.memory.long_term import LongTerm
from workers.memory.meaning import Meaning
from workers.memory.short_term import OWN_BYTES, ShortTerm
from workers.memory.working import Working

REPOSITORY = "acme/sample"
FILES = {
    "ledger/entries.py": "def add_entry(amount):\n    return amount\n",
    "ledger/report.py": "def monthly(entries):\n    return entries\n",
    "dates.py": "def parse(text):\n    return text\n",
}


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass
class Mind:
    """A coordinator with its tiers, and short ways to use it."""

    pool: Pool
    short: ShortTerm
    working: WorkingMemory
    long: LongTerm
    meaning: Meaning
    coordinator: Coordinator
    git: FakeGit = field(default_factory=FakeGit)

    def __post_init__(self) -> None:
        self.base = self.git.commit(FILES)
        self.clone = FakeClone(self.git)

    async def project(self, issue: int = 1) -> UUID:
        """Begin a project, and end it at once so that the next can begin."""
        repository = Repository(full_name=REPOSITORY, installation_id=5)
        async with self.pool.acquire() as connection:
            started = await projects.start(
                connection, uuid4(), repository, issue, title="T", requested_by="ann", budget_usd=1.0, at=now()
            )
        assert started
        await self.pool.execute(
            "UPDATE projects SET status = 'merged', base_sha = $2 WHERE id = $1", started, self.base
        )
        return started

    def memory(
        self, text: str, file: str = "ledger/entries.py", kind: Kind = Kind.reflexion, *, symbol: str | None = None,
        project: UUID | None = None, age: timedelta = timedelta(0),
    ) -> Memory:  # fmt: skip
        return Memory(kind, text, Source(file, self.base, project or uuid4(), "t1", symbol), now() - age)

    async def keep(
        self, text: str, file: str = "ledger/entries.py", kind: Kind = Kind.reflexion, **more: object
    ) -> UUID:
        """Keep a memory in PostgreSQL, as a project does; return its id."""
        memory = self.memory(text, file, kind, **more)  # type: ignore[arg-type]  # handed on as they are
        assert await self.working.keep(REPOSITORY, memory)
        return rows.identity(REPOSITORY, memory.kind, memory.content)

    def question(
        self, text: str, *files: str, agent: str = "backend", project: UUID | None = None, characters: int = 2_000
    ) -> Question:
        return Question(REPOSITORY, project or UUID(int=1), agent, text, files, self.base, characters)

    async def ask(self, text: str, *files: str, **more: object) -> list[str]:
        """Return what an agent is told."""
        return [memory.content for memory in await self.tell(text, *files, **more)]

    async def tell(self, text: str, *files: str, **more: object) -> list[Remembered]:
        question = self.question(text, *files, **more)  # type: ignore[arg-type]  # handed on as they are
        return list(await self.coordinator.recall(question, self.clone))

    async def settle(self, project: UUID, fate: rows.Settled, told: UUID, *, cited: bool) -> None:
        """End a project that was told a memory."""
        used = Used(uuid4(), 0, "backend", (told,), (told,) if cited else (), now())
        async with self.pool.acquire() as connection, transaction(connection, "test"):
            await rows.use(connection, project, used)
            await rows.settle(connection, project, fate)
        await self.coordinator.settle(REPOSITORY)

    async def kept(self) -> list[str]:
        """Return all that PostgreSQL keeps."""
        return [row["content"] for row in await self.pool.fetch("SELECT content FROM working_memory ORDER BY content")]

    async def score(self, memory: UUID) -> float:
        return float(await self.pool.fetchval("SELECT score FROM working_memory WHERE id = $1", memory))


def counted(metric: str, tier: str) -> float:
    """Return the value of one of the memory's metrics."""
    return metrics.REGISTRY.get_sample_value(f"aurora_memory_{metric}", {"tier": tier}) or 0.0


@pytest.fixture
async def make_mind(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Make minds on one database: `await make_mind(embedder="hashing", redis=url)`."""
    async with AsyncExitStack() as stack:

        async def make(
            embedder: str = "minilm", redis: str = redis_url, limit: int = OWN_BYTES, rest: float = 60.0
        ) -> Mind:
            pool = await connect(database_url, size=6)
            stack.push_async_callback(asyncio.wait_for, pool.close(), 10)
            short, meaning, working = ShortTerm(redis, limit), Meaning(embedder, rest), WorkingMemory(pool)
            long = LongTerm(database_url, pool, tmp_path / "mem0", meaning.embedder)
            coordinator = Coordinator(short, Working(working, meaning), long, meaning, now, rest)
            stack.push_async_callback(coordinator.close)
            return Mind(pool, short, working, long, meaning, coordinator)

        yield make


@pytest.fixture
async def mind(make_mind: Callable[..., object]) -> AsyncIterator[Mind]:
    """A mind with the packaged embedder; no tier of it may fail."""
    before = [counted("errors_total", tier) for tier in [*MemoryTier, "embedder"]]
    made: Mind = await make_mind()  # type: ignore[misc]  # an async factory
    yield made
    assert [counted("errors_total", tier) for tier in [*MemoryTier, "embedder"]] == before
