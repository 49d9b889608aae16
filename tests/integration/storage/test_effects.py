"""What others can see is done once, whatever dies in between."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from app.domain.ports import Outcome
from app.errors import LeaseLost
from app.storage.effects import LeasedEffects
from app.storage.leases import Leases
from app.storage.pool import Pool


class Outside:
    """A place that keeps what is done there, and can break before or after it is done."""

    def __init__(self) -> None:
        self.done, self.searches = list[dict[str, Any]](), 0

    async def act(self) -> Outcome:
        self.done.append({"id": len(self.done) + 1})
        return self.done[-1]

    async def find(self) -> Outcome | None:
        self.searches += 1
        return self.done[-1] if self.done else None

    async def die_before(self) -> Outcome:
        raise ConnectionError

    async def die_after(self) -> Outcome:
        await self.act()
        raise ConnectionError


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
async def effects(pool: Pool, leases: Leases, project_id: UUID):
    async with leases.hold(project_id) as lease:
        assert lease is not None
        yield LeasedEffects(pool, lease, project_id)


async def test_an_effect_is_done_once_and_its_outcome_known_ever_after(effects: LeasedEffects, outside: Outside):
    outcomes = [await effects.once("comment", outside.act, outside.find) for _ in range(3)]
    assert outcomes == [{"id": 1}] * 3
    assert (len(outside.done), outside.searches) == (1, 0)


async def test_effects_with_other_keys_are_other_effects(effects: LeasedEffects, outside: Outside):
    assert await effects.once("a", outside.act, outside.find) != await effects.once("b", outside.act, outside.find)


async def fails(effects: LeasedEffects, outside: Outside, act: Callable[[], Awaitable[Outcome]]) -> None:
    with pytest.raises(ConnectionError):
        await effects.once("comment", act, outside.find)


async def test_what_an_earlier_try_left_is_adopted(effects: LeasedEffects, outside: Outside):
    await fails(effects, outside, outside.die_after)
    assert await effects.once("comment", outside.act, outside.find) == {"id": 1}
    assert await effects.once("comment", outside.act, outside.find) == {"id": 1}
    assert (len(outside.done), outside.searches) == (1, 1)


async def test_what_an_earlier_try_did_not_get_to_is_done(effects: LeasedEffects, outside: Outside):
    await fails(effects, outside, outside.die_before)
    assert await effects.once("comment", outside.act, outside.find) == {"id": 1}
    assert (len(outside.done), outside.searches) == (1, 1)


async def test_a_successor_adopts_what_a_dead_worker_did(pool: Pool, project_id: UUID, outside: Outside):
    for worker in ("one", "two"):
        async with Leases(pool, worker).hold(project_id) as lease:
            assert lease is not None
            effects = LeasedEffects(pool, lease, project_id)
            if worker == "one":
                await fails(effects, outside, outside.die_after)
            else:
                assert await effects.once("comment", outside.act, outside.find) == {"id": 1}
    assert len(outside.done) == 1


async def test_nothing_is_done_after_the_lease_is_lost(pool: Pool, effects: LeasedEffects, outside: Outside):
    await pool.execute("UPDATE leases SET epoch = epoch + 1")
    with pytest.raises(LeaseLost):
        await effects.once("comment", outside.act, outside.find)
    assert outside.done == []
