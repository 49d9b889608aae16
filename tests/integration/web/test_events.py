"""Events come once each, in the order of their commits, to whoever reads and whenever the reading broke off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.project import ProjectStatus
from app.storage.pool import Pool, connect
from app.web.stream import Streams

if TYPE_CHECKING:
    from conftest import Begin, Serve, Site, Story

Event = tuple[int, str, dict[str, Any]]


@asynccontextmanager
async def following(site: "Site", story: "Story", after: int | None = None) -> AsyncIterator["Reader"]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    answer = await site.ask("GET", f"/projects/{story.id}/events", headers=headers)
    assert answer.status == 200, await answer.text()
    try:
        yield Reader(answer)
    finally:
        answer.close()


class Reader:
    """Reads one stream as a browser does."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def next(self) -> Event:
        found: dict[str, str] = {}
        async with asyncio.timeout(15):
            while True:
                line = (await self.answer.content.readline()).decode()
                if not line:
                    raise EOFError
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    found[name] = value
                elif "data" in found:
                    return int(found["id"]), found["event"], json.loads(found["data"])
                else:
                    found = {}

    async def take(self, number: int) -> list[Event]:
        return [await self.next() for _ in range(number)]


async def test_what_happened_is_told_and_what_happens_is_told_at_once(site: "Site", begin: "Begin"):
    story = await begin()
    async with following(site, story) as reader:
        number, kind, data = await reader.next()
        assert (number, kind, data["status"]) == (1, "project", "parsing")
        started = asyncio.get_running_loop().time()
        await story.move(story.task("t1", "One"), status=ProjectStatus.building)
        (_, first, project), (last, second, task) = await reader.take(2)
        assert asyncio.get_running_loop().time() - started < 2
    assert (first, project["status"], second, task["key"], last) == ("project", "building", "task", "t1", 3)


async def test_money_alone_is_no_event_of_the_project(site: "Site", begin: "Begin"):
    story = await begin()
    await story.call("parse", begin=0, seconds=1)
    async with following(site, story, 1) as reader:
        _, kind, data = await reader.next()
    assert (kind, data["step"], data["status"]) == ("call", "parse", "settled")
    assert await site.pool.fetchval("SELECT last FROM event_counters") == 2


async def test_reading_is_taken_up_where_it_ended_on_any_server(serving: "Serve", begin: "Begin", pool: Pool):
    """Readers that are cut off again and again, among two servers that restart, see every event once."""
    story = await begin()
    seen: list[int] = []

    async def write() -> None:
        for number in range(60):
            await story.move(rounds=number + 1)
            await asyncio.sleep(0.005)

    writing = asyncio.create_task(write())
    for turn in range(6):
        async with AsyncExitStack() as stack:
            sites = [await stack.enter_async_context(serving()) for _ in range(2)]
            async with following(sites[turn % 2], story, seen[-1] if seen else None) as reader:
                seen += [number for number, _, _ in await reader.take(7)]
    await writing
    async with serving() as site, following(site, story, seen[-1]) as reader:
        seen += [number for number, _, _ in await reader.take(61 - len(seen))]
    assert seen == list(range(1, 62))


async def test_a_commit_that_comes_late_is_not_missed(site: "Site", begin: "Begin", pool: Pool):
    """Of two transactions at work together, the one that commits first is numbered first."""
    story = await begin()
    await story.write(story.task("t1", "One"), story.task("t2", "Two"))
    async with pool.acquire() as one, pool.acquire() as other, following(site, story, 3) as reader:
        early, late = one.transaction(), other.transaction()
        await early.start()
        await one.execute("UPDATE tasks SET attempts = 1 WHERE key = 't1'")
        await late.start()
        await other.execute("UPDATE tasks SET attempts = 2 WHERE key = 't2'")
        await late.commit()
        number, _, data = await reader.next()
        assert (number, data["key"]) == (4, "t2")
        await early.commit()
        number, _, data = await reader.next()
        assert (number, data["key"]) == (5, "t1")


async def test_many_writers_leave_neither_gaps_nor_deadlocks(begin: "Begin", pool: Pool):
    story = await begin()
    tasks = [story.task(f"t{number}", "One of many") for number in range(8)]
    await story.write(*tasks)

    async def work(key: str) -> None:
        for number in range(20):
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("UPDATE tasks SET attempts = $2 WHERE key = $1", key, number + 1)
                await connection.execute("UPDATE projects SET rounds = rounds + 1")

    await asyncio.gather(*(work(task.key) for task in tasks))
    numbers = [row["number"] for row in await pool.fetch("SELECT number FROM events ORDER BY number")]
    assert numbers == list(range(1, 1 + 1 + 8 + 2 * 160))


async def test_what_is_rolled_back_never_happened(begin: "Begin", pool: Pool):
    story = await begin()
    async with pool.acquire() as connection:
        block = connection.transaction()
        await block.start()
        await connection.execute("UPDATE projects SET rounds = 9")
        await block.rollback()
    await story.move(rounds=1)
    assert [row["number"] for row in await pool.fetch("SELECT number FROM events ORDER BY number")] == [1, 2]


@pytest.mark.parametrize("after", ["x", "-1", "99", "1.5", "9" * 30])
async def test_an_odd_position_is_refused(site: "Site", begin: "Begin", after: str):
    story = await begin()
    answer = await site.ask("GET", f"/projects/{story.id}/events", headers={"Last-Event-ID": after})
    assert answer.status == 400


async def test_silence_is_filled_and_connections_are_counted(pool: Pool, begin: "Begin", serving: "Serve", monkeypatch):
    story = await begin()
    usual = Streams.__init__
    monkeypatch.setattr(Streams, "__init__", lambda self, reader: usual(self, reader, most=1, heartbeat=0.05))
    async with serving() as site, following(site, story, 1) as reader:
        lines = [(await reader.answer.content.readline()).decode() for _ in range(5)]
        assert lines.count(": still here\n") == 2
        answer = await site.ask("GET", f"/projects/{story.id}/events")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")


async def test_a_server_that_stops_ends_its_streams_at_once(serving: "Serve", begin: "Begin"):
    story = await begin()
    async with serving() as site:
        answer = await site.ask("GET", f"/projects/{story.id}/events?after=1")
        reader, started = Reader(answer), asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 5
    with pytest.raises(Exception):  # noqa: B017, PT011 - however the client's library calls the end
        await reader.next()


async def test_every_change_anywhere_is_heard_on_the_list(site: "Site", begin: "Begin", database_url: str):
    story = await begin()
    answer = await site.ask("GET", "/events")
    other = await connect(database_url, size=1)
    await answer.content.readline()

    async def heard() -> str:
        async with asyncio.timeout(10):
            while not (line := (await answer.content.readline()).decode()).startswith("event"):
                pass
            return line

    for act in (
        story.move(rounds=1),
        begin("Another"),
        site.ask("POST", "/projects", json={"repository": "a/b", "text": "x"}),
    ):
        await act
        assert await heard() == "event: changed\n"
    answer.close()
    await other.close()
