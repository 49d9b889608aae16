"""Long-term memory: Mem0 on pgvector in the same PostgreSQL, kept word for word, found by meaning."""

import asyncio
import importlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app.domain.memory import SAME, MemoryTier, Remembered
from app.storage.memory import from_text, to_text
from app.storage.pool import Pool
from workers.memory.embedders import Embedder

T = TypeVar("T")

TABLES = "aurora_long_term"
LOCK = 7046029255  # any fixed number: one process at a time makes the tables
THREADS = 2
MOST_FOUND = 20
MOST_INLINE = 1_600  # dimensions of a vector that fits into a page with its row


class LongTerm:
    """What has held across projects, one scope for each repository. Raises whatever Mem0 raises."""

    def __init__(self, dsn: str, pool: Pool, folder: Path, embedder: Callable[[], Embedder]) -> None:
        """Say where it is kept, where Mem0 may write, and what tells meanings; nothing is loaded yet."""
        self._dsn, self._pool, self._folder, self._embedder = dsn, pool, folder, embedder
        self._threads = ThreadPoolExecutor(THREADS, "long-term-memory")
        self._memory: Any = None
        self._loading: asyncio.Task[None] | None = None

    @staticmethod
    def collection(embedder: str) -> str:
        """Return the name of what is kept with an embedder: vectors of two can't be compared."""
        return f"{TABLES}_{embedder}"[:50]

    async def load(self) -> None:
        """Load Mem0, which takes seconds; an abandoned wait for it doesn't stop it."""
        if self._memory is None:
            if self._loading is None or self._loading.done():
                self._loading = asyncio.create_task(self._load())
                self._loading.add_done_callback(_look_at)
            await asyncio.shield(self._loading)

    async def _load(self) -> None:
        memory = await self._in_thread(self._make)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await self._in_thread(memory.vector_store.create_col)
        await self._tune(memory.collection_name)
        self._memory = memory

    async def _tune(self, name: str) -> None:
        """Make searching a repository exact and quick.

        Mem0's own index on vectors filters after searching, and so loses what a small repository has: a btree on the
        repository takes its place. Vectors kept beside their rows are read four times as fast as those put away.
        """
        await self._pool.execute(f"CREATE INDEX IF NOT EXISTS {name}_scope ON {name} ((payload->>'user_id'))")
        options = await self._pool.fetchval("SELECT reloptions FROM pg_class WHERE oid = to_regclass($1)", name)
        if not options and self._embedder().dimensions <= MOST_INLINE:
            await self._pool.execute(
                f"ALTER TABLE {name} ALTER COLUMN vector SET STORAGE PLAIN, SET (toast_tuple_target = 8160)"
            )

    def _make(self) -> Any:
        os.environ["MEM0_TELEMETRY"] = "False"  # all are read when Mem0 is loaded
        os.environ["MEM0_DIR"] = str(self._folder)
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        logging.getLogger("mem0").setLevel(logging.ERROR)  # it warns of spaCy, which is no part of it here
        mem0 = importlib.import_module("mem0")
        embedder = self._embedder()
        store = {
            "connection_string": self._dsn,
            "collection_name": self.collection(embedder.name),
            "embedding_model_dims": embedder.dimensions,
            "hnsw": False,
            "minconn": 1,
            "maxconn": THREADS,
        }
        model = importlib.import_module("workers.memory.mem0_embedder").Meanings(embedder)
        return mem0.Memory.from_config({
            "vector_store": {"provider": "pgvector", "config": store},
            "embedder": {"provider": "langchain", "config": {"model": model, "embedding_dims": embedder.dimensions}},
            "llm": {"provider": "openai", "config": {"api_key": "unused"}},  # demanded, and never asked
            "history_db_path": ":memory:",
        })  # fmt: skip

    async def search(self, repository: str, text: str, most: int = MOST_FOUND) -> list[Remembered]:
        """Return what a repository's long-term memory has that means nearly this, nearest first."""
        await self.load()
        search = partial(self._memory.search, text, filters={"user_id": repository}, top_k=most, threshold=0.0)
        found = (await self._in_thread(search))["results"]
        return [from_text(hit["metadata"]["memory"], MemoryTier.long_term) for hit in found]

    async def keep(self, repository: str, memory: Remembered) -> None:
        """Keep a memory word for word, unless it, or one that means the same, is there."""
        await self.load()
        if not await self._known(repository, memory):
            about = {"memory": to_text(memory), "memory_id": str(memory.id)}
            add = partial(self._memory.add, memory.content, user_id=repository, metadata=about, infer=False)
            await self._in_thread(add)

    async def _known(self, repository: str, memory: Remembered) -> bool:
        search = partial(self._memory.search, memory.content, filters={"user_id": repository}, top_k=1, threshold=SAME)
        return bool((await self._in_thread(search))["results"])

    async def forget(self, repository: str, memory: Remembered) -> None:
        """Remove a memory."""
        await self.load()
        filters = {"user_id": repository, "memory_id": str(memory.id)}
        found = await self._in_thread(partial(self._memory.get_all, filters=filters, top_k=10))
        for hit in found["results"]:
            await self._in_thread(partial(self._memory.delete, hit["id"]))

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    async def close(self) -> None:
        """Close what is open; threads that hang are left behind."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._memory is not None:
            await asyncio.to_thread(self._memory.vector_store.connection_pool.close, 1.0)
            await asyncio.to_thread(self._memory.close)
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_at(task: asyncio.Task[None]) -> None:
    """Take note of an error that nobody waits for any more; it comes again when memory is asked again."""
    if not task.cancelled():
        task.exception()
