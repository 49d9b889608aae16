"""The rows of one project, read freely and written only by the holder of a lease, all or nothing."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID, uuid4, uuid5

from pydantic import ValidationError

from app import metrics
from app.domain.artifacts import Artifact
from app.domain.checks import Checkpoint, CheckResult
from app.domain.conversation import Happening
from app.domain.memory import Memory, Settled, Used
from app.domain.messages import AgentMessage, MessageType, notice
from app.domain.ports import (
    Begun,
    Checked,
    Discarded,
    Fact,
    Handled,
    InForce,
    Later,
    Memories,
    ModelCall,
    Obeyed,
    Postponed,
    Revoked,
    Shown,
    Usual,
)
from app.domain.project import Project
from app.domain.recovery import AgentError
from app.domain.repository_settings import RepositorySettings
from app.domain.task import Task
from app.storage import artifacts, memory, projects, rows
from app.storage.pool import Connection, Lease, Pool, fenced, sql
from app.storage.usage import forfeit_abandoned

Ring = Callable[..., Awaitable[None]]  # for a message; and after how many seconds, where that isn't now

News = AgentMessage | Later | AgentError  # what is told of outside of the transaction: rung for, or counted

Silent = (  # facts of which nothing is told
    Task
    | Checked
    | Memory
    | Used
    | Settled
    | Handled
    | Postponed
    | Shown
    | Revoked
    | Discarded
    | Artifact
    | Obeyed
    | InForce
)


def subject_of(message: AgentMessage) -> UUID:
    """Return what is moved by handling the message: a task for a TASK, else the project."""
    if message.message_type is MessageType.TASK:
        return UUID(message.payload["task"])
    return message.correlation_id


class LeasedRecords:
    """Implements `Records` for the holder of a lease on the project or on one of its tasks."""

    def __init__(
        self, pool: Pool, lease: Lease, project_id: UUID, ring: Ring, memories: Memories | None = None
    ) -> None:
        """Say whose rows these are, how a message is announced, and who else is told what is remembered."""
        self._pool, self._lease, self._project_id, self._ring = pool, lease, project_id, ring
        self._memories, self._repository = memories, ""

    async def project(self) -> Project:
        """Return the project as it is now."""
        row = await self._pool.fetchrow(sql("projects.get"), self._project_id)
        if row is None:
            raise LookupError(f"There is no project {self._project_id}.")
        return rows.project(row)

    async def last_run(self) -> Project:
        """Return the last run of the project's issue, which may be itself."""
        mine = await self.project()
        last = await projects.latest_of_issue(self._pool, mine.repository.full_name, mine.issue_number)
        return last or mine

    async def tasks(self, *, superseded: bool = False) -> list[Task]:
        """Return the tasks of the present plan in the order of their keys, with earlier ones where `superseded`."""
        tasks = [rows.task(row) for row in await self._pool.fetch(sql("tasks.of_project"), self._project_id)]
        return [task for task in tasks if superseded or not task.superseded]

    async def checks(self, commit: str) -> list[CheckResult]:
        """Return what the checkpoints said of a commit."""
        found = await self._pool.fetch(sql("results.checks_of_commit"), self._project_id, commit)
        return sorted((rows.check(row) for row in found), key=lambda result: list(Checkpoint).index(result.checkpoint))

    async def calls(self) -> list[ModelCall]:
        """Return the project's model calls, oldest first."""
        return [rows.model_call(row) for row in await self._pool.fetch(sql("usage.of_project"), self._project_id)]

    async def usual_cost(self) -> Usual:
        """Return what earlier tasks of the repository have cost."""
        row = await self._pool.fetchrow(sql("usage.usual"), self._project_id)
        return Usual(row["tasks"], row["usd"]) if row else Usual(0, 0.0)

    async def obeyed(self, messages: Sequence[UUID]) -> dict[UUID, str]:
        """Return the answers to those of these messages that were obeyed already."""
        found = await self._pool.fetch(sql("messages.answers"), list(messages))
        return {row["id"]: row["answer"] or "" for row in found}

    async def in_force(self) -> InForce | None:
        """Return the last settings of the repository that could be read; None before any were."""
        row = await self._pool.fetchrow(sql("repositories.settings"), self._project_id)
        if row is None:
            return None
        try:
            return InForce(row["commit_sha"], RepositorySettings.model_validate(row["settings"]))
        except ValidationError:  # an earlier version of the app knew other keys
            return None

    async def write(self, *facts: Fact) -> None:
        """Write all or nothing, then ring for the messages among them."""
        what = "+".join(sorted({type(fact).__name__ for fact in facts}))
        news: list[News] = []
        async with fenced(self._pool, self._lease, f"records {what}") as connection:
            # Leases are locked before the project's row by everybody: a task that settles a call holds its own.
            for fact in sorted(facts, key=lambda fact: not isinstance(fact, Revoked)):
                news += await self._write(connection, fact)
        for one in news:
            await self._tell(one)
        for fact in facts:
            if isinstance(fact, Memory) and self._memories:
                await self._memories.note(self._repository, fact, kept=True)

    async def queue(self, at: datetime) -> int | None:
        """Have the project wait for its turn to be merged; return the pull request just before it."""
        async with fenced(self._pool, self._lease, "records queue") as connection:
            await connection.execute(sql("turns.lock"), self._project_id)
            before: int | None = await connection.fetchval(sql("turns.queue"), self._project_id, at)
        return before

    async def _tell(self, news: News) -> None:
        match news:
            case AgentError():
                metrics.ERRORS.labels(news.error_type).inc()
            case Later():
                await self._ring(news.message, news.seconds)
            case AgentMessage():
                await self._ring(news)

    async def _write(self, connection: Connection, fact: Fact) -> Sequence[News]:
        """Write a fact; return what is to be told of it."""
        match fact:
            case Project():
                left = await connection.fetchval(sql("projects.save"), *rows.project_parameters(fact))
                if fact.status.ended:  # nothing is awaited any more
                    await connection.execute(sql("messages.forget"), self._project_id, Happening.checks_completed)
                return [] if left is None else await self._call_next(connection, left)
            case AgentMessage():
                await send(connection, fact)
                return [fact]
            case Later():
                return (
                    [fact]
                    if await connection.fetchval(sql("messages.send_later"), *_row(fact.message, fact.seconds))
                    else []
                )
            case Begun():
                return await self._begin(connection, fact)
            case AgentError():
                return [fact] if await self._write_error(connection, fact) else []
            case _:
                await self._note(connection, fact)
                return []

    async def _call_next(self, connection: Connection, since: datetime) -> list[AgentMessage]:
        """Tell whoever was just behind the project, which has left the line."""
        await connection.execute(sql("messages.forget"), self._project_id, Happening.turn)
        await connection.execute(sql("turns.lock"), self._project_id)
        found = await connection.fetchrow(sql("turns.behind"), self._project_id, since)
        if found is None:
            return []
        identity = uuid5(found["id"], f"turn:{self._project_id}:{since}")
        message = notice(identity, found["id"], found["now"], Happening.turn)
        await send(connection, message)
        return [message]

    async def _note(self, connection: Connection, fact: Silent) -> None:
        match fact:
            case Task():
                await connection.execute(sql("tasks.save"), *rows.task_parameters(fact))
            case Checked() | Artifact() | InForce():
                await self._write_found(connection, fact)
            case Memory() | Used() | Settled():
                await self._write_memory(connection, fact)
            case Handled() | Postponed() | Shown():
                await self._write_handling(connection, fact)
            case Obeyed():
                await connection.execute(sql("messages.obeyed"), fact.message, fact.answer)
            case Revoked() | Discarded():
                await self._take_away(connection, fact)
            case _:
                assert_never(fact)

    async def _write_handling(self, connection: Connection, fact: Handled | Postponed | Shown) -> None:
        match fact:
            case Handled():
                await connection.execute(sql("messages.handled"), fact.messages)
            case Postponed():
                await connection.execute(sql("messages.postpone"), fact.messages, fact.seconds, fact.counted)
            case Shown():
                await connection.execute(sql("projects.shown"), self._project_id, fact.at, fact.digest)

    async def _begin(self, connection: Connection, fact: Begun) -> list[AgentMessage]:
        project = fact.project
        begun = await connection.fetchval(
            sql("projects.start"), project.id, project.repository.full_name, project.repository.installation_id,
            project.issue_number, project.title, project.requested_by, project.budget_usd, project.created_at, None,
        )  # fmt: skip
        if begun is None:
            return []
        await connection.execute(sql("projects.save"), *rows.project_parameters(project))
        await connection.execute(sql("projects.reverts"), project.id, project.reverts)
        await send(connection, fact.message)
        return [fact.message]

    async def _take_away(self, connection: Connection, fact: Revoked | Discarded) -> None:
        if isinstance(fact, Discarded):
            await connection.execute(sql("tasks.discard"), fact.tasks)
            return
        await connection.execute(sql("leases.revoke"), fact.tasks)
        await forfeit_abandoned(connection, fact.tasks)

    async def _write_error(self, connection: Connection, error: AgentError) -> bool:
        """Write an error; return whether it is new."""
        identity = uuid5(error.task_id, f"{error.error_type} {error.retry_count} {error.timestamp}")
        new = await connection.fetchval(
            sql("results.save_error"), identity, self._project_id, error.task_id, error.agent,
            error.error_type, error.message, error.stack_trace,
            error.timestamp, error.retry_count, error.max_retries,
        )  # fmt: skip
        return new is not None

    async def _write_found(self, connection: Connection, fact: Checked | Artifact | InForce) -> None:
        if isinstance(fact, InForce):
            kept = fact.settings.model_dump(mode="json")
            await connection.execute(sql("repositories.keep_settings"), self._project_id, fact.commit, kept)
            return
        if isinstance(fact, Artifact):
            await artifacts.save(connection, self._project_id, fact)
            return
        await self._write_check(connection, fact)
        if fact.log:
            await artifacts.save(connection, self._project_id, fact.log)

    async def _write_check(self, connection: Connection, checked: Checked) -> None:
        result = checked.result
        query, judged = ("save_attempt", checked.round) if checked.commit is None else ("save_check", checked.commit)
        await connection.execute(
            sql(f"results.{query}"), uuid4(), self._project_id, checked.task_id, checked.attempt,
            judged, result.checkpoint, result.conclusion, result.title, result.summary,
            [finding.model_dump(mode="json") for finding in result.findings],
            result.log, result.started_at, result.completed_at,
        )  # fmt: skip

    async def _write_memory(self, connection: Connection, fact: Memory | Used | Settled) -> None:
        if isinstance(fact, Used):
            await memory.use(connection, self._project_id, fact)
            return
        if isinstance(fact, Settled):
            await memory.settle(connection, self._project_id, fact)
            return
        self._repository = await connection.fetchval(sql("memory.repository"), self._project_id)
        await memory.keep(connection, self._repository, fact)


async def send(connection: Connection, message: AgentMessage, delay: float = 0.0) -> None:
    """Write a message in the transaction at hand, due after `delay` seconds; the caller rings after it."""
    await connection.execute(sql("messages.send"), *_row(message, delay))


def _row(message: AgentMessage, delay: float) -> Sequence[Any]:
    return (
        message.id, message.sender, message.recipient, message.message_type,
        message.payload, message.timestamp, message.correlation_id, subject_of(message), delay,
    )  # fmt: skip
