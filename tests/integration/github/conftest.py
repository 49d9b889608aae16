"""The hub as a process of its own, with a repository, the app, and someone who may write."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.domain.project import Repository
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges

ROOT = Path(__file__).parents[3]
FULL_NAME = "octo/sample"


@dataclass
class Hub:
    """A running hub and who is known there."""

    url: str
    app: dict[str, Any]
    users: dict[str, str]
    origin: Path

    def person(self, login: str = "you") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.users[login]}"}


@pytest.fixture
def webhook_url() -> str:
    """Where nobody listens; tests that listen override this."""
    return "http://127.0.0.1:9/webhooks/github"


@pytest.fixture
def hub(tmp_path: Path, git_repository: Callable[..., Path], webhook_url: str) -> Iterator[Hub]:
    origin = git_repository({"a.py": "x = 1\n"})
    data = tmp_path / "hub"
    command = [sys.executable, "-m", "hub", "--port", "0", "--data", str(data), "--import", str(origin)]
    command += ["--as", FULL_NAME, "--user", "eve", "--manifest", str(ROOT / "app.yml")]
    process = subprocess.Popen([*command, "--webhook-url", webhook_url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        known = json.loads((data / "hub.json").read_text())
        yield Hub(url, known["app"], known["users"], origin)
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def forges(hub: Hub, session: aiohttp.ClientSession) -> GitHubForges:
    return GitHubForges(
        session,
        app_id=hub.app["id"],
        private_key=Path(hub.app["private_key_file"]).read_text(),
        api_url=hub.url,
        web_url=hub.url,
        clock=lambda: datetime.now(UTC),
    )


@pytest.fixture
async def forge(forges: GitHubForges) -> GitHubForge:
    return forges.of(await forges.find(FULL_NAME))


@pytest.fixture
async def repository(forges: GitHubForges) -> Repository:
    return await forges.find(FULL_NAME)
