"""Jobs that are taken from Redis: once while their worker lives, and given up soon when it doesn't."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest
from arq.worker import func

from app import queue as names
from workers import taking


@pytest.fixture
async def queue(redis_url):
    opened = names.connect(redis_url)
    yield opened
    await opened.close()


async def test_a_long_job_stays_its_worker_s_and_a_dead_worker_s_job_is_given_up(queue, monkeypatch):
    monkeypatch.setattr(taking, "MARK", 0.4)
    ran, marks = [], []

    async def job(ctx, name):
        ran.append(name)
        await asyncio.sleep(1.5)

    await queue.redis.enqueue_job("job", "long", _job_id="long", _queue_name=names.QUEUE)
    await queue.redis.enqueue_job("job", "dead", _job_id="dead", _queue_name=names.QUEUE)
    await queue.redis.set("arq:in-progress:dead", b"1", px=300)
    await queue.redis.set("arq:retry:dead", b"1")
    jobs = [func(job, name="job", max_tries=1, keep_result=0)]
    worker = SimpleNamespace(queue=queue)
    takers = [asyncio.create_task(taking.Taker(worker, names.QUEUE, jobs, 4).take()) for _ in range(2)]
    try:
        async with asyncio.timeout(20):
            while await queue.redis.zcard(names.QUEUE):
                marks.append(await queue.redis.pttl("arq:in-progress:long"))
                await asyncio.sleep(0.05)
        assert max(marks) <= 400
        assert ran == ["long"]
        assert [key for key in await queue.redis.keys("arq:*") if b"aurora" not in key] == []
    finally:
        for taker in takers:
            while not taker.done():
                taker.cancel()
                await asyncio.wait({taker}, timeout=0.2)
            with suppress(asyncio.CancelledError):
                taker.result()
