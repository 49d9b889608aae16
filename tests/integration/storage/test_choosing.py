"""Which task is begun next: fair between repositories, never more of one than its limit, never one of two at once."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

from app.domain.budget import Caps
from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Call
from app.domain.project import Repository
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskStatus
from app.storage import projects, rows
from app.storage.leases import Leases, interrupt
from app.storage.pool import Lease, Pool, sql
from app.storage.records import send
from app.storage.usage import reserve
from tests.integration.storage.conftest import NOW


async def due(pool: Pool, repository: str, count: int, priority: int = 0) -> list[UUID]:
    """Begin a run in a repository with as many tasks that are due, oldest first."""
    project, made = uuid4(), list[UUID]()
    async with pool.acquire() as connection:
        await projects.start(
            connection, project, Repository(full_name=repository, installation_id=5), 1,
            title="A title", requested_by="ann", budget_usd=10.0, at=NOW,
        )  # fmt: skip
        for number in range(count):
            task = Task(
                id=uuid4(), project_id=project, key=f"t{number}", title="Do it", description="All of it",
                assigned_agent=AgentRole.backend, branch="aurora/1.1", created_at=NOW, status=TaskStatus.ready,
                priority=priority,
            )  # fmt: skip
            await connection.execute(sql("tasks.save"), *rows.task_parameters(task))
            await send(connection, AgentMessage(
                id=uuid4(), sender=AgentRole.maestro, recipient=AgentRole.backend, message_type=MessageType.TASK,
                payload={"task": str(task.id)}, timestamp=NOW, correlation_id=project,
            ))  # fmt: skip
            made.append(task.id)
    return made


async def take(stack: AsyncExitStack, leases: Leases, most: int | None = None) -> UUID | None:
    """Hold the next task until the stack ends."""
    lease = await stack.enter_async_context(leases.hold_next(most))
    return lease.subject if lease else None


async def test_a_repository_with_little_to_do_isn_t_kept_waiting_by_one_with_much(pool: Pool, leases: Leases):
    await due(pool, "o/much", 20, priority=9)
    little = await due(pool, "o/little", 2)
    async with AsyncExitStack() as stack:
        first = [await take(stack, leases) for _ in range(4)]
        assert set(little) <= set(first)
        rest = [await take(stack, leases) for _ in range(19)]
        assert len({*first, *rest} - {None}) == 22
        assert rest[-1] is None
        assert not await leases.waits(None)


async def test_with_many_workers_at_once_each_task_has_one_and_no_repository_more_than_its_limit(pool: Pool):
    much, little = await due(pool, "o/much", 20), await due(pool, "o/little", 2)
    taken, tried, done = list[UUID](), list[int](), asyncio.Event()

    async def work(number: int) -> None:
        async with Leases(pool, str(number)).hold_next(3) as lease:
            taken.extend([lease.subject] if lease else [])
            tried.append(number)
            await done.wait()

    working = [asyncio.create_task(work(number)) for number in range(24)]
    async with asyncio.timeout(20):
        while len(tried) < 24:
            await asyncio.sleep(0.01)
    assert sorted(taken) == sorted(set(taken))
    assert len(set(taken) & set(much)) == 3
    assert set(little) <= set(taken)
    one = Leases(pool, "one")
    assert not await one.waits(3)
    done.set()
    await asyncio.gather(*working)
    assert await one.waits(3)


async def test_within_a_repository_what_is_more_urgent_comes_first_then_what_is_older(pool: Pool, leases: Leases):
    tasks = await due(pool, "o/r", 3)
    await pool.execute("UPDATE tasks SET priority = 5 WHERE id = $1", tasks[2])
    await pool.execute("UPDATE agent_messages SET timestamp = timestamp - interval '1 s' WHERE subject = $1", tasks[1])
    async with AsyncExitStack() as stack:
        assert [await take(stack, leases) for _ in range(3)] == [tasks[2], tasks[1], tasks[0]]


async def test_a_task_whose_holder_froze_within_a_transaction_is_passed_over(pool: Pool, leases: Leases):
    frozen, other = await due(pool, "o/r", 2)
    async with leases.hold(frozen):
        pass
    async with AsyncExitStack() as stack, pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM leases WHERE subject = $1 FOR UPDATE", frozen)
        assert await take(stack, leases) == other


async def test_a_task_that_is_put_off_or_whose_holder_is_dead_is_told_apart(pool: Pool, leases: Leases):
    later, dead = await due(pool, "o/r", 2)
    await pool.execute("UPDATE agent_messages SET due_at = now() + interval '1 hour' WHERE subject = $1", later)
    await pool.execute(
        "INSERT INTO leases (subject, owner, epoch, expires_at) VALUES ($1, 'dead', 7, now() - interval '1 s')", dead
    )
    async with leases.hold_next(1) as lease:
        assert lease is not None
        assert (lease.subject, lease.epoch) == (dead, 8)
        assert not await leases.waits(None)


async def test_what_is_interrupted_is_taken_away_and_not_begun_again_at_once(pool: Pool):
    """The project's holder and its task's: neither may write or show anything, and others go on."""
    (task,) = await due(pool, "o/r", 1)
    (other,) = await due(pool, "o/other", 1)
    project = await pool.fetchval("SELECT project_id FROM tasks WHERE id = $1", task)
    ended = list[UUID]()

    async def work(subject: UUID) -> None:
        try:
            async with Leases(pool, "one", beat=0.05).hold(subject):
                await asyncio.sleep(30)
        except Exception:
            ended.append(subject)
            raise

    working = [asyncio.create_task(work(subject)) for subject in (project, task, other)]
    async with asyncio.timeout(10):
        while await pool.fetchval("SELECT count(*) FROM leases") < 3:
            await asyncio.sleep(0.01)
        async with pool.acquire() as connection, connection.transaction():
            await interrupt(connection, project)
        while len(ended) < 2:
            await asyncio.sleep(0.01)
    assert set(ended) == {project, task}
    working[2].cancel()
    await asyncio.gather(*working, return_exceptions=True)

    leases = Leases(pool, "two")
    async with leases.hold(project) as lease:
        assert isinstance(lease, Lease), "whoever hears the message takes it at once"
    async with AsyncExitStack() as stack:
        assert [await take(stack, leases), await take(stack, leases)] == [other, None]


async def test_a_call_that_was_interrupted_counts_as_spent(pool: Pool, call: Call):
    """It may have been billed; nothing stays set aside."""
    async with Leases(pool, "one", beat=60).hold(call.project_id) as lease:
        assert lease is not None
        async with pool.acquire() as connection, connection.transaction():
            await reserve(connection, uuid4(), call, 0, "m", 0.5, lease.epoch, Caps())
        async with pool.acquire() as connection, connection.transaction():
            await interrupt(connection, call.project_id)
        found = await pool.fetchrow("SELECT spent_usd, reserved_usd FROM projects WHERE id = $1", call.project_id)
        assert tuple(map(float, found)) == (0.5, 0.0)
