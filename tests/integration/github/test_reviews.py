"""A review on a GitHub with real git: applied, worked on, answered in its threads, and asked for again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from app.domain.ports import WorkEnd, WorkResult, Worktree
from app.domain.project import ProjectStatus, Repository
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges
from app.storage import projects
from app.storage.pool import Pool, connect
from tests.fakes import START, Deed, FakeBench, FakeCheckers
from tests.integration.core.world import ISSUE, World
from workers.workspace import Clones


class RealTrees(FakeCheckers):
    """Checkpoints that pass, for worktrees that are directories."""

    def bench(self, *_: object) -> FakeBench:
        return FakeBench(SimpleNamespace(files={}), self)  # type: ignore[arg-type]


def writing(summary: str, **files: str) -> Deed:
    """Return the deed of writing files; `a_py="x"` writes `a.py`."""

    def deed(_: object, __: object, tree: Worktree) -> WorkResult:
        for name, text in files.items():
            (tree.path / name.replace("_", ".")).write_text(text)
        return WorkResult(WorkEnd.done, summary, 1)

    return deed  # type: ignore[return-value]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database."""
    opened = await connect(database_url, size=8)
    yield opened
    await asyncio.wait_for(opened.close(), 10)


@pytest.fixture
async def world(pool: Pool, forges: GitHubForges, forge: GitHubForge, repository: Repository, tmp_path: Path) -> World:
    """The core on the hub: only models, agents and checkpoints are stand-ins."""
    made = World(pool, checkers=RealTrees(), times=1)
    made.forge = forge  # type: ignore[assignment]
    made.clone = await Clones(tmp_path / "data", forges).of(repository)  # type: ignore[assignment]
    return made


async def begin(world: World, repository: Repository) -> None:
    """Start the run of the issue, and let everything happen."""
    async with world.pool.acquire() as connection:
        started = await projects.start(
            connection, uuid4(), repository, ISSUE, title="Count", requested_by="you", budget_usd=9.0, at=START
        )
    assert started
    world.project_id = started
    await world.tell("labelled")
    await world.run()


async def test_a_review_is_worked_on_and_answered(
    world: World, forge: GitHubForge, repository: Repository, hub: Any, session: aiohttp.ClientSession
):
    """The suggestion to the letter, the rest by the agent, each thread once; the reviewer is asked again."""

    async def you(method: str, path: str, data: Any = None) -> Any:
        url = f"{hub.url}/repos/octo/sample{path}"
        async with session.request(method, url, json=data, headers=hub.person()) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    await you("POST", "/issues", {"title": "Count", "body": "Please.", "labels": ["aurora"]})
    world.deeds["Do one"] = writing("Done.", a_py="x = 2\ny = 2", b_py="z = 1\n")
    await begin(world, repository)
    number = ((await world.project()).pull_request).number  # type: ignore[union-attr]
    lines = [
        {"path": "a.py", "line": 2, "body": "So:\r\n```suggestion\r\ny = 3\r\nyy = 3\r\n```\r\n"},
        {"path": "b.py", "line": 1, "body": "Use 2."},
    ]
    review = {"event": "REQUEST_CHANGES", "body": "Two things.", "comments": lines}
    await you("POST", f"/pulls/{number}/reviews", review)
    world.deeds["Address 2 remarks"] = writing("C1 done: it is 2\nC2 no: there are only those", b_py="z = 2\n")
    for _ in range(2):
        await world.tell("looked_at")
        await world.run()
    project = await world.project()
    assert (project.status, project.reason) == (ProjectStatus.open, None)
    head = project.head_sha or ""
    suggested = (await world.tasks())["Apply 1 suggestion"].result
    assert suggested
    assert await world.clone.read(head, "a.py") == b"x = 2\ny = 3\nyy = 3"
    assert await world.clone.read(head, "b.py") == b"z = 2\n"
    assert (await forge.pull_request(number)).head_sha == head
    said = await forge.review_comments(number)
    ours = [one for one in said if one.by_this_app]
    assert [(one.thread, one.body.partition("\n")[2]) for one in ours] == [
        (said[0].id, f"Done in {(suggested.commit or '')[:7]}."),
        (said[1].id, f"Done in {head[:7]}: it is 2."),
    ]
    assert await forge.find_reply(number, ours[1].body.partition("\n")[0]) == ours[1].id
    comments = [one.body for one in await forge.comments(number) if one.by_this_app]
    assert len(comments) == 1
    assert comments[0].endswith("> `you`: Two things.\n\nI left this as it is: there are only those.")
    asked = (await you("GET", f"/pulls/{number}"))["requested_reviewers"]
    assert [one["login"] for one in asked] == ["you"]
    await forge.request_reviews(number, ["nobody-at-all", "you"])
    await you("POST", f"/pulls/{number}/reviews", {"event": "APPROVE"})
    await world.tell("looked_at")
    await world.run()
    assert (await world.project()).status is ProjectStatus.merged
