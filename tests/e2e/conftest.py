"""The whole system as processes, once per session."""

import json
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.team import MODEL, REPOSITORIES, ModelDouble, Team, approves, learns, make_repository
from workers.local.stack import Import, Options, Stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def double() -> AsyncIterator[ModelDouble]:
    """The model's server."""
    model = ModelDouble()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", model.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield model
    await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(double: ModelDouble, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Everything, running, with the repositories of this module published."""
    home = tmp_path_factory.mktemp("e2e")
    imports = tuple(Import(make_repository(home / name, files), f"acme/{name}") for name, files in REPOSITORIES.items())
    environment = {
        **os.environ,
        "AURORA_MODEL": MODEL,
        "AURORA_MODEL_PRICES": json.dumps({MODEL: {"input": 1, "output": 1}}),
        "OPENAI_BASE_URL": double.url,
        "OPENAI_API_KEY": "test",
    }
    async with Stack(Options(home / "data", imports=imports, durable=False), environment) as running:
        yield running


@pytest.fixture
def model(double: ModelDouble) -> ModelDouble:
    """The model, with nothing to say yet but approval and lessons."""
    double.answers = {"review": approves, "reflect": learns}
    double.asked = []
    return double


@pytest.fixture
def team(stack: Stack) -> Team:
    """The people."""
    return Team(stack)
