"""Short-term memory in Redis: what was noted and answered lately, within a limit of its own."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from redis.asyncio import ConnectionPool, Redis

from app.domain.artifacts import Periods
from app.domain.memory import Memory, MemoryTier, Question, Remembered, identity, worth_keeping
from app.storage.memory import cleaned, from_text, to_text

PREFIX = "aurora:memory:"
OWN_BYTES = 1_000_000_000  # in a Redis of its own
SHARED_BYTES = 64_000_000  # beside the queue, which must not be crowded out
SECONDS = 1.0  # for Redis to answer
MOST_RECENT = 50

# Everything is an item: a hash with its content in `m`, counted in bytes, so that the oldest go when it gets too much.
PUT = """
local all, sizes, bytes = KEYS[1], KEYS[2], KEYS[3]
local item, content, now, ttl, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function drop(name)
    redis.call('DECRBY', bytes, tonumber(redis.call('HGET', sizes, name) or '0'))
    redis.call('HDEL', sizes, name)
    redis.call('ZREM', all, name)
    redis.call('DEL', name)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', all, '-inf', now - ttl, 'LIMIT', 0, 100)) do drop(name) end
if redis.call('HEXISTS', sizes, item) == 1 then
    redis.call('DECRBY', bytes, tonumber(redis.call('HGET', sizes, item)))
end
local size = #content + 2 * #item + 300
redis.call('HSET', item, 'm', content)
if ARGV[6] == '1' then redis.call('HSET', item, 'kept', 1) end
redis.call('EXPIRE', item, ttl)
redis.call('HSET', sizes, item, size)
redis.call('ZADD', all, now, item)
local used = redis.call('INCRBY', bytes, size)
while used > limit do
    local oldest = redis.call('ZRANGE', all, 0, 0)[1]
    if not oldest then break end
    drop(oldest)
    used = tonumber(redis.call('GET', bytes))
end
if #KEYS > 3 then
    redis.call('ZADD', KEYS[4], now, item)
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ttl)
    redis.call('EXPIRE', KEYS[4], ttl)
    redis.call('INCR', KEYS[5])
    redis.call('EXPIRE', KEYS[5], 2 * ttl)
end
return used
"""
TOUCH = """
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'kept') == 1 then return {0, 0} end
redis.call('HSET', KEYS[1], 'agent:' .. ARGV[1], 1)
local reads = redis.call('HINCRBY', KEYS[1], 'reads', 1)
local agents = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(name, 1, 6) == 'agent:' then agents = agents + 1 end
end
return {reads, agents}
"""


@dataclass(frozen=True)
class Answer:
    """What was answered to a question before: the memories with the tier that each came from."""

    told: tuple[Remembered, ...]


class ShortTerm:
    """What was noted and answered within a period. Raises Redis's errors."""

    def __init__(self, url: str, limit: int = OWN_BYTES, keep: timedelta = Periods.session) -> None:
        """Take Redis's address, how many bytes may be used of it and for how long; connect later."""
        connections = ConnectionPool.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS)
        self._redis = Redis(connection_pool=connections)
        self._limit = limit
        self._seconds = math.ceil(keep.total_seconds())
        self._put = self._redis.register_script(PUT)
        self._touch = self._redis.register_script(TOUCH)
        self._totals = [f"{PREFIX}all", f"{PREFIX}sizes", f"{PREFIX}bytes"]

    async def note(self, repository: str, memory: Memory, now: datetime, *, kept: bool) -> None:
        """Remember something; `kept` says that working memory has it."""
        memory = cleaned(memory)
        if not memory.content or not memory.source.complete:
            return
        name = identity(repository, memory.kind, memory.content)
        value = Remembered(name, memory.kind, memory.content, memory.source, memory.at, MemoryTier.short_term)
        keys = [*self._totals, f"{PREFIX}of:{repository}", f"{PREFIX}version:{repository}"]
        await self._put(keys, [_item(name), to_text(value), now.timestamp(), self._seconds, self._limit, int(kept)])

    async def recent(self, repository: str) -> list[Remembered]:
        """Return what was noted last about a repository, newest first."""
        names = await self._redis.zrevrange(f"{PREFIX}of:{repository}", 0, MOST_RECENT - 1)
        if not names:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hget(name.decode(), "m")
            texts = await pipeline.execute()
        return [from_text(text, MemoryTier.short_term) for text in texts if text]

    async def read(self, memory_id: UUID) -> Remembered | None:
        """Return one memory, if it is still here."""
        text = await self._redis.hget(_item(memory_id), "m")  # type: ignore[misc]  # redis-py types both its clients as one
        return from_text(text, MemoryTier.short_term) if text else None

    async def touch(self, memories: Sequence[Remembered], agent: str) -> list[Remembered]:
        """Count that an agent was told these; return those that have become worth keeping and aren't kept yet."""
        counts = [await self._touch([_item(memory.id)], [agent]) for memory in memories]
        return [
            memory
            for memory, (reads, agents) in zip(memories, counts, strict=True)
            if worth_keeping(int(reads), int(agents))
        ]

    async def answered(self, question: Question) -> Answer | None:
        """Return what was answered to the same question since anything was noted about its repository."""
        text = await self._redis.hget(await self._key(question), "m")  # type: ignore[misc]  # as above
        if not text:
            return None
        return Answer(tuple(from_text(item, MemoryTier(tier)) for tier, item in json.loads(text)))

    async def answer(self, question: Question, told: Sequence[Remembered], now: datetime) -> None:
        """Keep an answer for when the same is asked again."""
        content = json.dumps([(memory.tier, to_text(memory)) for memory in told])
        key = await self._key(question)
        await self._put(self._totals, [key, content, now.timestamp(), self._seconds, self._limit, 0])

    async def renew(self, repository: str) -> None:
        """Let no earlier answer about a repository count any more."""
        async with self._redis.pipeline() as pipeline:
            pipeline.incr(f"{PREFIX}version:{repository}")
            pipeline.expire(f"{PREFIX}version:{repository}", 2 * self._seconds)
            await pipeline.execute()

    async def _key(self, question: Question) -> str:
        version = await self._redis.get(f"{PREFIX}version:{question.repository}") or b"0"
        digest = hashlib.sha256(repr((version, astuple(question))).encode()).hexdigest()[:32]
        return f"{PREFIX}answer:{digest}"

    async def bytes_used(self) -> int:
        """Return how much is used, as it counts itself."""
        return int(await self._redis.get(f"{PREFIX}bytes") or 0)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)  # it doesn't own the pool that it was given


def _item(memory_id: UUID) -> str:
    return f"{PREFIX}item:{memory_id}"
