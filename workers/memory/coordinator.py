"""The three tiers as one: what is read where, what moves up, and what an agent is told."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from app import metrics
from app.domain.memory import MOST_TOLD, Memory, MemoryTier, Question, Remembered, Source, fit, rank
from app.domain.ports import Clock, Clone
from app.errors import GitError
from app.storage.memory import Merged
from workers.memory.long_term import LongTerm
from workers.memory.meaning import Meaning
from workers.memory.short_term import Answer, ShortTerm
from workers.memory.tier import REST, Tier
from workers.memory.working import Working

log = logging.getLogger(__name__)

SHORT_SECONDS, WORKING_SECONDS, LONG_SECONDS = 2.0, 10.0, 20.0  # the last includes loading Mem0
NOTHING: list[Remembered] = []
MOST_CHECKED = 3 * MOST_TOLD  # sources looked up in git for one question


class Coordinator:
    """Implements `Memories` over Redis, PostgreSQL and Mem0, each of which may be lost."""

    def __init__(
        self,
        short: ShortTerm,
        working: Working,
        long: LongTerm,
        meaning: Meaning,
        clock: Clock,
        rest: float = REST,
    ) -> None:
        """Take the tiers; `rest` is for how many seconds one that failed is left alone."""
        self._short, self._working, self._long, self._meaning, self._clock = short, working, long, meaning, clock
        self._at_short = Tier(MemoryTier.short_term, SHORT_SECONDS, rest)
        self._at_working = Tier(MemoryTier.working, WORKING_SECONDS, rest)
        self._at_long = Tier(MemoryTier.long_term, LONG_SECONDS, rest)

    async def recall(self, question: Question, clone: Clone) -> Sequence[Remembered]:
        """Return what helps: from short-term memory, on a miss from working, then from long-term by meaning."""
        known: Answer | None = await self._at_short.ask("answered", lambda: self._short.answered(question), None)
        if known is not None:
            _count([MemoryTier.short_term] * len(known.told), [MemoryTier.short_term])
            await self._touch(question, known.told)
            return known.told
        vector = await self._meaning.of(question.text)
        found = await self._meaning.add_to(await self._search(question, vector is not None))
        ranked = rank(question, vector, found, self._clock())
        told = fit(await holding(ranked[:MOST_CHECKED], clone, question.commit), question.characters)
        _count([memory.tier for memory in told], list(MemoryTier))
        now = self._clock()
        await self._touch(question, told)
        await self._at_short.ask("answer", lambda: self._short.answer(question, told, now), None)
        return told

    async def _search(self, question: Question, by_meaning: bool) -> list[Remembered]:
        """Return what the tiers have, each memory once: as the nearest tier has it, with all that is known of it."""
        repository = question.repository
        recent = await self._at_short.ask("recent", lambda: self._short.recent(repository), NOTHING)
        kept = await self._at_working.ask("search", lambda: self._working.search(question, self._clock()), NOTHING)
        far = await self._at_long.ask("search", lambda: self._far(question), NOTHING) if by_meaning else []
        here = {memory.id for memory in recent}
        found = {memory.id: memory for memory in (*far, *recent, *kept)}
        known = await self._standing([memory.id for memory in (*far, *recent)])
        for memory in (*kept, *known):
            found[memory.id] = replace(memory, tier=found[memory.id].tier)
        return [replace(one, tier=MemoryTier.short_term) if one.id in here else one for one in found.values()]

    async def _standing(self, ids: Sequence[UUID]) -> list[Remembered]:
        """Return what is known of these by now: a copy made earlier doesn't know what it has turned out to be worth."""
        rows, name = self._working.rows, self._meaning.name
        return await self._at_working.ask("standing", lambda: rows.by_id(ids, name), NOTHING) if ids else []

    async def _far(self, question: Question) -> list[Remembered]:
        """Return what long-term memory has; it isn't loaded for a repository of which it knows nothing."""
        collection = self._long.collection(self._meaning.name)
        if not await self._working.rows.has_extracted(question.repository, collection):
            return []
        found = await self._long.search(question.repository, question.text)
        others = await self._working.rows.elsewhere([one.id for one in found], question.repository)
        return [one for one in found if one.id not in others]  # its name may have been another's

    async def _touch(self, question: Question, told: Sequence[Remembered]) -> None:
        """Count who was told what, and keep what is of interest to several."""
        repository = question.repository
        for memory in await self._at_short.ask("touch", lambda: self._short.touch(told, question.agent), NOTHING):
            await self._promote(repository, memory)

    async def _promote(self, repository: str, memory: Remembered) -> None:
        async def promote() -> bool:
            await self._working.promote(repository, memory)
            return True

        if await self._at_working.ask("promote", promote, False):
            await self._note(repository, Memory(memory.kind, memory.content, memory.source, memory.at), kept=True)

    async def note(self, repository: str, memory: Memory, *, kept: bool = False) -> None:
        """Remember something for an hour; `kept` says that PostgreSQL has it already."""
        await self._note(repository, memory, kept=kept)

    async def _note(self, repository: str, memory: Memory, *, kept: bool) -> None:
        now = self._clock()
        await self._at_short.ask("note", lambda: self._short.note(repository, memory, now, kept=kept), None)

    async def look_back(self, repository: str, clone: Clone, base: str) -> None:
        """Notice which projects merged lately left no trace in the present base: people took them back."""
        rows, none = self._working.rows, list[Merged]()
        for project, start, files in await self._at_working.ask(
            "merged", lambda: rows.merged(repository, self._clock()), none
        ):
            if start != base and await _gone(clone, start, base, files):
                log.info("a merged project was taken back", extra={"reverted": str(project)})
                await self._at_working.ask("reverted", partial(rows.reverted, project), None)

    async def settle(self, repository: str) -> None:
        """Take what has held across projects to long-term memory, and what was disproved out of it."""
        await self._at_long.ask("settle", lambda: self._settle(repository), None)
        await self._at_short.ask("renew", lambda: self._short.renew(repository), None)

    async def _settle(self, repository: str) -> None:
        name = self._meaning.name
        if not name and await self._meaning.of("ready"):
            name = self._meaning.name
        rows, collection = self._working.rows, self._long.collection(name)
        for memory in await rows.to_extract(repository, collection) if name else []:
            await self._long.keep(repository, memory)
            await rows.extracted(memory.id, collection)
        for memory in await rows.disproved(repository, collection):
            await self._long.forget(repository, memory)
            await rows.withdrawn(memory.id, self._clock())

    async def close(self) -> None:
        """Close what is open."""
        await self._short.close()
        await self._long.close()
        self._meaning.close()


def _count(told: Sequence[MemoryTier], asked: Sequence[MemoryTier]) -> None:
    """Count each memory told as a hit of its tier, and a miss of each tier that had none of them."""
    hits = Counter(told)
    for tier in asked:
        if hits[tier]:
            metrics.MEMORY_HITS.labels(tier).inc(hits[tier])
        else:
            metrics.MEMORY_MISSES.labels(tier).inc()


async def holding(memories: Iterable[Remembered], clone: Clone, commit: str) -> list[Remembered]:
    """Return the memories whose cited file, and definition in it, are still there at a commit."""
    try:
        present = frozenset(await clone.files(commit))
        return [memory for memory in memories if await _holds(memory.source, clone, commit, present)]
    except GitError as error:
        log.info("sources can't be checked, so nothing is told", extra={"why": str(error)})
        return []


async def _holds(source: Source, clone: Clone, commit: str, present: frozenset[str]) -> bool:
    if source.file not in present:
        return False
    if source.symbol is None:
        return True
    text = (await clone.read(commit, source.file) or b"").decode(errors="replace")
    return re.search(rf"(?<!\w){re.escape(source.symbol)}(?!\w)", text) is not None


async def _gone(clone: Clone, start: str, base: str, files: Sequence[str]) -> bool:
    """Tell whether none of the files differs any more from what it was before the project."""
    try:
        return not {change.path for change in await clone.changes(start, base)} & set(files)
    except GitError:
        return False  # a commit that isn't here says nothing
