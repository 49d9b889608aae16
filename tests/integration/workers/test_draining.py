"""Asked to end, a worker gives back what it holds at once, whatever it does, and leaves nothing behind."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.team import writes

pytestmark = pytest.mark.asyncio(loop_scope="session")

HANG = "sleep 600"


def sleepers() -> int:
    """Count the processes of ours that hang."""
    found = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += process.read_bytes().replace(b"\0", b" ").strip() == HANG.encode()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("moment", ["model", "tool", "checkpoint"])
async def test_a_worker_ends_in_time_and_another_goes_on_at_once(yard, moment):
    """Within drain and a moment more, with status 0; leases that would last a minute more are free."""
    never, name = asyncio.Event(), f"d-{moment}"

    async def generate(asked):
        if len(yard.model.steps("generate")) > 1:
            return writes({name: "done\n"})
        if moment == "model":
            await never.wait()
        if moment == "tool":
            return (("run", {"command": HANG}),)
        return writes({name: "first\n", "slow": "\n"})

    yard.model.answers["generate"] = generate
    first = await yard.work(lease=60.0, beat=1.0, drain=1.0)
    number = await yard.ask(name)
    await yard.until(lambda: yard.model.steps("generate") if moment == "model" else sleepers())
    second = await yard.work(lease=60.0, beat=1.0)
    first.send(signal.SIGTERM)
    asked = time.monotonic()
    assert await first.ended(10) == 0
    ended = time.monotonic() - asked
    assert ended < 1.0 + 3.0 + 4.0  # drain, last, and a busy machine
    if moment == "checkpoint":
        # The successor judges the same tree, which never ends: that it does so is what is to be seen.
        await yard.until(sleepers, 10)
        second.send(signal.SIGTERM)
        assert await second.ended(10) == 0
        assert sleepers() == 0
        return
    await yard.until(lambda: len(yard.model.steps("generate")) > 1 or sleepers(), 10)
    print(f"{moment}: ended after {ended:.2f} s, taken over after {time.monotonic() - asked:.2f} s")
    if moment == "model":
        assert sleepers() == 0
        never.set()
        await yard.merged(number)


async def test_a_second_signal_ends_a_worker_at_once(yard):
    yard.model.answers["generate"] = lambda _: (("run", {"command": HANG}),)
    worker = await yard.work(drain=60.0)
    await yard.ask("e")
    await yard.until(sleepers)
    worker.send(signal.SIGTERM)
    await yard.until(lambda: worker.events("ending"))
    asked = time.monotonic()
    worker.send(signal.SIGTERM)
    assert await worker.ended(5) == 128 + signal.SIGTERM
    assert time.monotonic() - asked < 2
    await yard.until(lambda: not sleepers(), 5)


async def test_a_worker_that_waits_for_its_stores_ends_when_asked(yard):
    """It starts without PostgreSQL, says so once, and can be stopped."""
    worker = await yard.work(awaited=False, database="postgresql://nobody@127.0.0.1:1/none")
    await yard.until(lambda: worker.events("what the worker needs is away"))
    worker.send(signal.SIGTERM)
    assert await worker.ended(5) == 0
    assert len(worker.events("what the worker needs is away")) == 1
