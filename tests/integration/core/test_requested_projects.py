"""A project that was asked for by HTTP: one issue, adopted under the id that was told."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from app.domain.board import ProjectRequest
from app.domain.project import Repository
from app.errors import ForgeError, NotFound, Transient
from app.storage.leases import Leases
from app.storage.pool import Pool
from app.storage.requests import Requests
from tests.fakes import FakeForges
from tests.integration.core.test_intake import ANN, Door, labelled
from tests.integration.core.world import World
from workers.requests import AT_ONCE, Opener, requested

WANTED = ProjectRequest(repository="acme/sample", text="# Totals\n\nRound them.", requested_by="cleo")
BOT = {"login": "aurora-dev[bot]", "type": "Bot"}


@pytest.fixture
def around(pool: Pool) -> World:
    """A world in which nothing has begun, and nobody has opened an issue."""
    world = World(pool)
    world.forge.issues.clear()
    return world


def opener(world: World) -> Opener:
    """Return a worker's opener."""
    return Opener(Requests(world.pool), Leases(world.pool, "one"), FakeForges(world.forge), "aurora", lambda: 0.0)


async def asked(pool: Pool) -> UUID:
    return await Requests(pool).store(uuid4(), None, WANTED)


async def hurry(pool: Pool, *, settled: bool = True) -> None:
    """Let time pass."""
    await pool.execute("UPDATE requests SET due_at = now()")
    if settled:
        await pool.execute("UPDATE requests SET intended_at = intended_at - interval '1 minute'")


async def arrives(world: World, number: int, *guids: str, sender: dict[str, str] = BOT) -> None:
    """Let GitHub tell of an issue."""
    for guid, action in zip(guids, ("opened", "labeled"), strict=False):
        payload = labelled(action, sender=sender)
        payload["issue"]["number"] = number
        await Door(world).receive(guid, payload)


async def test_the_issue_is_opened_once_and_its_webhook_adopts_the_project(around: World, pool: Pool):
    identity = await asked(pool)
    for _ in range(3):
        await opener(around).look()
    (issue,) = around.forge.issues.values()
    assert (issue.title, issue.labels) == ("Totals", ("aurora",))
    assert issue.body.endswith(WANTED.text)
    await arrives(around, issue.number, "one", "two")
    rows = await pool.fetch("SELECT id, requested_by, issue_number FROM projects")
    assert [tuple(row) for row in rows] == [(identity, "cleo", issue.number)]


async def test_a_webhook_that_is_faster_than_the_answer_finds_the_request(around: World, pool: Pool):
    """The worker died after GitHub had opened the issue and before that was written down."""
    identity = await asked(pool)
    around.forge.lose["open_issue"] = 1
    await opener(around).look()
    assert await pool.fetchval("SELECT issue_number FROM requests") is None
    await arrives(around, 1, "one", "two")
    assert await pool.fetchval("SELECT id FROM projects") == identity
    await hurry(pool)
    await opener(around).look()
    assert len(around.forge.issues) == 1


async def test_a_lost_answer_opens_no_second_issue(around: World, pool: Pool):
    await asked(pool)
    around.forge.lose["open_issue"] = 1
    await opener(around).look()
    await hurry(pool, settled=False)
    await opener(around).look()
    assert await pool.fetchval("SELECT issue_number FROM requests") == 1
    assert len(around.forge.issues) == 1


async def test_nothing_is_opened_again_before_the_first_try_had_time_to_be_seen(around: World, pool: Pool):
    """GitHub's lists are stale for seconds."""
    await asked(pool)
    around.forge.fail["open_issue"] = Transient("the answer was lost")
    await opener(around).look()
    around.forge.fail.clear()
    await hurry(pool, settled=False)
    await opener(around).look()
    assert not around.forge.issues
    await hurry(pool)
    await opener(around).look()
    assert len(around.forge.issues) == 1


async def test_a_second_issue_of_one_request_starts_nothing(around: World, pool: Pool):
    await asked(pool)
    await opener(around).look()
    around.forge.issues[2] = replace(around.forge.issues[1], number=2)
    await arrives(around, 2, "one")
    assert await pool.fetchval("SELECT count(*) FROM projects") == 0
    await arrives(around, 1, "two")
    assert await pool.fetchval("SELECT count(*) FROM projects") == 1


async def test_a_copied_marker_takes_over_nothing(around: World, pool: Pool):
    identity = await asked(pool)
    await opener(around).look()
    copied = replace(around.forge.issues[1], number=2, by_this_app=False)
    assert requested(around.forge.issues[1]) == identity
    assert requested(copied) is None
    around.forge.issues[2] = copied
    await arrives(around, 2, "one", sender=ANN)
    assert await pool.fetchval("SELECT id FROM projects WHERE issue_number = 2") != identity


async def test_labelling_the_issue_again_starts_a_run_of_its_own(around: World, pool: Pool):
    identity = await asked(pool)
    await opener(around).look()
    await arrives(around, 1, "one")
    await pool.execute("UPDATE projects SET status = 'cancelled'")
    await arrives(around, 1, "two", sender=ANN)
    rows = await pool.fetch("SELECT id, run, requested_by FROM projects ORDER BY run")
    assert [(row["run"], row["requested_by"]) for row in rows] == [(1, "cleo"), (2, "ann")]
    assert rows[0]["id"] == identity != rows[1]["id"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotFound("GitHub refused the request (HTTP 404): Not Found", 404), "install it there"),
        (ForgeError("GitHub refused the request (HTTP 410): Issues are disabled", 410), "Issues are disabled"),
    ],
)
async def test_what_cant_be_opened_says_why(around: World, pool: Pool, error: Exception, words: str):
    await asked(pool)
    around.forge.fail["open_issue"] = error
    for _ in range(2):
        await hurry(pool)
        await opener(around).look()
    assert words in await pool.fetchval("SELECT refused FROM requests")
    assert around.forge.calls["open_issue"] == 1


class OnePlaceBroken(FakeForges):
    """Where one repository can't be looked up, by a defect of ours."""

    async def find(self, full_name: str) -> Repository:
        if full_name == "acme/broken":
            raise ZeroDivisionError
        return await super().find(full_name)


async def test_a_request_that_fails_by_a_defect_keeps_none_of_the_others_waiting(around: World, pool: Pool):
    await Requests(pool).store(uuid4(), None, WANTED.model_copy(update={"repository": "acme/broken"}))
    for _ in range(AT_ONCE + 1):
        await asked(pool)
    with pytest.raises(ZeroDivisionError):
        await replace(opener(around), places=OnePlaceBroken(around.forge)).look()
    assert len(around.forge.issues) == AT_ONCE + 1


async def test_two_workers_open_one_issue(around: World, pool: Pool):
    identity = await asked(pool)
    async with Leases(pool, "other").hold(identity):
        await opener(around).look()
    assert not around.forge.issues
    await opener(around).look()
    assert len(around.forge.issues) == 1
