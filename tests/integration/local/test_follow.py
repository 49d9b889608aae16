"""What is shown of a run while it goes on."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.domain.project import Repository
from app.storage import projects
from app.storage.pool import connect
from workers.local.run import follow


class Person:
    """Has an issue opened whose run has begun already."""

    async def open_issue(self, *_: Any) -> dict[str, Any]:
        return {"number": 1, "html_url": "http://hub.test/o/r/issues/1"}


class ClosedTerminal:
    """Takes the first line, and then nobody reads on."""

    def event(self, *_: str) -> None:
        return None

    def look(self, *_: Any) -> None:
        raise BrokenPipeError


async def test_a_run_that_nobody_watches_any_more_ends(database_url: str):
    """A closed pipe is no store that comes back."""
    pool = await connect(database_url, size=1)
    async with pool.acquire() as connection:
        await projects.start(
            connection, uuid4(), Repository(full_name="o/r", installation_id=5), 1,
            title="A title", requested_by="ann", budget_usd=1.0, at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
    await asyncio.wait_for(pool.close(), 10)
    stack: Any = SimpleNamespace(environment={"AURORA_DATABASE_URL": database_url}, person=Person())
    show: Any = ClosedTerminal()
    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(follow(stack, "o/r", "A title", "", show), 5)
