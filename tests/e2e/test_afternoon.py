"""An afternoon of a team: sixty events on twelve issues in two repositories, some told twice and out of order."""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from tests.e2e.afternoon import BOT, PEOPLE, PLANT, REPOSITORIES, SECONDS, SHOP, Cast, Issue
from tests.e2e.stories import STORIES
from tests.e2e.team import MODEL, ModelDouble, make_repository
from tests.other_app import register
from workers.local.stack import Import, Options, Stack

pytestmark = [pytest.mark.afternoon, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

HURRIED = (sys.executable, "-P", "-m", "tests.e2e.hurried")
# What is held back holds up what comes after it for a while, so that is done to what people do alone.
FAULTS = {
    "webhook-duplicate": {"rate": 0.3, "seed": 1},
    "webhook-new-guid": {"rate": 0.3, "seed": 2},
    "webhook-reorder": {"rate": 0.3, "seed": 3, "seconds": 1, "match": "issue_comment.created"},
    "webhook-delay": {"rate": 0.5, "seed": 4, "seconds": 0.5, "match": "pull_request*"},
}
MARKER = re.compile(r"<!-- aurora:[^>]+ -->")
PENDING = """
    SELECT 1 FROM deliveries WHERE handled_at IS NULL
    UNION ALL SELECT 1 FROM agent_messages WHERE handled_at IS NULL AND due_at < now() + interval '30 s'
    UNION ALL SELECT 1 FROM leases WHERE expires_at > now()
"""


@dataclass
class Afternoon:
    """It, over."""

    stack: Stack
    stories: list[tuple[Any, Issue]]
    faults: dict[str, int]

    async def see(self, path: str, **query: str) -> Any:
        """Return what the REST API shows."""
        return await self.stack.person.get(path, per_page="100", **query)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def afternoon(double: ModelDouble, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Afternoon]:
    """Play everything at once, with webhooks that GitHub would be ashamed of, and wait until all is quiet."""
    home = tmp_path_factory.mktemp("afternoon")
    imports = tuple(Import(make_repository(home / name, files), f"acme/{name}") for name, files in REPOSITORIES.items())
    environment = {
        **os.environ,
        "AURORA_MODEL": MODEL,
        "AURORA_MODEL_PRICES": json.dumps({MODEL: {"input": 1, "output": 1}}),
        "AURORA_SETUP_NETWORK": "never",
        "AURORA_EMBEDDER": "hashing",
        "OPENAI_BASE_URL": double.url,
        "OPENAI_API_KEY": "test",
    }
    options = Options(home / "data", imports=imports, people=PEOPLE, durable=False, aurora=HURRIED)
    before = double.answers
    async with AsyncExitStack() as closing:
        session = await closing.enter_async_context(aiohttp.ClientSession())
        stack = await closing.enter_async_context(Stack(options, environment))
        yield await _played(stack, session, double)
    double.answers = before


async def _played(stack: Stack, session: aiohttp.ClientSession, double: ModelDouble) -> Afternoon:
    for repository in (SHOP, PLANT):
        for login in ("alice", "carol"):
            await stack.person.put(f"/repos/{repository}/collaborators/{login}", {"permission": "push"})
    cast, stories = Cast(), []
    cast.join(double)
    for story in (one() for one in STORIES):
        cast.parts[story.part.word] = story.part
        stories.append((story, Issue(stack, story.part, story.repository)))
        if slug := getattr(story, "other_app", ""):
            story.other = await register(session, stack.hub_url, story.repository, slug)
    async with session.put(f"{stack.hub_url}/_faults", json=FAULTS) as answer:
        assert answer.status == 200, await answer.text()
    await asyncio.gather(*(story.play(issue) for story, issue in stories))
    async with session.get(f"{stack.hub_url}/_faults") as answer:
        counts = (await answer.json())["counts"]
    await _quiet(stack)
    return Afternoon(stack, stories, counts)


async def _quiet(stack: Stack) -> None:
    """Wait until the hub has told everything, and everything that was told is done."""
    connection = await asyncpg.connect(stack.environment["AURORA_DATABASE_URL"], timeout=10)
    try:
        async with asyncio.timeout(SECONDS):
            quiet = 0
            while quiet < 12:  # longer than the hub holds anything back
                quiet = 0 if await connection.fetchrow(PENDING) else quiet + 1
                await asyncio.sleep(0.15)
    finally:
        await connection.close()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.lower())
async def test_an_issue_comes_to_what_a_person_would_expect(afternoon: Afternoon, story: type[Any]):
    """State, labels, comments by kind, reactions, pull requests, replies and files."""
    (found,) = [(one, issue) for one, issue in afternoon.stories if isinstance(one, story)]
    await found[0].seen(found[1])


async def test_it_was_an_afternoon(afternoon: Afternoon):
    """Sixty events at least, and every fault of the webhooks struck."""
    assert sum(issue.events for _, issue in afternoon.stories) >= 60
    assert set(FAULTS) <= {name for name, count in afternoon.faults.items() if count}


async def test_nothing_is_said_twice_and_nothing_without_a_mark(afternoon: Afternoon):
    """Every comment and reply of the bot has a hidden mark of its own."""
    marks: Counter[str] = Counter()
    for repository in (SHOP, PLANT):
        for issue in await afternoon.see(f"/repos/{repository}/issues", state="all"):
            path = f"/repos/{repository}/issues/{issue['number']}/comments"
            said = [one["body"] for one in await afternoon.see(path) if one["user"]["login"] == BOT]
            if "pull_request" in issue:
                replies = await afternoon.see(f"/repos/{repository}/pulls/{issue['number']}/comments")
                said += [one["body"] for one in replies if one["user"]["login"] == BOT]
            marks += Counter(found[0] if (found := MARKER.match(body)) else body for body in said)
    assert all(mark.startswith("<!-- aurora:") for mark in marks)
    assert {mark: count for mark, count in marks.items() if count > 1} == {}


async def test_strangers_and_bots_are_spoken_to_by_nobody(afternoon: Afternoon):
    """Not named, not quoted, not called."""
    for _, issue in afternoon.stories:
        for body in await issue.ours():
            assert "eve" not in re.findall(r"\w+", body)
            assert "dependabot" not in body


async def test_branches_of_what_was_merged_are_gone_and_others_stay(afternoon: Afternoon):
    """In the repository that keeps its name, and in the renamed one."""
    numbers = {issue.part.word: issue.number for _, issue in afternoon.stories}
    branches = {repository: await afternoon.see(f"/repos/{repository}/branches") for repository in (SHOP, PLANT)}
    left = {repository: {branch["name"] for branch in found} for repository, found in branches.items()}
    assert left == {SHOP: {"main"}, PLANT: {"main", f"aurora/{numbers['juniper']}.1"}}
