"""The queue: arq as a doorbell; what is to be done stands in PostgreSQL."""

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import ConnectionPool

from app.domain.messages import AgentMessage, MessageType
from app.edges import Edge, edge

QUEUE = "aurora:jobs"  # Maestro's moves
DELIVERY_QUEUE = "aurora:deliveries"  # what people do must not wait behind Maestro's model calls
TASK_QUEUE = "aurora:tasks"  # taken only by workers with a free task slot

PROBE = "aurora:probe"

SECONDS = 5.0  # for Redis to answer
RING_MS = 24 * 3600 * 1000  # that a job waits in Redis at the longest, as with arq's own

# Puts pairs of a job's id and its content into a queue, as arq would.
ENQUEUE = """
for i = 4, #ARGV, 2 do
    redis.call('PSETEX', ARGV[1] .. ARGV[i], ARGV[3], ARGV[i + 1])
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
end
"""

HANDLE_DELIVERY = "handle_delivery"
ADVANCE = "advance"
RUN_TASK = "run_task"


def serialize(value: dict[str, Any]) -> bytes:
    """Write a job as JSON: whoever can write to Redis must not be able to run code here."""
    return json.dumps(value, default=str).encode()


def deserialize(raw: bytes) -> dict[str, Any]:
    """Read a job."""
    value: dict[str, Any] = json.loads(raw)
    return value


def connect(url: str) -> "Queue":
    """Return a queue that connects when it is first used, so that starting doesn't depend on Redis."""
    connections = ConnectionPool.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS)
    redis = ArqRedis(connections, job_serializer=serialize, job_deserializer=deserialize, default_queue_name=QUEUE)
    return Queue(redis)


class Queue:
    """Rings for work; a ring that is lost is rung again by the reconciler."""

    def __init__(self, redis: ArqRedis) -> None:
        """Use a connected pool."""
        self.redis = redis

    async def delivery(self, guid: str, ring: int = 0) -> None:
        """Ring for a stored delivery."""
        await self._ring(HANDLE_DELIVERY, (guid,), f"delivery:{guid}", ring, DELIVERY_QUEUE)

    async def new_deliveries(self, guids: Sequence[str]) -> None:
        """Ring for deliveries that were stored just now, in one command: arq's own for each cost the server dearly."""
        now = time.time_ns() // 1_000_000
        parts: list[str | bytes] = []
        for guid in guids:
            parts += f"delivery:{guid}:0", serialize_job(HANDLE_DELIVERY, (guid,), {}, None, now, serializer=serialize)
        ring = partial(
            self.redis.execute_command, "EVAL", ENQUEUE, 1, DELIVERY_QUEUE, job_key_prefix, now, RING_MS, *parts
        )
        await edge(Edge.rung, HANDLE_DELIVERY, ring)

    async def message(self, message: AgentMessage, subject: UUID, ring: int = 0, after: float = 0.0) -> None:
        """Ring for a stored message, after some seconds where it isn't due yet."""
        await self.work(message.id, message.message_type, subject, ring, after)

    async def work(self, message_id: UUID, kind: MessageType, subject: UUID, ring: int, after: float = 0.0) -> None:
        """Ring for the message about `subject`; arq drops repeated ids, so each ring has its own."""
        is_task = kind is MessageType.TASK
        job = RUN_TASK if is_task else ADVANCE
        queue = TASK_QUEUE if is_task else QUEUE
        await self._ring(job, (str(subject), str(message_id)), str(message_id), ring, queue, after)

    async def _ring(
        self, job: str, arguments: tuple[str, ...], name: str, ring: int, queue: str, after: float = 0.0
    ) -> None:
        async def ring_anew() -> None:
            if ring > 0:
                await self._forget(queue, [f"{name}:{earlier}" for earlier in {ring - 1, -1}])
            await self.redis.enqueue_job(
                job, *arguments, _job_id=f"{name}:{ring}", _queue_name=queue, _defer_by=after or None
            )

        await edge(Edge.rung, job, ring_anew)

    async def _forget(self, queue: str, ids: list[str]) -> None:
        """Take earlier rings away: arq keeps the job of a killed worker as long as a job may take, at the queue's head.

        One that is still at work doesn't mind: what it does is decided by the tables.
        """
        prefixes = (job_key_prefix, in_progress_key_prefix, retry_key_prefix)
        async with self.redis.pipeline() as pipe:
            pipe.zrem(queue, *ids)
            pipe.delete(*(prefix + job_id for prefix in prefixes for job_id in ids))
            await pipe.execute()

    async def ping(self) -> None:
        """Raise when Redis doesn't answer."""
        await self.redis.ping()

    async def waiting(self) -> int:
        """Return how many jobs wait; raise when Redis doesn't answer, or doesn't take what is written."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.psetex(PROBE, 1000, b"")
            pipe.zcard(QUEUE)
            pipe.zcard(TASK_QUEUE)
            pipe.zcard(DELIVERY_QUEUE)
            _, *waiting = await pipe.execute()
        return sum(map(int, waiting))

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose(close_connection_pool=True)  # it doesn't own the pool that it was given
