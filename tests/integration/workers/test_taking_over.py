"""What a worker held is taken up by another one, and the first can't do anything any more."""

import asyncio
import signal

import pytest

from tests.e2e.team import writes

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_all_that_a_killed_worker_held_is_taken_up_by_another(yard):
    """Two tasks at once, each in its second model call: both go on there, and what was answered isn't asked again."""
    hanging = asyncio.Event()

    async def generate(asked):
        name = "a" if "The work of a." in asked.text else "b"
        if asked.turn == 0:
            return (("write_file", {"path": name, "content": f"{name}\n"}),)
        if not hanging.is_set():
            await hanging.wait()
        return (("done", {"summary": f"Wrote {name}."}),)

    yard.model.answers["generate"] = generate
    first = await yard.work()
    number = await yard.ask("a", "b")
    await yard.until(lambda: len(yard.model.steps("generate")) == 4)
    await yard.work()
    first.send(signal.SIGKILL)
    seconds = await yard.until(lambda: len(yard.model.steps("generate")) == 6)
    hanging.set()
    await yard.merged(number)

    assert sorted(asked.turn for asked in yard.model.steps("generate")) == [0, 0, 1, 1, 1, 1]
    assert seconds < 10  # with leases of 1.5 s
    print(f"taken over after {seconds:.2f} s")


RECORDED = """
SELECT (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.id) FROM tasks t) AS tasks,
       (SELECT jsonb_agg(to_jsonb(p) - 'updated_at' ORDER BY p.id) FROM projects p) AS projects,
       (SELECT jsonb_agg(to_jsonb(j) ORDER BY j.subject, j.scope, j.position) FROM journal j) AS journal,
       (SELECT jsonb_agg(to_jsonb(u) ORDER BY u.id) FROM token_usage u) AS usage,
       (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.key) FROM effects e) AS effects,
       (SELECT count(*) FROM checkpoints) AS checkpoints, (SELECT count(*) FROM checkpoint_writes) AS writes
"""


async def test_a_worker_that_was_only_slow_changes_nothing_after_its_successor_has_finished(yard):
    """Stopped in a model call for longer than its lease: no row, no state, no push, no money of it comes afterwards."""
    late = asyncio.Event()

    async def generate(asked):
        if len(yard.model.steps("generate")) == 1:
            await late.wait()
            return writes({"c": "wrong\n"})
        return writes({"c": "right\n"})

    yard.model.answers["generate"] = generate
    slow = await yard.work()
    number = await yard.ask("c")
    await yard.until(lambda: yard.model.steps("generate"))
    slow.send(signal.SIGSTOP)
    await yard.work()
    await yard.merged(number)
    before, heads = await yard.rows(RECORDED), await yard.team.see("/repos/acme/plain/branches")
    late.set()
    slow.send(signal.SIGCONT)
    await yard.until(lambda: slow.events("lease lost"))
    slow.send(signal.SIGTERM)

    assert await slow.ended() == 0
    assert await yard.rows(RECORDED) == before
    assert await yard.team.see("/repos/acme/plain/branches") == heads
