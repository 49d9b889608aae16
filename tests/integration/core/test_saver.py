"""The graph's state is saved by the holder of the task's lease, and by nobody else."""

from uuid import uuid4

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from app.errors import LeaseLost
from app.storage.leases import Leases
from app.storage.pool import Pool
from workers.saver import Saver, open_saver, prepare_saver


async def save(saver: Saver) -> None:
    await saver.aput(
        {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}, empty_checkpoint(), {"source": "loop", "step": 1}, {}
    )


async def test_only_the_holder_of_the_lease_saves(pool: Pool, database_url: str):
    await prepare_saver(database_url)
    subject = uuid4()
    async with open_saver(database_url, 1) as saver:
        with pytest.raises(LeaseLost, match="none is held"):
            await save(saver)
        async with Leases(pool, "one", beat=60).hold(subject):
            await save(saver)
            await pool.execute("UPDATE leases SET epoch = epoch + 1 WHERE subject = $1", subject)
            with pytest.raises(LeaseLost, match="taken over"):
                await save(saver)
    assert await pool.fetchval("SELECT count(*) FROM checkpoints") == 1
