"""What the tests of the storage say again and again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Call, Step
from app.domain.project import Repository
from app.domain.roles import AgentRole
from app.domain.task import Task
from app.storage import projects
from app.storage.leases import Leases
from app.storage.pool import Pool, connect
from app.storage.records import send

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database."""
    opened = await connect(database_url, size=12)
    yield opened
    await asyncio.wait_for(opened.close(), 10)


@pytest.fixture
def leases(pool: Pool) -> Leases:
    """Leases of one worker, alive for long enough never to expire within a test."""
    return Leases(pool, "one")


@pytest.fixture
def start(pool: Pool) -> Callable[..., Awaitable[UUID | None]]:
    """Begin a run: `await start(issue=1, budget=10.0)`."""

    async def begin(issue: int = 1, budget: float = 10.0) -> UUID | None:
        repository = Repository(full_name="o/r", installation_id=5)
        async with pool.acquire() as connection:
            return await projects.start(
                connection, uuid4(), repository, issue,
                title="A title", requested_by="ann", budget_usd=budget, at=NOW,
            )  # fmt: skip

    return begin


@pytest.fixture
async def project_id(start: Callable[..., Awaitable[UUID | None]]) -> UUID:
    """A run that has just begun."""
    begun = await start()
    assert begun is not None
    return begun


@pytest.fixture
def deliver(pool: Pool) -> Callable[..., Awaitable[None]]:
    """Send a message in a transaction of its own."""

    async def write(message: AgentMessage, delay: float = 0.0) -> None:
        async with pool.acquire() as connection:
            await send(connection, message, delay)

    return write


@pytest.fixture
def note() -> Callable[..., AgentMessage]:
    """Make a message about a project, or about one of its tasks."""

    def make(project: UUID, task: UUID | None = None) -> AgentMessage:
        return AgentMessage(
            id=uuid4(), sender=AgentRole.backend, recipient=AgentRole.maestro,
            message_type=MessageType.TASK if task else MessageType.CONTEXT,
            payload={"task": str(task)} if task else {},
            timestamp=NOW, correlation_id=project,
        )  # fmt: skip

    return make


@pytest.fixture
def message(project_id: UUID, note: Callable[..., AgentMessage]) -> AgentMessage:
    """A message about the project that has not been sent."""
    return note(project_id)


@pytest.fixture
def task(project_id: UUID) -> Task:
    """A task that has not been written."""
    return Task(
        id=uuid4(), project_id=project_id, key="t1", title="Do it", description="All of it",
        assigned_agent=AgentRole.backend, branch="aurora/1.1", created_at=NOW,
    )  # fmt: skip


@pytest.fixture
def call(project_id: UUID) -> Call:
    """One of Maestro's own model calls."""
    return Call(project_id, None, AgentRole.maestro, Step.plan, 1, "plan")
