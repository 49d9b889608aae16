"""What is remembered: where it comes from, what it was worth, and which of it is told again. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import mul
from uuid import NAMESPACE_URL, UUID, uuid5

LONGEST = 1_000  # characters of a memory; a longer one is cut
READS = 3  # after so many reads it is worth keeping
AGENTS = 2  # so many agents that read it, too
PROJECTS = 2  # in so many it has helped before it counts as known for good
DISPROVED = -1.0  # a score from which on it is told to nobody
SAME = 0.93  # cosine from which on two memories say the same
LEAST_MEANING = 0.3  # cosine below which a memory isn't about the question
LEAST_WORDS = 0.12  # the same for words in common, which are fewer than meanings
ABOUT_ITS_FILES = 0.25  # how much nearer a memory is that cites a file which the question names
HALF_LIFE = 30.0  # days until a memory counts half
OLDEST = 0.25  # and never less than this
MOST_TOLD = 8  # at a time
MARK = re.compile(r"\[M(\d{1,3})\]")


class Kind(StrEnum):
    """What a memory is (the names are a contract)."""

    decision = "decision"  # of Maestro
    pattern = "pattern"  # how something was done that was merged
    reflexion = "reflexion"  # what a failed attempt taught
    conflict = "conflict"  # what didn't fit together


class MemoryTier(StrEnum):
    """Where a memory is kept (the names are a contract: label of the metrics)."""

    short_term = "short_term"
    working = "working"
    long_term = "long_term"


class Fate(StrEnum):
    """What became of a project, as far as what it was told is concerned."""

    merged = "merged"
    changed = "changed"  # merged after a reviewer had it changed
    escalated = "escalated"
    reverted = "reverted"  # merged, and taken back by people
    cancelled = "cancelled"  # by people, before it was done


WORTH: Mapping[Fate, float] = {
    Fate.merged: 1.0, Fate.changed: 0.25, Fate.escalated: -0.5, Fate.reverted: -1.0, Fate.cancelled: 0.0,
}  # fmt: skip
UNCITED = 0.25  # share of that for a memory that was told, but that no agent named as of help


@dataclass(frozen=True)
class Source:
    """Where a memory comes from; without file and commit it is none."""

    file: str
    commit: str
    project: UUID
    task: str = ""  # key
    symbol: str | None = None  # a definition in the file

    @property
    def complete(self) -> bool:
        """Whether it can be checked."""
        return bool(self.file and self.commit)


@dataclass(frozen=True)
class Memory:
    """Something worth knowing later, with where it comes from."""

    kind: Kind
    content: str
    source: Source
    at: datetime


@dataclass(frozen=True)
class Used:
    """What an agent was told in a round of its task, and what of it it named as of help."""

    task_id: UUID
    round: int
    agent: str
    told: tuple[UUID, ...]
    cited: tuple[UUID, ...]
    at: datetime


@dataclass(frozen=True)
class Settled:
    """What became of the project, and the files that it changed."""

    fate: Fate
    files: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class Remembered:
    """A memory as a tier has it."""

    id: UUID
    kind: Kind
    content: str
    source: Source
    at: datetime
    tier: MemoryTier
    score: float = 0.0  # sum of what the projects that were told it came to
    vector: tuple[float, ...] | None = field(default=None, repr=False)  # its meaning, of length 1


@dataclass(frozen=True)
class Question:
    """What an agent is about to do, for which it might be good to know something."""

    repository: str  # OWNER/NAME
    project: UUID
    agent: str  # role
    text: str
    files: tuple[str, ...]  # that it expects to change
    commit: str  # at which what is cited must still be there
    characters: int  # that the answer may have
    kinds: tuple[Kind, ...] = ()  # of which alone it is to be; without any, of all


def identity(repository: str, kind: Kind, content: str) -> UUID:
    """Return the id of a memory: the same words about the same repository are the same memory."""
    return uuid5(NAMESPACE_URL, f"{repository}:{kind}:{' '.join(words(content))}")


def words(text: str) -> list[str]:
    """Return a text's words, lower case."""
    return re.findall(r"\w+", text.casefold())


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors of length 1; 0 when they are not of one kind."""
    return math.fsum(map(mul, one, other)) if len(one) == len(other) else 0.0


def words_in_common(one: str, other: str) -> float:
    """Return the cosine of two texts by their words of more than two letters."""
    left, right = (Counter(word for word in words(text) if len(word) > 2) for text in (one, other))
    shared = sum(left[word] * right[word] for word in left.keys() & right.keys())
    lengths = (math.sqrt(sum(count * count for count in counts.values())) for counts in (left, right))
    return shared / math.prod(lengths) if shared else 0.0


def relevance(question: Question, vector: Sequence[float] | None, memory: Remembered) -> float:
    """Return how near a memory is to a question, from 0 (not at all) to about 1."""
    if vector is not None and memory.vector is not None and len(vector) == len(memory.vector):
        near, least = similarity(vector, memory.vector), LEAST_MEANING
    else:
        near, least = words_in_common(question.text, memory.content), LEAST_WORDS
    near += ABOUT_ITS_FILES if memory.source.file in question.files else 0.0
    return near if near >= least else 0.0


def weight(question: Question, vector: Sequence[float] | None, memory: Remembered, now: datetime) -> float:
    """Return relevance times recency times what it was worth before; 0 for what isn't to be told."""
    own = memory.source.project == question.project and memory.kind in {Kind.decision, Kind.pattern}
    if question.kinds and memory.kind not in question.kinds:
        return 0.0
    if memory.score <= DISPROVED or own:  # its own plan and work the project knows anyway
        return 0.0
    days = max(0.0, (now - memory.at).total_seconds() / 86_400)
    recency = max(OLDEST, math.pow(0.5, days / HALF_LIFE))
    return relevance(question, vector, memory) * recency * math.pow(2, max(-2.0, min(2.0, memory.score)) / 2)


def rank(
    question: Question, vector: Sequence[float] | None, memories: Iterable[Remembered], now: datetime
) -> list[Remembered]:
    """Return what is worth telling, best first, nothing twice."""
    weighed = [(weight(question, vector, memory, now), memory) for memory in memories]
    ordered = sorted((pair for pair in weighed if pair[0] > 0), key=lambda pair: (-pair[0], str(pair[1].id)))
    kept: list[Remembered] = []
    for _, memory in ordered:
        if not any(says_the_same(memory, other) for other in kept):
            kept.append(memory)
    return kept


def says_the_same(one: Remembered, other: Remembered) -> bool:
    """Tell whether two memories are one by id, words or meaning."""
    if one.id == other.id or words(one.content) == words(other.content):
        return True
    return bool(one.vector and other.vector) and similarity(one.vector or (), other.vector or ()) >= SAME


def fit(memories: Sequence[Remembered], characters: int) -> list[Remembered]:
    """Return the memories, best first, that fit into so many characters."""
    kept, left = list[Remembered](), characters
    for memory in memories:
        size = len(describe(MOST_TOLD, memory)) + 3
        if len(kept) < MOST_TOLD and size <= left:
            kept.append(memory)
            left -= size
    return kept


def describe(number: int, memory: Remembered) -> str:
    """Write a memory for an agent: its mark, what it is, where it comes from, what it says."""
    source = memory.source
    place = f"{source.file}:{source.symbol}" if source.symbol else source.file
    return f"[M{number}] ({memory.kind} about {place} at {source.commit[:7]}) {memory.content}"


def cited(text: str, told: Sequence[UUID]) -> tuple[UUID, ...]:
    """Return what an agent's words name, of the memories that it was told in this order."""
    numbers = sorted({int(number) for number in MARK.findall(text)})
    return tuple(told[number - 1] for number in numbers if 1 <= number <= len(told))


def worth_keeping(reads: int, agents: int) -> bool:
    """Tell whether a short-term memory has been of enough interest to be kept."""
    return reads >= READS or agents >= AGENTS
