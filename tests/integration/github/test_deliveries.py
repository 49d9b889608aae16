"""What happened on the hub becomes one run for each intent, whatever of it was told, and however often."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from app.domain.messages import AgentMessage
from app.domain.project import Repository
from app.errors import Transient
from app.github.forges import GitHubForges
from app.storage.deliveries import Inbox
from app.storage.leases import Leases
from app.storage.pool import Pool, connect
from app.storage.projects import ProjectReader
from app.storage.repositories import Repositories
from app.web.events import Reading
from app.web.server import create_app, serve
from workers.intake.desk import Desk, Rules
from workers.intake.intake import Intake
from workers.intake.replies import Replies
from workers.recovery import Recovery
from workers.renames import Renames
from workers.wiring import Worker, utc_now

# Faults of webhooks, each with its options and how many deliveries are stored of the two that are due.
WEBHOOKS: dict[str, tuple[dict[str, Any], int]] = {
    "webhook-duplicate": ({"seconds": 0.1}, 2),
    "webhook-new-guid": ({}, 4),
    "webhook-reorder": ({}, 2),
    "webhook-drop": ({"times": 2}, 0),
    "webhook-delay": ({"times": 1, "seconds": 0.3}, 2),
    "webhook-timeout": ({"times": 2}, 2),
}


class Silent:
    """A doorbell that nobody hears."""

    async def new_deliveries(self, guids: Any) -> None:
        return None


@dataclass
class Scene:
    """The hub, a person on it, and intake and recovery with a database of their own."""

    hub: Any
    session: aiohttp.ClientSession
    forges: GitHubForges
    repository: Repository
    pool: Pool
    inbox: Inbox
    port: int
    paused: bool = False

    async def ask(self, method: str, path: str, data: Any = None) -> Any:
        """Do something on the hub as a person."""
        url = f"{self.hub.url}/repos/octo/sample{path}"
        async with self.session.request(method, url, json=data, headers=self.hub.person()) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def misbehave(self, faults: dict[str, Any]) -> None:
        """Have the hub do what GitHub does on bad days."""
        async with self.session.put(f"{self.hub.url}/_faults", json=faults) as answer:
            assert answer.status == 200, await answer.text()

    async def fired(self) -> set[str]:
        """Return which faults have happened."""
        async with self.session.get(f"{self.hub.url}/_faults") as answer:
            return set((await answer.json())["counts"])

    async def open_issue(self, *labels: str) -> int:
        return int((await self.ask("POST", "/issues", {"title": "Fix", "body": "it", "labels": labels}))["number"])

    async def recover(self, *, restarted: bool = False) -> None:
        """Look at GitHub; `restarted`: by a worker that has just started, an hour later."""
        if restarted:
            await self.pool.execute("UPDATE marks SET at = at - interval '2 hours' WHERE name <> 'deliveries'")
        settings = SimpleNamespace(paused=self.paused, repositories=(), trigger_label="aurora")
        worker = SimpleNamespace(
            pool=self.pool, app=self.forges.app, forges=self.forges, inbox=self.inbox, settings=settings
        )
        await Recovery(cast("Worker", worker), timedelta(0), utc_now()).look()

    async def handle(self) -> None:
        """Handle what is stored, twice and at once."""

        async def ring(_: AgentMessage) -> None:
            return None

        rules = Rules(Reading(), frozenset(), budget_usd=5.0, paused=self.paused)
        runs = ProjectReader(self.pool)
        renames = Renames(Repositories(self.pool), self.forges)
        desk = Desk(runs, self.forges, self.forges.identity, utc_now, rules)
        replies = Replies(runs, Leases(self.pool, "worker"), utc_now, "aurora", "https://example.org")
        intake = Intake(desk, self.inbox, renames, replies, ring)
        guids = [row["guid"] for row in await self.pool.fetch("SELECT guid FROM deliveries ORDER BY random()")]
        await asyncio.gather(*(intake.handle(guid) for guid in guids * 2))

    async def runs(self) -> list[tuple[int, str]]:
        rows = await self.pool.fetch("SELECT run, requested_by FROM projects ORDER BY run")
        return [(row["run"], row["requested_by"]) for row in rows]

    async def told(self) -> list[str]:
        """Return what the runs were told, oldest first."""
        rows = await self.pool.fetch("SELECT payload FROM agent_messages ORDER BY timestamp")
        return [row["payload"].get("why", row["payload"]["event"]) for row in rows]

    async def end(self) -> None:
        """Let the last run come to its end."""
        await self.pool.execute("UPDATE projects SET status = 'escalated', phase = 'done', finished_at = now()")
        await self.pool.execute("UPDATE agent_messages SET handled_at = now()")

    async def replay(self) -> None:
        """Have everything arrive once more, under new GUIDs, as if it were new."""
        await self.pool.execute(
            "INSERT INTO deliveries (guid, event, action, payload)"
            " SELECT 'again-' || gen_random_uuid(), event, action, payload FROM deliveries"
        )

    @asynccontextmanager
    async def server(self) -> AsyncIterator[None]:
        """Take deliveries in."""
        secret = self.hub.app["webhook_secret"]
        app = create_app(inbox=self.inbox, doorbell=Silent(), checks={}, webhook_secret=secret)
        stop, started = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(serve(app, "127.0.0.1", self.port, stop, lambda _: started.set()))
        await started.wait()
        try:
            yield
        finally:
            stop.set()
            await serving

    async def attempted(self, number: int) -> None:
        """Wait until the hub has tried that many deliveries."""
        for _ in range(400):
            if len(await self.forges.app.getitem("/app/hook/deliveries?per_page=100")) >= number:
                return
            await asyncio.sleep(0.05)
        pytest.fail("the hub didn't try to bring what happened")

    async def arrived(self, event: str, action: str) -> None:
        """Wait until a delivery of this kind has arrived."""
        known = "SELECT count(*) FROM deliveries WHERE event = $1 AND action = $2"
        async with asyncio.timeout(20):
            while not await self.pool.fetchval(known, event, action):
                await asyncio.sleep(0.05)

    async def stored(self, number: int) -> None:
        """Wait until that many deliveries have arrived."""
        for _ in range(400):
            if await self.pool.fetchval("SELECT count(*) FROM deliveries") >= number:
                return
            await asyncio.sleep(0.05)
        pytest.fail("the deliveries didn't arrive")


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def webhook_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/webhooks/github"


@pytest.fixture
async def scene(
    hub: Any,
    session: aiohttp.ClientSession,
    forges: GitHubForges,
    repository: Repository,
    database_url: str,
    port: int,
) -> AsyncIterator[Scene]:
    pool = await connect(database_url, size=8)
    yield Scene(hub, session, forges, repository, pool, Inbox(pool), port)
    await asyncio.wait_for(pool.close(), 10)


async def test_what_was_missed_while_the_server_was_down_arrives_once_it_is_up(scene: Scene):
    await scene.open_issue("aurora")
    await scene.attempted(2)
    await scene.recover()  # nobody listens: a few are asked for, and fail again
    assert await scene.pool.fetchval("SELECT count(*) FROM missed_deliveries WHERE asked > 0") >= 1
    async with scene.server(), asyncio.timeout(20):
        await scene.pool.execute("INSERT INTO marks VALUES ('opened', now() + interval '1 minute')")
        while await scene.pool.fetchval("SELECT count(*) FROM missed_deliveries"):
            await scene.pool.execute("UPDATE missed_deliveries SET due_at = now()")
            await scene.recover()
        await scene.stored(3)  # two from the hub, and what the comparison found
    await scene.handle()
    assert await scene.runs() == [(1, "you")]
    assert await scene.told() == ["labelled"]


AWAY = {  # what is done, and which delivery tells of it
    "suspended": [("PUT", "installation", "suspend"), ("DELETE", "installation", "unsuspend")],
    "repositories": [("DELETE", "installation_repositories", "removed"), ("PUT", "installation_repositories", "added")],
}


@pytest.mark.parametrize(("what", "steps"), AWAY.items())
async def test_what_the_app_could_not_see_for_a_while_is_forgotten_however_late_it_is_told(
    scene: Scene, what: str, steps: list[tuple[str, str, str]]
):
    """Told while it is so it counts; told again when it is over, no more."""
    await scene.open_issue("aurora")
    async with scene.server():
        await scene.recover(restarted=True)
        await scene.handle()
        home, here = await scene.forges.app.getitem("/app/installations"), f"{scene.hub.url}/user/installations"
        url = f"{here}/{home[0]['id']}/{what}"
        if what == "repositories":
            url += f"/{(await scene.ask('GET', ''))['id']}"
        for method, event, action in steps:
            async with scene.session.request(method, url, headers=scene.hub.person()) as answer:
                assert answer.status == 204
            await scene.arrived(event, action)
            await scene.handle()
    told, held = await scene.told(), await scene.pool.fetchval("SELECT held FROM projects")
    assert told == ["labelled", *(["suspended", "restored"] if what == "suspended" else ["The app was uninstalled."])]
    assert not held
    await scene.pool.execute(
        "INSERT INTO deliveries (guid, event, action, payload, received_at)"
        " SELECT 'late', event, action, payload, now() - interval '1 hour' FROM deliveries"
        " WHERE action IN ('suspend', 'removed')"
    )
    await scene.handle()
    assert await scene.pool.fetchval("SELECT handled_at IS NOT NULL FROM deliveries WHERE guid = 'late'")
    assert await scene.told() == told
    assert not await scene.pool.fetchval("SELECT held FROM projects")


async def test_a_run_is_spoken_for_by_the_app_as_it_is_installed_now(scene: Scene):
    """The first installation's number is worth nothing after the app was taken off."""
    number = await scene.open_issue("aurora")
    here, app = f"{scene.hub.url}/user/installations", await scene.forges.app.getitem("/app")
    async with scene.server():
        await scene.recover()
        await scene.handle()
        await scene.end()
        for method, url, data in (
            ("DELETE", f"{here}/{scene.repository.installation_id}", None),
            ("POST", here, {"app": app["slug"], "account": "octo"}),
        ):
            async with scene.session.request(method, url, json=data, headers=scene.hub.person()) as answer:
                assert answer.status < 300, await answer.text()
        await scene.ask("POST", f"/issues/{number}/comments", {"body": "/aurora retry"})
        await scene.arrived("issue_comment", "created")
        await scene.handle()
    installation = await scene.pool.fetchval("SELECT installation_id FROM projects")
    assert installation != scene.repository.installation_id
    run = Repository(full_name="octo/sample", installation_id=installation)
    assert (await scene.forges.of(run).issue(number)).number == number


@pytest.mark.parametrize("fault", WEBHOOKS)
async def test_however_deliveries_come_a_label_is_one_run(scene: Scene, fault: str):
    """Twice, late, in another order, not at all, or here although GitHub says that they aren't."""
    options, arriving = WEBHOOKS[fault]
    await scene.misbehave({fault: options})
    async with scene.server(), asyncio.timeout(20):
        await scene.open_issue("aurora")
        await scene.attempted(2)
        await scene.stored(arriving)
        await asyncio.sleep(0.2)  # so that one too many would be seen
        assert await scene.pool.fetchval("SELECT count(*) FROM deliveries") == arriving
        assert await scene.fired() == {fault}
        await scene.handle()
        assert await scene.runs() == ([(1, "you")] if arriving else [])
        for _ in range(2):
            await scene.recover(restarted=True)
            await scene.pool.execute("UPDATE missed_deliveries SET due_at = now()")
        await scene.stored(2)
    await scene.handle()
    assert await scene.runs() == [(1, "you")]
    assert await scene.told() == ["labelled"]


async def test_a_delivery_that_github_fails_at_keeps_no_other_from_being_asked_for(scene: Scene):
    await scene.open_issue("aurora")
    await scene.attempted(2)
    await scene.misbehave({"error-502": {"match": "POST /app/hook/deliveries/*", "times": 1}})
    with pytest.raises(Transient):
        await scene.recover()
    assert await scene.pool.fetchval("SELECT sum(asked) FROM missed_deliveries") == 1
    await scene.recover()
    assert await scene.pool.fetchval("SELECT max(asked) FROM missed_deliveries") == 1


async def test_a_repository_that_github_fails_at_keeps_no_other_from_being_compared(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    number = await scene.open_issue("aurora")
    broken = scene.repository.model_copy(update={"full_name": "octo/broken"})

    async def both() -> dict[int, Repository]:
        return {1: broken, 2: scene.repository}

    monkeypatch.setattr(scene.forges, "all", both)
    await scene.misbehave({"error-503": {"match": "*/octo/broken/*"}})
    with pytest.raises(Transient):
        await scene.recover()
    found = await scene.pool.fetch("SELECT convert_from(payload, 'UTF8') AS payload FROM deliveries")
    assert [json.loads(row["payload"])["issue"]["number"] for row in found] == [number]


async def test_a_look_begins_where_the_last_one_ended(scene: Scene):
    await scene.open_issue()
    await scene.attempted(1)
    await scene.recover()
    reached = await scene.pool.fetchval("SELECT at FROM marks WHERE name = 'deliveries'")
    assert datetime.now(UTC) - reached < timedelta(minutes=1)


async def test_a_labelled_issue_that_nobody_told_of_is_begun_for_who_labelled_it(scene: Scene):
    """Once, however often it is found; what isn't labelled isn't begun."""
    await scene.open_issue("aurora")
    await scene.open_issue("bug")
    for _ in range(3):
        await scene.recover(restarted=True)
        await scene.handle()
    assert await scene.runs() == [(1, "you")]
    assert await scene.pool.fetchval("SELECT count(*) FROM deliveries") == 1


async def test_what_was_labelled_while_paused_begins_afterwards(scene: Scene):
    number = await scene.open_issue()
    scene.paused = True
    async with scene.server():
        await scene.ask("POST", f"/issues/{number}/labels", ["aurora"])
        await scene.stored(1)
    await scene.recover(restarted=True)
    await scene.handle()
    assert await scene.runs() == []
    scene.paused = False
    await scene.recover()
    await scene.handle()
    assert await scene.runs() == [(1, "you")]


async def test_a_run_whose_issue_was_closed_unnoticed_is_told(scene: Scene):
    number = await scene.open_issue("aurora")
    await scene.recover()
    await scene.handle()
    await scene.ask("PATCH", f"/issues/{number}", {"state": "closed"})
    await scene.recover(restarted=True)
    await scene.handle()
    assert await scene.told() == ["labelled", "The issue was closed."]


async def test_a_pull_request_that_changed_unnoticed_is_looked_at_once(scene: Scene):
    await scene.open_issue("aurora")
    await scene.recover()
    await scene.handle()
    await scene.pool.execute("""UPDATE projects SET pull_request = '{"number": 77, "url": "u", "head_sha": "a"}'""")
    await scene.recover(restarted=True)
    await scene.handle()
    assert await scene.told() == ["labelled", "Pull request #77 was closed."]


async def test_each_labelling_is_one_run_whatever_the_clocks_say(scene: Scene):
    """Within one second: labelled, ended, everything told again, labelled again."""
    async with scene.server():
        number = await scene.open_issue("aurora")
        await scene.stored(2)
        await scene.handle()
        await scene.end()
        await scene.replay()
        await scene.handle()
        assert await scene.runs() == [(1, "you")]
        await scene.ask("DELETE", f"/issues/{number}/labels/aurora")
        await scene.ask("POST", f"/issues/{number}/labels", ["aurora"])
        await scene.stored(6)
    for _ in range(2):
        await scene.handle()
        await scene.replay()
    await scene.handle()
    assert await scene.runs() == [(1, "you"), (2, "you")]
    assert await scene.told() == ["labelled", "labelled"]


async def test_a_label_that_was_off_for_a_moment_is_the_same_run(scene: Scene):
    """Nor does its end, told late, make it another one."""
    number = await scene.open_issue("aurora")
    await scene.recover()
    await scene.handle()
    await scene.ask("DELETE", f"/issues/{number}/labels/aurora")
    await scene.ask("POST", f"/issues/{number}/labels", ["aurora"])
    payload = await scene.pool.fetchval("SELECT payload FROM deliveries")
    off = json.dumps({**json.loads(payload), "action": "unlabeled"}).encode()
    await scene.inbox.store("on", "issues", "labeled", payload)
    await scene.handle()
    await scene.inbox.store("off", "issues", "unlabeled", off)
    await scene.pool.execute("UPDATE deliveries SET received_at = now() - interval '1 minute' WHERE guid = 'off'")
    await scene.handle()
    await scene.end()
    await scene.replay()
    await scene.handle()
    assert await scene.runs() == [(1, "you")]
    assert await scene.told() == ["labelled"]


async def test_a_label_set_while_the_run_is_ending_waits_for_the_next(scene: Scene):
    number = await scene.open_issue("aurora")
    await scene.recover()
    await scene.handle()
    payload = await scene.pool.fetchval("SELECT payload FROM deliveries")
    await scene.ask("DELETE", f"/issues/{number}/labels/aurora")
    await scene.inbox.store(
        "off", "issues", "unlabeled", json.dumps({**json.loads(payload), "action": "unlabeled"}).encode()
    )
    await scene.handle()
    await scene.ask("POST", f"/issues/{number}/labels", ["aurora"])
    await scene.inbox.store("on", "issues", "labeled", payload)
    await scene.handle()
    assert await scene.runs() == [(1, "you")]
    await scene.end()
    await scene.handle()
    assert await scene.runs() == [(1, "you"), (2, "you")]
