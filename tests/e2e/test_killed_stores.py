"""Everything that a project needs is killed while it runs, and it is merged all the same."""

import asyncio
import os
import signal

import pytest

from tests.e2e.team import planned, requirements

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_project_is_merged_although_redis_postgres_and_the_worker_were_killed(team, model, stack):
    """All are started again by themselves; the first model call isn't asked again, and there is one comment."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def generate(request):
        if request.turn == 0:
            return (("write_file", {"path": "survived.py", "content": "SURVIVED = True\n"}),)
        asked.set()
        await answer.wait()
        return (("done", {"summary": "Survived."}),)

    model.answers |= {
        "parse": lambda _: requirements("survived"),
        "plan": lambda _: {"tasks": [planned("t1", "survived.py")]},
        "generate": generate,
    }
    number = await team.ask("acme/sound", "Survive")
    async with asyncio.timeout(60):
        await asked.wait()
    killed = [stack.stores["Valkey"].pid, stack.stores["PostgreSQL"].pid]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    stack.programs.signal("work-1", signal.SIGKILL)
    answer.set()

    assert await team.settled("acme/sound", number) == "Merged in"
    assert [stack.stores["Valkey"].pid, stack.stores["PostgreSQL"].pid] != killed
    assert [request.turn for request in model.steps("generate")].count(0) == 1
    assert len(await team.comments("acme/sound", number)) == 1
