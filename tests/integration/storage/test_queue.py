"""The queue is a doorbell: JSON jobs on a real server, one for each ring."""

import json
import time
from uuid import UUID, uuid4

import pytest
from arq.jobs import Job

from app import queue
from app.domain.messages import MessageType


@pytest.fixture
async def doorbell(redis_url: str):
    opened = queue.connect(redis_url)
    yield opened
    await opened.close()


async def jobs(doorbell: queue.Queue, name: str) -> list[tuple[str, tuple[object, ...]]]:
    ids = await doorbell.redis.zrange(name, 0, -1)
    found = []
    for job_id in sorted(raw.decode() for raw in ids):
        job = Job(job_id, doorbell.redis, _queue_name=name, _deserializer=queue.deserialize)
        info = await job.info()
        assert info is not None
        found.append((info.function, tuple(info.args)))
    return found


def test_a_job_is_the_same_after_it_was_written():
    job = {"f": "advance", "a": ["x", 1], "k": {"ring": None}, "t": 1, "et": 5}
    assert queue.deserialize(queue.serialize(job)) == job


def test_what_is_no_json_is_written_as_words():
    identity = UUID(int=7)
    assert queue.deserialize(queue.serialize({"a": [identity]})) == {"a": [str(identity)]}


def test_a_pickled_job_is_refused():
    import pickle

    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        queue.deserialize(pickle.dumps({"f": "advance"}))


async def test_a_ring_is_one_job_however_often_it_is_made(doorbell: queue.Queue):
    for _ in range(2):
        await doorbell.delivery("g1", 1)
    assert await jobs(doorbell, queue.DELIVERY_QUEUE) == [(queue.HANDLE_DELIVERY, ("g1",))]


async def test_a_new_ring_takes_the_place_of_one_whose_worker_died(doorbell: queue.Queue):
    """Otherwise arq would keep it at the head of the queue for as long as a job may take."""
    message, subject = uuid4(), uuid4()
    await doorbell.work(message, MessageType.CONTEXT, subject, 0)
    for key in ("in-progress", "retry"):
        await doorbell.redis.set(f"arq:{key}:{message}:0", b"1")
    await doorbell.work(message, MessageType.CONTEXT, subject, 1)
    assert await jobs(doorbell, queue.QUEUE) == [(queue.ADVANCE, (str(subject), str(message)))]
    assert sorted(await doorbell.redis.keys("*")) == [f"arq:job:{message}:1".encode(), queue.QUEUE.encode()]


async def test_tasks_ring_where_workers_with_free_slots_listen(doorbell: queue.Queue):
    message, subject = uuid4(), uuid4()
    await doorbell.work(message, MessageType.TASK, subject, 0)
    assert await jobs(doorbell, queue.TASK_QUEUE) == [(queue.RUN_TASK, (str(subject), str(message)))]
    assert await jobs(doorbell, queue.QUEUE) == []


async def test_a_job_on_the_server_is_json(doorbell: queue.Queue):
    await doorbell.delivery("g1")
    raw = await doorbell.redis.get("arq:job:delivery:g1:0")
    assert json.loads(raw)["f"] == queue.HANDLE_DELIVERY


async def test_many_new_deliveries_are_rung_for_as_arq_would(doorbell: queue.Queue):
    await doorbell.delivery("g0")
    await doorbell.new_deliveries(["g1", "g2"])
    assert await jobs(doorbell, queue.DELIVERY_QUEUE) == [
        (queue.HANDLE_DELIVERY, (guid,)) for guid in ("g0", "g1", "g2")
    ]
    theirs, ours = [json.loads(await doorbell.redis.get(f"arq:job:delivery:{guid}:0")) for guid in ("g0", "g1")]
    assert theirs.keys() == ours.keys()
    assert await doorbell.redis.pttl("arq:job:delivery:g1:0") > 23 * 3600 * 1000


async def test_ping_answers(doorbell: queue.Queue):
    await doorbell.ping()


async def test_a_message_that_is_due_later_is_rung_for_then(doorbell: queue.Queue):
    subject, message = uuid4(), uuid4()
    await doorbell.work(message, MessageType.CONTEXT, subject, 0, after=60.0)
    ((_, due),) = await doorbell.redis.zrange(queue.QUEUE, 0, -1, withscores=True)
    assert 55 < due / 1000 - time.time() < 60.1  # Redis holds whole milliseconds
