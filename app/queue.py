"""The queue: arq as a doorbell; what is to be done stands in PostgreSQL."""

import json
from functools import partial
from typing import Any
from uuid import UUID

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from app.domain.messages import AgentMessage, MessageType
from app.edges import Edge, edge

QUEUE = "aurora:jobs"  # deliveries and Maestro's moves: quick
TASK_QUEUE = "aurora:tasks"  # taken only by workers with a free task slot

SECONDS = 5.0  # for Redis to answer

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
        enqueue = partial(self.redis.enqueue_job, HANDLE_DELIVERY, guid, _job_id=f"delivery:{guid}:{ring}")
        await edge(Edge.rung, HANDLE_DELIVERY, enqueue)

    async def message(self, message: AgentMessage, subject: UUID, ring: int = 0) -> None:
        """Ring for a stored message."""
        await self.work(message.id, message.message_type, subject, ring)

    async def work(self, message_id: UUID, kind: MessageType, subject: UUID, ring: int) -> None:
        """Ring for the message about `subject`; arq drops repeated ids, so each ring has its own."""
        is_task = kind is MessageType.TASK
        job = RUN_TASK if is_task else ADVANCE
        enqueue = partial(
            self.redis.enqueue_job,
            job,
            str(subject),
            str(message_id),
            _job_id=f"{message_id}:{ring}",
            _queue_name=TASK_QUEUE if is_task else QUEUE,
        )
        await edge(Edge.rung, job, enqueue)

    async def ping(self) -> None:
        """Raise when Redis doesn't answer."""
        await self.redis.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose(close_connection_pool=True)  # it doesn't own the pool that it was given
