"""How long memory takes to write and read, by tier and number of entries, and whether it finds what was planted."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

from app.domain.memory import Kind, Memory, MemoryTier, Remembered, Source, identity
from app.storage.memory import WorkingMemory, source_to_json, to_text
from app.storage.migrations import migrate
from app.storage.pool import Pool, connect
from workers.local.servers import EmbeddedPostgres, EmbeddedValkey
from workers.memory.embedders import Embedder, make
from workers.memory.long_term import LongTerm
from workers.memory.short_term import ShortTerm

SIZES = (1_000, 10_000)
SAMPLES = 200
EMBEDDED = 200
FEW = 5
REPOSITORY = "bench/one"
COMMIT = "0" * 40
PROJECT = UUID(int=1)
SHORT, WORKING, LONG = MemoryTier.short_term, MemoryTier.working, MemoryTier.long_term
LIMITS = {SHORT: (1.0, 1.0), WORKING: (5.0, 2.0), LONG: (50.0, 20.0)}  # milliseconds to write and to read, at 10,000
SUBJECTS = ("parser", "ledger", "exporter", "queue", "cache", "session", "report", "importer", "scheduler", "mailer")
CLAIMS = (
    "rounds amounts before it adds them", "needs its own lock", "breaks on empty input", "keeps the order of rows",
    "must be called with a timezone", "returns None for unknown keys", "reads its settings only once",
    "writes to a temporary file first", "may be called twice", "expects sorted names",
)  # fmt: skip
PLANTED = {  # what is known: how somebody asks about it
    "Money is stored as whole cents; floats are never used.": "How are amounts of money represented?",
    "Dates without a timezone are refused by the calendar.": "May an event have a naive datetime?",
    "The login form needs a CSRF token in a hidden field.": "Protect the sign-in page against forged requests",
    "Images are resized in a worker process, never in the request.": "Where should thumbnails be made?",
    "The search index is rebuilt every night at three.": "When does full-text search see new documents?",
    "Translations live in locale files of the gettext format.": "Add a German translation",
    "Tests of the payment gateway use its sandbox account.": "How to test paying by card?",
    "Log lines are JSON, one event a line.": "Add logging to the upload",
    "Database migrations must not lock large tables.": "Add a column to the orders table",
    "Every public function has a docstring in the imperative.": "Document the new function",
    "Feature flags are read from environment variables.": "Hide the new page behind a switch",
    "The CSV export quotes every field.": "Write a spreadsheet file with commas in its cells",
    "Passwords are hashed with argon2.": "Let users change their password",
    "Background jobs have to be idempotent, since they run twice.": "Add a nightly task to the job queue",
    "Errors of the API follow problem+json.": "Return a proper HTTP error body",
    "The sidebar is drawn with CSS grid, not with floats.": "Change the layout of the navigation",
    "Uploaded files are limited to ten megabytes.": "What is the largest attachment?",
    "Phone numbers are kept in international format.": "Validate a telephone number",
    "The cache key contains the user's language.": "Why do people see pages in the wrong language from the cache?",
    "Webhooks are verified before their body is parsed.": "Handle an incoming signed callback",
}
SMALL = ("small/one", "small/two", "small/three")


@dataclass(frozen=True)
class Found:
    """Medians in milliseconds by number of entries and tier, and how many of the planted came back by repository."""

    milliseconds: dict[tuple[int, MemoryTier], tuple[float, float]]
    recalled: dict[str, tuple[int, int]]

    def lines(self) -> list[str]:
        """Return what was found, for people."""
        rows = []
        for (size, tier), (write, read) in self.milliseconds.items():
            limit = LIMITS[tier]
            rows.append(f"memory, {tier}, {size:,} entries: write {write:.2f} ms (under {limit[0]:.0f}), "
                        f"read {read:.2f} ms (under {limit[1]:.0f}), medians")  # fmt: skip
        for repository, (number, near) in self.recalled.items():
            rows.append(
                f"memory, planted in {repository} among {max(SIZES):,} others: {number} of {len(PLANTED)} found, "
                f"{near} of them among the first {FEW}"
            )
        return rows


def texts(number: int, seed: int) -> list[str]:
    """Return as many different memories as a repository gathers."""
    chosen = random.Random(seed)
    return [
        f"The {chosen.choice(SUBJECTS)} in module {chosen.choice(SUBJECTS)}_{chosen.randrange(10**6)} "
        f"{chosen.choice(CLAIMS)}, and {chosen.choice(CLAIMS)}."
        for _ in range(number)
    ]


def memory(text: str) -> Memory:
    """Return a memory of a file."""
    file = f"src/part_{hash(text) % 200}.py"
    return Memory(Kind.reflexion, text, Source(file, COMMIT, PROJECT, "t1"), datetime.now(UTC))


def remembered(repository: str, value: Memory) -> Remembered:
    """Return the memory as a tier has it."""
    name = identity(repository, value.kind, value.content)
    return Remembered(name, value.kind, value.content, value.source, value.at, WORKING)


async def timed(acts: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """Return the median time of what is done, in milliseconds; the first ones warm up and don't count."""
    taken = []
    for act in acts:
        begun = time.perf_counter()
        await act()
        taken.append((time.perf_counter() - begun) * 1_000)
    return median(taken[len(taken) // 10 :])


@dataclass
class Stores:
    """The three tiers on servers of their own."""

    pool: Pool
    short: ShortTerm
    working: WorkingMemory
    long: LongTerm
    embedder: Embedder

    async def fill(self, repository: str, number: int, seed: int) -> None:
        """Put as many entries into each tier, without going through what is measured."""
        values = [remembered(repository, memory(text)) for text in texts(number, seed)]
        vectors = await asyncio.to_thread(self._vectors, values, seed)
        for value in values:
            await self.short.note(
                repository, Memory(value.kind, value.content, value.source, value.at), value.at, kept=True
            )
        await self.pool.executemany(
            "INSERT INTO working_memory"
            " (id, repository, kind, content, source, created_at, expires_at, embedding, embedder)"
            " VALUES ($1, $2, $3, $4, $5, $6, 'infinity', $7, 'minilm') ON CONFLICT DO NOTHING",
            [(value.id, repository, value.kind, value.content, source_to_json(value.source), value.at, list(vector))
             for value, vector in zip(values, vectors, strict=True)],
        )  # fmt: skip
        await self.long.load()
        await self.pool.executemany(
            f"INSERT INTO {self.long.collection('minilm')} (id, vector, payload)"
            " VALUES ($1, $2::real[]::vector, $3) ON CONFLICT DO NOTHING",
            [(uuid4(), list(vector), {"data": value.content, "user_id": repository, "hash": "", "created_at":
              value.at.isoformat(), "memory_id": str(value.id), "memory": to_text(value), "text_lemmatized":
              value.content.lower()}) for value, vector in zip(values, vectors, strict=True)],
        )  # fmt: skip
        await self.pool.execute("VACUUM ANALYZE")

    def _vectors(self, values: Sequence[Remembered], seed: int) -> list[list[float]]:
        """Return meanings for all: those of a few, shaken, since making each takes longer than all that is measured."""
        chosen = random.Random(seed)
        known = [self.embedder.embed(value.content) for value in values[:EMBEDDED]]
        return [[number + chosen.gauss(0, 0.02) for number in known[at % len(known)]] for at in range(len(values))]

    async def latencies(self, seed: int) -> dict[MemoryTier, tuple[float, float]]:
        """Measure each tier as it is filled now."""
        new, now = [memory(text) for text in texts(SAMPLES, seed)], datetime.now(UTC)
        known = [remembered(REPOSITORY, value) for value in new]
        files = [(f"src/part_{number}.py", f"src/part_{number + 1}.py") for number in range(SAMPLES)]
        asked = [f"Change how the {value.content.split(',')[0][4:]}" for value in new]
        return {
            SHORT: (
                await timed([lambda v=v: self.short.note(REPOSITORY, v, now, kept=True) for v in new]),
                await timed([lambda v=v: self.short.read(v.id) for v in known]),
            ),
            WORKING: (
                await timed([lambda v=v: self.working.keep(REPOSITORY, v) for v in new]),
                await timed([lambda f=f: self.working.candidates(REPOSITORY, f, "minilm", now) for f in files]),
            ),
            LONG: (
                await timed([lambda v=v: self.long.keep(REPOSITORY, v) for v in known[: SAMPLES // 2]]),
                await timed([lambda q=q: self.long.search(REPOSITORY, q) for q in asked[: SAMPLES // 2]]),
            ),
        }  # fmt: skip

    async def recalled(self, repository: str) -> tuple[int, int]:
        """Plant what is to be found in a small repository and ask about it; count what is found, and what at once."""
        for text in PLANTED:
            await self.long.keep(repository, remembered(repository, memory(text)))
        places = []
        for text, asked in PLANTED.items():
            found = [hit.content for hit in await self.long.search(repository, asked)]
            places.append(found.index(text) if text in found else None)
        return sum(place is not None for place in places), sum(place is not None and place < FEW for place in places)


@asynccontextmanager
async def stores() -> AsyncIterator[Stores]:
    """Start the servers in a directory that is gone afterwards."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aurora-benchmark-")))
        postgres = await stack.enter_async_context(EmbeddedPostgres(folder / "postgres"))
        redis = await stack.enter_async_context(EmbeddedValkey(folder / "redis"))
        await migrate(postgres.url)
        pool = await connect(postgres.url, size=4)
        stack.push_async_callback(pool.close)
        embedder = await asyncio.to_thread(make, "minilm")
        short, long = ShortTerm(redis.url), LongTerm(postgres.url, pool, folder / "mem0", lambda: embedder)
        stack.push_async_callback(short.close)
        stack.push_async_callback(long.close)
        yield Stores(pool, short, WorkingMemory(pool), long, embedder)


async def measure(sizes: Sequence[int] = SIZES) -> Found:
    """Measure the tiers at each size, all entries in one repository, then look for what is planted in small ones."""
    milliseconds = {}
    async with stores() as tiers:
        present = 0
        for step, size in enumerate(sizes):
            await tiers.fill(REPOSITORY, size - present, step)
            present = size
            for tier, found in (await tiers.latencies(100 + step)).items():
                milliseconds[size, tier] = found
        recalled = {repository: await tiers.recalled(repository) for repository in SMALL}
    return Found(milliseconds, recalled)
