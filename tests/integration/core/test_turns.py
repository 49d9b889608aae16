"""Several projects that are to be merged into one base: one after the other, each checked on top of the last."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.domain.ports import Clone, Issue, Merge, MergeOutcome, Step
from app.domain.project import Project, ProjectStatus
from app.storage import projects, rows
from app.storage.pool import Pool, sql
from tests.fakes import MAIN, START
from tests.integration.core.world import REPOSITORY, World, plan, planned
from workers.maestro import deliver, foreign
from workers.maestro.context import Context

PENDING = foreign.Foreign(pending=("build",))


class Line(World):
    """Projects that are to be merged into one base, and are held up by another app's check until `go`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.numbers: dict[UUID, int] = {}
        self.checked = foreign.Foreign()
        self.configure("merge: auto\n")
        self.thinker.answers[Step.plan] = lambda call, _: plan(
            planned(f"p{self.numbers[call.project_id]}", f"p{self.numbers[call.project_id]}.py")
        )

    async def ready(self, count: int) -> None:
        """Label as many issues and let everything happen up to the merge."""
        self.checked = PENDING
        for number in range(1, count + 1):
            self.forge.issues[number] = Issue(number, f"Wish {number}", "Please.", "ann", "open", ("aurora",))
            self.project_id = uuid4()
            self.numbers[self.project_id] = number
            async with self.pool.acquire() as connection:
                assert await projects.start(
                    connection, self.project_id, REPOSITORY, number,
                    title=f"Wish {number}", requested_by="ann", budget_usd=10.0, at=START,
                )  # fmt: skip
            await self.tell("labelled")
        await self.run()
        assert {project.status for project in await self.all()} == {ProjectStatus.open}
        self.checked = foreign.Foreign()

    async def look(self, number: int) -> Project:
        """Have a project look at its pull request."""
        self.project_id = next(identity for identity, one in self.numbers.items() if one == number)
        await self.tell("looked_at")
        await self.run()
        return await self.project()

    async def all(self) -> list[Project]:
        found = [await self.pool.fetchrow(sql("projects.get"), identity) for identity in self.numbers]
        return [rows.project(row) for row in found]

    async def statuses(self) -> list[ProjectStatus]:
        return [project.status for project in await self.all()]


@pytest.fixture
async def line(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """A line in which nobody is yet."""
    made = Line(pool)

    async def look(_: object, project: Project) -> tuple[Project, foreign.Foreign]:
        return project, made.checked

    async def awaited(*_: object) -> foreign.Awaited:
        return foreign.Awaited(made.checked.pending, START)

    monkeypatch.setattr(foreign, "look", look)
    monkeypatch.setattr(foreign, "awaited", awaited)
    yield made
    assert not await made.pool.fetchval("SELECT count(*) FROM projects WHERE queued_at IS NULL AND turn_at IS NOT NULL")


async def test_of_eight_that_want_to_be_merged_at_once_all_are_each_on_top_of_the_last(line: Line):
    """One at a time has its turn; nobody is checked more than once again, and no person is asked."""
    line.times = 1  # that a job may run twice is tested with fewer
    await line.ready(8)
    merge, having = line.forge.merge, list[int]()

    async def watched(*arguments: object) -> Merge:
        having.append(await line.pool.fetchval("SELECT count(*) FROM projects WHERE turn_at IS NOT NULL"))
        return await merge(*arguments)  # type: ignore[arg-type]

    line.forge.merge = watched  # type: ignore[method-assign]
    for identity in line.numbers:
        line.project_id = identity
        await line.tell("checks_completed")
    line.rings.clear()
    await asyncio.gather(*(line.jobs.advance(identity) for identity in line.numbers))
    await line.run()

    assert await line.statuses() == [ProjectStatus.merged] * 8
    assert having == [1] * 8
    assert {f"p{number}.py" for number in range(1, 9)} <= set(line.main)
    assert max(project.base_moves for project in await line.all()) <= 1
    assert not await line.pending()


async def test_what_was_merged_while_a_project_was_looked_at_is_verified_with_it(line: Line, monkeypatch):
    """Its turn may come after it has asked for the base, and before it merges."""
    await line.ready(2)
    land, moves = deliver.land, iter([True])

    async def later(ctx: Context, project: Project, clone: Clone, others: foreign.Foreign) -> Any:
        if next(moves, False):
            line.git.onto(MAIN, meanwhile_py="M = 1\n")
        return await land(ctx, project, clone, others)

    monkeypatch.setattr(deliver, "land", later)
    project = await line.look(2)
    assert (project.status, project.base_moves) == (ProjectStatus.merged, 1)


async def test_who_waits_says_after_whom_and_goes_on_though_nobody_rang(line: Line):
    """The message is in the tables with the merge, whatever dies right after it."""
    await line.ready(2)
    await line.pool.execute("UPDATE projects SET queued_at = created_at, turn_at = now() WHERE issue_number = 1")
    waiting = await line.look(2)
    assert (waiting.status, waiting.turn_at) == (ProjectStatus.open, None)
    assert "merged after #" in line.comments("progress")[1]

    line.project_id = next(iter(line.numbers))
    await line.tell("looked_at")
    line.rings.clear()
    await line.jobs.advance(line.project_id)
    line.rings.clear()  # what it rang for is lost
    assert await line.statuses() == [ProjectStatus.merged, ProjectStatus.open]
    await line.later()
    assert await line.statuses() == [ProjectStatus.merged, ProjectStatus.merged]


async def queue_behind_a_slow_check(line: Line, count: int = 2) -> None:
    """Let the first have its turn and be checked by another app, and the others wait behind it."""
    await line.ready(count)
    await line.pool.execute("UPDATE projects SET queued_at = $1 WHERE issue_number = 1", line.clock.now)
    line.checked = PENDING
    first = await line.look(1)
    assert first.turn_at is not None
    line.checked = foreign.Foreign()
    for number in range(2, count + 1):
        assert "merged after #" in ((await line.look(number)).reason or "")


async def test_a_turn_is_kept_while_other_apps_check_and_nobody_passes(line: Line):
    await queue_behind_a_slow_check(line)
    assert await line.statuses() == [ProjectStatus.open] * 2
    await line.look(1)
    assert await line.statuses() == [ProjectStatus.merged] * 2
    assert not await line.pending()


async def test_a_check_that_doesn_t_end_keeps_others_waiting_for_an_hour(line: Line):
    await queue_behind_a_slow_check(line)
    line.clock.now += timedelta(hours=1)
    line.checked = PENDING
    line.project_id = next(iter(line.numbers))
    await line.pool.execute("UPDATE agent_messages SET due_at = now() WHERE handled_at IS NULL")
    await line.jobs.advance(line.project_id)
    line.checked = foreign.Foreign()  # the second's
    await line.run()
    first, second = await line.all()
    assert (first.status, first.queued_at, second.status) == (ProjectStatus.open, None, ProjectStatus.merged)
    waiting = "SELECT DISTINCT payload ->> 'event' FROM agent_messages WHERE handled_at IS NULL"
    assert await line.pool.fetchval(waiting) == "checks_completed"


@pytest.mark.parametrize("event", ["cancelled", "paused"])
async def test_who_has_its_turn_and_is_stopped_makes_room(line: Line, event: str):
    await queue_behind_a_slow_check(line)
    line.project_id = next(iter(line.numbers))
    if event == "cancelled":
        await line.tell("cancelled", why="The issue was closed.")
    else:
        by = {"commands": [{"name": "pause", "argument": ""}], "comment": 1, "number": 1, "by": "ann"}
        await line.tell("said", **by)
    await line.run()
    first, second = await line.all()
    assert first.status.value == event
    assert second.status is ProjectStatus.merged


async def test_what_github_refuses_to_merge_makes_room(line: Line):
    await line.ready(2)
    line.forge.outcomes = [Merge(MergeOutcome.refused, reason="A review is missing")]
    await line.look(1)
    await line.look(2)
    assert await line.statuses() == [ProjectStatus.open, ProjectStatus.merged]


async def test_who_was_behind_somebody_that_left_says_after_whom_it_is_now(line: Line):
    await queue_behind_a_slow_check(line, 3)
    first, second, third = await line.all()
    assert second.pull_request is not None
    assert first.pull_request is not None
    assert f"after #{second.pull_request.number}:" in (third.reason or "")
    line.project_id = second.id
    await line.tell("cancelled", why="The issue was closed.")
    await line.run()
    third = (await line.all())[2]
    assert f"after #{first.pull_request.number}:" in (third.reason or "")
    await line.look(1)
    assert await line.statuses() == [ProjectStatus.merged, ProjectStatus.cancelled, ProjectStatus.merged]
