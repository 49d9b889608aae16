"""The real server and worker, killed, deafened and stalled at some points; `make crash-test` tries them all."""

import asyncio

import pytest
import pytest_asyncio

from app.edges import Edge
from tests.crash.campaign import a_world, calm_run, changes, miss, try_all
from tests.crash.guard import LOST, Fault, How
from tests.crash.plants import PLANTS
from tests.crash.scenarios import SCENARIOS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

# A point of each kind, and each fault where it finds most; `make crash-test` has all of them at all.
QUICK = (
    Fault("web", Edge.stored, "issues", 1, How.after),
    Fault("web", Edge.rung, "handle_delivery", 1, How.before),
    Fault("worker", Edge.job, "handle_delivery", 1, How.after),
    Fault("worker", Edge.leased, "acquire task", 1, How.after),
    Fault("worker", Edge.model, "generate", 1, How.after),
    Fault("worker", Edge.tool, "edit_file", 1, How.after),
    Fault("worker", Edge.checked, "tests", 1, How.after),
    Fault("worker", Edge.github, "POST pulls", 1, How.after),
    Fault("worker", Edge.committed, "commit", 1, How.after),
    Fault("worker", Edge.pushed, "create", 1, How.after),
    Fault("worker", Edge.checked_out, "make", 2, How.after),
    Fault("worker", Edge.github, "PUT pulls/*/merge", 1, How.lost),
    Fault("worker", Edge.written, "journal settle", 3, How.stall),
    Fault("worker", Edge.saved, "state", 4, How.stall),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world():
    """Stores and hub, for two runs at a time."""
    async with a_world(2) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calm(world):
    """An undisturbed run of the scenario that all others are compared with."""
    return await calm_run(world, "merged")


async def test_the_quick_selection_has_every_kind_of_point_and_every_fault():
    assert {fault.kind for fault in QUICK} == set(Edge)
    assert {fault.how for fault in QUICK} == set(How)
    assert set(LOST) == set(Edge)


async def test_an_undisturbed_run_crosses_the_points_that_are_kept_and_does_nothing_elsewhere(calm):
    assert [*calm.problems, *changes("merged", calm)] == []


async def test_other_scenarios_cross_the_points_that_are_kept(world):
    others = [name for name in SCENARIOS if name != "merged"]
    outcomes = await asyncio.gather(*(calm_run(world, name) for name in others))
    found = [[*one.problems, *changes(name, one)] for name, one in zip(others, outcomes, strict=True)]
    assert found == [[]] * len(others)


async def test_whatever_happens_at_a_point_is_not_seen_in_the_end(world, calm):
    outcomes = await try_all(world, "merged", QUICK, calm, lambda _: None)
    assert {str(one.fault): one.problems for one in outcomes if one.problems} == {}


async def test_planted_bugs_are_found(world, calm):
    """Those that show soon; `make crash-test` plants them all."""
    found = await asyncio.gather(*(miss(world, calm, name) for name, plant in PLANTS.items() if plant.soon))
    assert [one for one in found if one] == []
