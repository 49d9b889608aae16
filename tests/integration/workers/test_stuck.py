"""What beats and does nothing is ended by its own limit, and tried again."""

import asyncio

import pytest

from tests.e2e.team import writes

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_task_that_stands_still_is_ended_and_tried_again(yard):
    never = asyncio.Event()

    async def generate(asked):
        if len(yard.model.steps("generate")) == 1:
            await never.wait()
        return writes({"stuck": "no more\n"})

    yard.model.answers["generate"] = generate
    worker = await yard.work(stuck=4.0)
    number = await yard.ask("stuck")
    await yard.merged(number)

    assert worker.events("stuck: ended")
    assert {row["error_type"] for row in await yard.rows("SELECT error_type FROM agent_errors")} == {"timeout"}
    never.set()
