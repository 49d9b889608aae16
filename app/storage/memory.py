"""Working memory in PostgreSQL: what is kept of a repository for a month, and what it was worth."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from app.domain.memory import (
    DISPROVED,
    LONGEST,
    PROJECTS,
    SAME,
    UNCITED,
    WORTH,
    Kind,
    Memory,
    MemoryTier,
    Remembered,
    Settled,
    Source,
    Used,
    identity,
)
from app.logs import redact
from app.storage.pool import Connection, Pool, sql, storable, transaction

SECONDS = 5.0  # to wait for a connection
MOST_AT_ONCE = 64  # memories looked at or moved in one go
LOOK_BACK = timedelta(days=30)
MOST_LOOKED_BACK_AT = 20  # projects

Merged = tuple[UUID, str, list[str]]  # a project, its base commit, the files that it changed


def cleaned(memory: Memory) -> Memory:
    """Return the memory in one line without what looks like a credential, and no longer than it may be."""
    content = " ".join(storable(redact(memory.content)).split())
    content = content if len(content) <= LONGEST else f"{content[: LONGEST - 2]} …"
    return Memory(memory.kind, content, memory.source, memory.at)


def source_to_json(source: Source) -> dict[str, Any]:
    """Return a source as the tables keep it."""
    fields = {"file": source.file, "commit": source.commit, "project": str(source.project), "task": source.task}
    return {**fields, "symbol": source.symbol} if source.symbol else fields


def source_from_json(value: dict[str, Any]) -> Source:
    """Read a source as the tables keep it."""
    return Source(value["file"], value["commit"], UUID(value["project"]), value.get("task", ""), value.get("symbol"))


async def keep(connection: Connection, repository: str, memory: Memory) -> bool:
    """Write a memory in the transaction at hand; tell whether it was one: nothing is kept without a source."""
    memory = cleaned(memory)
    if not memory.content or not memory.source.complete:
        return False
    await connection.execute(
        sql("memory.keep"), identity(repository, memory.kind, memory.content), memory.source.project, repository,
        memory.kind, memory.content, source_to_json(memory.source), memory.at,
    )  # fmt: skip
    return True


async def use(connection: Connection, project_id: UUID, used: Used) -> None:
    """Write what an agent was told, in the transaction at hand."""
    for memory in used.told:
        await connection.execute(
            sql("memory.use"), memory, project_id, used.task_id, used.round, used.agent, memory in used.cited, used.at
        )


async def settle(connection: Connection, project_id: UUID, settled: Settled) -> None:
    """Write what became of a project, and what all that it was told is worth now, in the transaction at hand."""
    files = [storable(file) for file in settled.files]
    await connection.execute(sql("memory.outcome"), project_id, settled.fate, files, settled.at)
    await judge(connection, project_id)


async def judge(connection: Connection, project_id: UUID) -> None:
    """Work out anew what everything is worth that a project was told, or left."""
    await connection.execute(
        sql("memory.judge"), project_id, {str(fate): worth for fate, worth in WORTH.items()}, UNCITED
    )


class WorkingMemory:
    """The rows of working memory; each method that writes is one transaction."""

    def __init__(self, pool: Pool) -> None:
        """Use a pool of connections."""
        self._pool = pool

    async def keep(self, repository: str, memory: Memory) -> bool:
        """Keep a memory; the same again is fresher. Tell whether it had a source, without which it isn't kept."""
        async with self._pool.acquire(timeout=SECONDS) as connection, transaction(connection, "memory keep"):
            return await keep(connection, repository, memory)

    async def candidates(
        self, repository: str, files: Sequence[str], embedder: str, now: datetime, kinds: Sequence[Kind] = ()
    ) -> list[Remembered]:
        """Return what might help: what is about these files, what is new, what has helped before; of `kinds` if any."""
        names, chosen = [storable(file) for file in files], list(kinds) or list(Kind)
        rows = await self._pool.fetch(sql("memory.candidates"), repository, names, embedder, now, DISPROVED, chosen)
        return [remembered(row) for row in rows]

    async def by_id(self, ids: Sequence[UUID], embedder: str) -> list[Remembered]:
        """Return those of the memories that are known here."""
        return [remembered(row) for row in await self._pool.fetch(sql("memory.by_id"), ids, embedder)]

    async def elsewhere(self, ids: Sequence[UUID], repository: str) -> set[UUID]:
        """Return those of the memories that are known here as another repository's."""
        return {row["id"] for row in await self._pool.fetch(sql("memory.elsewhere"), ids, repository)}

    async def unread(self, repository: str) -> list[Remembered]:
        """Return new memories whose meaning nobody has looked at."""
        return [remembered(row) for row in await self._pool.fetch(sql("memory.unread"), repository, MOST_AT_ONCE)]

    async def read(self, repository: str, memory: Remembered, vector: Sequence[float], embedder: str) -> None:
        """Note what a memory means; of two that mean the same the more helpful one stays, else the newer."""
        async with self._pool.acquire(timeout=SECONDS) as connection, transaction(connection, "memory read"):
            await connection.execute(sql("memory.read"), memory.id, list(vector), embedder)
            other = await self._nearest(connection, repository, memory, vector, embedder)
            if other is not None and other["similarity"] >= SAME:
                weaker = (other["score"], other["created_at"]) < (memory.score, memory.at)
                gone, stays = (other["id"], memory.id) if weaker else (memory.id, other["id"])
                await connection.execute(sql("memory.hand_over"), gone, stays)
                await connection.execute(sql("memory.forget"), gone)

    async def _nearest(
        self, connection: Connection, repository: str, memory: Remembered, vector: Sequence[float], embedder: str
    ) -> asyncpg.Record | None:
        """Return the other memory that means most nearly the same; None where PostgreSQL can't tell."""
        if not await connection.fetchval("SELECT to_regtype('vector') IS NOT NULL"):
            return None  # what is told is compared again
        return await connection.fetchrow(
            sql("memory.nearest"), repository, memory.kind, memory.id, list(vector), embedder
        )

    async def merged(self, repository: str, now: datetime) -> list[Merged]:
        """Return the projects that were merged lately."""
        rows = await self._pool.fetch(sql("memory.merged"), repository, now - LOOK_BACK, MOST_LOOKED_BACK_AT)
        return [(row["project_id"], row["base_sha"] or "", row["files"]) for row in rows]

    async def reverted(self, project_id: UUID) -> None:
        """Note that a project was taken back."""
        async with self._pool.acquire(timeout=SECONDS) as connection, transaction(connection, "memory reverted"):
            await connection.execute(sql("memory.revert"), project_id)
            await judge(connection, project_id)

    async def to_extract(self, repository: str, collection: str) -> list[Remembered]:
        """Return what has held across projects and isn't in this collection of long-term memory."""
        rows = await self._pool.fetch(
            sql("memory.to_extract"), repository, PROJECTS, DISPROVED, collection, MOST_AT_ONCE
        )
        return [remembered(row) for row in rows]

    async def extracted(self, memory_id: UUID, collection: str) -> None:
        """Note that long-term memory has it."""
        async with self._pool.acquire(timeout=SECONDS) as connection, transaction(connection, "memory extracted"):
            await connection.execute(sql("memory.extracted"), memory_id, collection)

    async def has_extracted(self, repository: str, collection: str) -> bool:
        """Tell whether long-term memory has anything about a repository."""
        return bool(await self._pool.fetchval(sql("memory.has_extracted"), repository, collection))

    async def disproved(self, repository: str, collection: str) -> list[Remembered]:
        """Return what is in long-term memory and turned out to be wrong."""
        rows = await self._pool.fetch(sql("memory.disproved"), repository, collection, DISPROVED)
        return [remembered(row) for row in rows]

    async def withdrawn(self, memory_id: UUID, now: datetime) -> None:
        """Note that long-term memory no longer has it."""
        async with self._pool.acquire(timeout=SECONDS) as connection, transaction(connection, "memory withdrawn"):
            await connection.execute(sql("memory.withdrawn"), memory_id, now)


def remembered(row: asyncpg.Record) -> Remembered:
    """Read a row of `working_memory`."""
    vector = tuple(row["embedding"]) if row["embedding"] else None
    return Remembered(
        row["id"], Kind(row["kind"]), row["content"], source_from_json(row["source"]), row["created_at"],
        MemoryTier.working, row["score"], vector,
    )  # fmt: skip


def to_text(memory: Remembered) -> str:
    """Write a memory as JSON, without its vector."""
    return json.dumps(
        {"id": str(memory.id), "kind": memory.kind, "content": memory.content, "at": memory.at.isoformat(),
         "score": memory.score, "source": source_to_json(memory.source)}
    )  # fmt: skip


def from_text(text: str | bytes, tier: MemoryTier) -> Remembered:
    """Read what `to_text` wrote; raises `ValueError` or `KeyError` when it is something else."""
    value = json.loads(text)
    return Remembered(
        UUID(value["id"]), Kind(value["kind"]), value["content"], source_from_json(value["source"]),
        datetime.fromisoformat(value["at"]), tier, float(value["score"]),
    )  # fmt: skip
