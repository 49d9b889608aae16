"""What the holder of a lease writes is written wholly or not at all, and read back as it was."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from app import metrics
from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.memory import Kind, Memory, Source
from app.domain.messages import AgentMessage
from app.domain.ports import Checked
from app.domain.recovery import AgentError, ErrorType
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus
from app.errors import LeaseLost
from app.storage.leases import Leases
from app.storage.messages import Mailbox
from app.storage.pool import Lease, Pool, connect
from app.storage.records import LeasedRecords

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = UUID(int=7)
HOSTILE = "a\0b \ud800 \\u0000 \\\0 ü 🦉"
TAMED = "a\ufffdb \ufffd \\u0000 \\\ufffd ü 🦉"


class Rings:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.heard = list[AgentMessage]()

    async def __call__(self, message: AgentMessage) -> None:
        self.heard.append(message)


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture
async def records(pool: Pool, leases: Leases, project_id: UUID, rings: Rings):
    async with leases.hold(project_id) as lease:
        assert lease is not None
        yield LeasedRecords(pool, lease, project_id, rings)


def check(commit: str = "c" * 40, **changes) -> Checked:
    result = CheckResult(
        checkpoint=Checkpoint.tests, conclusion=Conclusion.failed, title="1 failed", summary="One.",
        findings=(Finding(path="a.py", line=3, code="t", message="no"),), log="log", started_at=NOW, completed_at=NOW,
    )  # fmt: skip
    return Checked(commit, result.model_copy(update=changes), None, 1)


async def test_everything_is_written_and_then_announced(records: LeasedRecords, rings: Rings, task: Task, message):
    project = (await records.project()).model_copy(update={"title": "New"})
    await records.write(project, task, message, check())
    assert (await records.project()).title == "New"
    assert await records.tasks() == [task]
    assert await records.checks("c" * 40) == [check().result]
    assert rings.heard == [message]


async def test_what_fails_in_part_is_not_written_or_announced_at_all(
    pool: Pool, records: LeasedRecords, rings: Rings, task: Task, message: AgentMessage
):
    project = (await records.project()).model_copy(update={"title": "New"})
    twin = task.model_copy(update={"id": uuid4()})  # the same key a second time
    with pytest.raises(asyncpg.UniqueViolationError):
        await records.write(project, message, task, twin)
    assert (await records.project()).title != "New"
    assert await records.tasks() == []
    assert await Mailbox(pool).pending(message.correlation_id) == []
    assert rings.heard == []


async def test_nothing_is_written_after_the_lease_is_lost(pool: Pool, project_id: UUID, rings: Rings, message):
    stranger = LeasedRecords(pool, Lease(project_id, "gone", 1), project_id, rings)
    with pytest.raises(LeaseLost):
        await stranger.write(message)
    assert await Mailbox(pool).pending(project_id) == []
    assert rings.heard == []


async def test_a_task_is_read_as_it_was_written_and_keys_count_like_numbers(records: LeasedRecords, task: Task):
    other = task.model_copy(update={"id": uuid4(), "key": "t10"})
    full = task.model_copy(
        update={
            "key": "t9", "dependencies": (other.id,), "status": TaskStatus.completed, "footprint": ("a.py", "b/**"),
            "requirements": ("REQ-001",), "base_sha": "a" * 40, "round": 2, "feedback": ("No", "Still no"),
            "attempts": 3, "started_at": NOW, "completed_at": NOW,
            "result": TaskResult(commit="d" * 40, lessons=("Look",)),
        }
    )  # fmt: skip
    await records.write(other, full.model_copy(update={"round": 0}))
    await records.write(full)
    assert await records.tasks() == [full, other]


async def test_a_checkpoint_that_ran_again_on_a_commit_replaces_its_word(records: LeasedRecords):
    await records.write(check())
    await records.write(check(conclusion=Conclusion.passed, title="ok", findings=()))
    assert [result.title for result in await records.checks("c" * 40)] == ["ok"]


async def test_an_attempt_that_failed_has_results_of_its_own_and_each_once(pool: Pool, records: LeasedRecords, task):
    failed = replace(check(), commit=None, task_id=task.id, round=0)
    await records.write(check(), failed, replace(failed, attempt=2), replace(failed, round=1))
    await records.write(failed)
    rows = await pool.fetch("SELECT commit_sha, round, attempt FROM test_results ORDER BY round, attempt")
    assert [tuple(row) for row in rows] == [(None, 0, 1), (None, 0, 2), (None, 1, 1), ("c" * 40, None, 1)]
    assert await records.checks("c" * 40) == [check().result]


async def test_an_error_is_stored_and_counted_once(pool: Pool, records: LeasedRecords, task: Task):
    error = AgentError(task.id, AgentRole.backend, ErrorType.lint, "No.", None, NOW, 0, 3)
    counted = metrics.ERRORS.labels("lint")._value
    before = counted.get()
    await records.write(error)
    await records.write(error)
    assert (await pool.fetchval("SELECT count(*) FROM agent_errors"), counted.get() - before) == (1, 1)


async def test_a_memory_is_kept_once(pool: Pool, records: LeasedRecords):
    memory = Memory(Kind.pattern, "Look first", Source("a.py", "c0", PROJECT, "t1"), NOW)
    await records.write(memory, memory)
    await records.write(memory, replace(memory, content="look  FIRST"))
    rows = await pool.fetch("SELECT repository, content, source FROM working_memory")
    source = {"file": "a.py", "commit": "c0", "project": str(PROJECT), "task": "t1"}
    assert [tuple(row) for row in rows] == [("o/r", "Look first", source)]


async def test_characters_that_the_store_refuses_are_replaced_wherever_they_stand(
    pool: Pool, records: LeasedRecords, task: Task
):
    project = (await records.project()).model_copy(update={"title": HOSTILE, "notes": (HOSTILE,)})
    wild = task.model_copy(
        update={
            "title": HOSTILE,
            "footprint": (HOSTILE,),
            "feedback": (HOSTILE,),
            "result": TaskResult(summary=HOSTILE),
        }
    )
    error = AgentError(task.id, AgentRole.backend, ErrorType.tests, HOSTILE, HOSTILE, NOW, 0, 1)
    memory = Memory(Kind.pattern, HOSTILE, Source(HOSTILE, HOSTILE, PROJECT, HOSTILE, HOSTILE), NOW)
    await records.write(project, wild, error, memory, check(title=HOSTILE, log=HOSTILE))
    read, (found,) = await records.project(), await records.tasks()
    assert (read.title, read.notes) == (TAMED, (TAMED,))
    assert (found.title, found.footprint, found.feedback) == (TAMED, (TAMED,), (TAMED,))
    assert found.result == TaskResult(summary=TAMED)
    assert [result.log for result in await records.checks("c" * 40)] == [TAMED]
    source = await pool.fetchval("SELECT source FROM working_memory")
    assert source == {**dict.fromkeys(("file", "commit", "task", "symbol"), TAMED), "project": str(PROJECT)}
    assert await pool.fetchval("SELECT stack_trace FROM agent_errors") == TAMED


async def test_writing_needs_one_connection(
    database_url: str, pool: Pool, leases: Leases, project_id: UUID, rings: Rings
):
    narrow = await connect(database_url, size=1)
    async with leases.hold(project_id) as lease:
        assert lease is not None
        records = LeasedRecords(narrow, lease, project_id, rings)
        await asyncio.wait_for(records.write(Memory(Kind.pattern, "x", Source("a.py", "c0", PROJECT), NOW), check()), 5)
    await narrow.close()
