"""Closing an issue ends its work within seconds, whatever it waits for."""

import asyncio
import time

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

AS_USUAL = {"lease": 10.0, "beat": 2.0, "reconcile": 3.0, "overdue": 2.0}


@pytest.mark.parametrize("step", ["parse", "generate"])
async def test_a_run_whose_model_call_hangs_is_cancelled_within_5_s(yard, step):
    """Maestro's own call, and a task's: both are given up, and their worst case counts as spent."""
    hanging = asyncio.Event()

    async def hang(_):
        await hanging.wait()
        return ""

    worker = await yard.work(**AS_USUAL)
    number = await yard.ask("d")
    yard.model.answers[step] = hang
    await yard.until(lambda: yard.model.steps(step))
    began = time.monotonic()
    await yard.stack.person.patch(f"/repos/acme/plain/issues/{number}", {"state": "closed"})
    while not await yard.rows("SELECT 1 FROM projects WHERE status = 'cancelled'"):
        await asyncio.sleep(0.02)
    cancelled = time.monotonic() - began
    await yard.until(lambda: worker.events("lease lost"))
    stopped = time.monotonic() - began
    hanging.set()
    print(f"{step}: cancelled after {cancelled:.2f} s, the call given up after {stopped:.2f} s")
    assert max(cancelled, stopped) < 5
    assert not await yard.rows("SELECT 1 FROM token_usage WHERE status = 'reserved'")
    assert await yard.rows("SELECT 1 FROM token_usage WHERE status = 'forfeited'")
    assert len(yard.model.steps(step)) == 1, "it isn't begun again"
