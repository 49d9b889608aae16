"""What the hub sends is taken in, and what it could not bring is requested again."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from app.domain.project import Project, Repository
from app.domain.task import Task
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges
from app.github.recovery import request_missed
from app.web.events import Reading, Said, Start, intent
from app.web.server import create_app, serve


class Stores:
    def __init__(self) -> None:
        self.deliveries: dict[str, tuple[str, bytes]] = {}
        self.arrived = asyncio.Event()

    async def store(self, guid: str, event: str, action: str | None, payload: bytes) -> bool:
        is_new = guid not in self.deliveries
        self.deliveries.setdefault(guid, (event, payload))
        return is_new

    async def known(self, guids: Iterable[str]) -> set[str]:
        return set(guids) & set(self.deliveries)

    async def new_deliveries(self, guids: Sequence[str]) -> None:
        self.arrived.set()

    async def page(self, limit: int, offset: int) -> list[Project]:
        return []

    async def get(self, identity: UUID) -> Project | None:
        return None

    async def tasks(self, identity: UUID) -> list[Task]:
        return []


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def webhook_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/webhooks/github"


async def intents(stores: Stores, forges: GitHubForges, wanted: type) -> list[Any]:
    """Wait until something of the wanted kind has arrived and return what was read."""
    import json

    app = await forges.identity()
    while True:
        read = [intent(event, json.loads(body), app, Reading()) for event, body in stores.deliveries.values()]
        if found := [one for one in read if isinstance(one, wanted)]:
            return found
        stores.arrived.clear()
        await asyncio.wait_for(stores.arrived.wait(), 20)


async def test_the_hubs_events_are_taken_in_read_and_recovered(
    hub: Any,
    port: int,
    session: aiohttp.ClientSession,
    forges: GitHubForges,
    forge: GitHubForge,
    repository: Repository,
):
    issues = f"{hub.url}/repos/octo/sample/issues"
    begun = datetime.now(UTC) - timedelta(minutes=1)

    async def post(url: str, data: dict[str, Any]) -> dict[str, Any]:
        async with session.post(url, json=data, headers=hub.person()) as answer:
            assert answer.status in {200, 201}, await answer.text()
            return await answer.json()

    issue = await post(issues, {"title": "Fix", "body": "it", "labels": ["aurora"]})  # nobody listens yet
    await until_attempted(forges)

    stores = Stores()
    app = create_app(
        inbox=stores,
        doorbell=stores,
        projects=stores,
        checks={},
        webhook_secret=hub.app["webhook_secret"],
    )
    stop, started = asyncio.Event(), asyncio.Event()
    server = asyncio.create_task(serve(app, "127.0.0.1", port, stop, lambda _: started.set()))
    await started.wait()
    try:
        asked = await request_missed(forges.app, stores, begun)
        assert {one.event for one in asked} >= {"issues"}
        starts = await intents(stores, forges, Start)
        assert set(starts) == {Start(repository, issue["number"], "you", False)}

        await forge.comment(issue["number"], "Working on it")
        await post(f"{issues}/{issue['number']}/comments", {"body": "Thanks"})
        said = await intents(stores, forges, Said)
        assert [(one.author, one.body) for one in said] == [("you", "Thanks")]
        await until_nothing_is_missing(forges, stores, begun)
    finally:
        stop.set()
        await server


async def until_attempted(forges: GitHubForges) -> None:
    """Wait until the hub has tried and failed to bring what happened."""
    for _ in range(400):
        attempts = await forges.app.getitem("/app/hook/deliveries?per_page=100")
        if any(one["event"] == "issues" for one in attempts):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the hub didn't try to bring the issue's events")


async def until_nothing_is_missing(forges: GitHubForges, stores: Stores, since: datetime) -> None:
    """Request again what is missing until everything is here."""
    for _ in range(400):
        if not await request_missed(forges.app, stores, since):
            return
        await asyncio.sleep(0.05)
    pytest.fail("something stays missing")
