"""The reconciler can be ended in the middle of a look."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

from workers.reconcile import reconcile
from workers.tempo import Tempo
from workers.wiring import Worker


async def test_a_reconciler_that_is_ended_in_a_look_leaves_no_other_look_half_made(recwarn: Any):
    looking = asyncio.Event()

    async def free(_: float) -> list[int]:
        looking.set()
        await asyncio.Event().wait()
        return []

    worker = SimpleNamespace(jobs=SimpleNamespace(leases=SimpleNamespace(free=free)))
    task = asyncio.create_task(reconcile(cast("Worker", worker), Tempo(reconcile=0.0)))
    await looking.wait()
    task.cancel()
    await asyncio.wait({task})
    del task
    gc.collect()
    assert [str(one.message) for one in recwarn] == []
