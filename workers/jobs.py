"""The two jobs that move projects and tasks; each may run twice, and anywhere."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid5

from app.domain.budget import Refusal
from app.domain.conversation import Happening
from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Clock, Handled, Obeyed, Postponed, Records
from app.domain.project import Pause, Phase, Project, ProjectStatus
from app.domain.recovery import AgentError, Escalate, Reflect, Retry, decide
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus
from app.errors import BudgetExceeded, LeaseLost, ProjectHeld
from app.logs import bound, redact
from app.queue import Queue
from app.storage.leases import Holding, Leases
from app.storage.messages import Mailbox
from app.storage.pool import Lease
from workers.codegen.state import count, result_message
from workers.failures import MOST_RETRIES, Failure, classify
from workers.maestro import graph as maestro
from workers.maestro.context import Context as MaestroContext
from workers.maestro.pause import FOR_EVER, pause
from workers.maestro.steer import goes_on, steer

log = logging.getLogger(__name__)

UNTIL_IT_WORKS = frozenset({Phase.escalate, Phase.cancel})  # nobody can do more: a person is asked, or asked for this
SLOT = timedelta(minutes=10)  # after which a slot is left: what waits still is rung for again, and arq limits its jobs


class Workshop(Protocol):
    """Makes what a job works with; the composition root implements it."""

    def records(self, lease: Lease, project_id: UUID) -> Records: ...
    def maestro(self, lease: Lease, records: Records, project: Project) -> MaestroContext: ...
    async def build(self, lease: Lease, records: Records, project: Project, task: Task) -> None: ...


@dataclass(frozen=True)
class Jobs:
    """What the queue can ask for."""

    workshop: Workshop
    leases: Leases
    mailbox: Mailbox
    queue: Queue
    clock: Clock
    jitter: Callable[[], float]
    most_of_repository: int | None = None  # tasks at a time, by all workers together

    async def advance(self, project_id: UUID) -> None:
        """Move a project until it waits, as its messages say; without a message nothing moves."""
        with bound(project=project_id):
            try:
                async with self.leases.hold(project_id, "project") as lease:
                    if lease is None:
                        return  # its holder looks for messages before it lets go
                    await self._advance(lease, project_id)
            except LeaseLost as lost:
                log.warning("lease lost", extra={"why": str(lost)})
            await self._ring_again(project_id)

    async def _advance(self, lease: Lease, project_id: UUID) -> None:
        records = self.workshop.records(lease, project_id)
        context = self.workshop.maestro(lease, records, await records.project())
        try:
            while messages := await self.mailbox.pending(project_id):
                await self._handle(context, messages)
        except (asyncio.CancelledError, LeaseLost):
            context.give_up()
            raise
        finally:
            await context.close()

    async def _handle(self, context: MaestroContext, messages: list[AgentMessage]) -> None:
        """Run the graph from the project's phase, once for all messages that wait."""
        handled = tuple(message.id for message in messages)
        try:
            events = {message.payload.get("event") for message in messages}
            project = await steer(context, messages)
            if Happening.show in events:
                context.announce(project, due=True)
            if project.phase is Phase.done or not goes_on(project):
                context.announce(project)  # the last word may have been lost
            elif events != {Happening.show}:
                async with self.leases.patience(context.project_id):
                    await maestro.run(context, project.phase)
            await context.flush()
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a job
            await self._project_failed(context, error, handled)
            return
        await context.records.write(Handled(handled))

    async def _project_failed(self, context: MaestroContext, error: Exception, handled: tuple[UUID, ...]) -> None:
        """Pause, try again later, or ask a person; to ask, and to cancel, is tried again for as long as it takes."""
        failure = classify(error)
        tries = await self.mailbox.tries(context.project_id)
        agent_error = self._error(context.project_id, AgentRole.maestro, failure, error, tries)
        # What fails is one of the messages, or else the graph: those after it haven't been looked at.
        failing, context.obeying = context.obeying, None
        done = handled[: handled.index(failing) + 1] if failing else handled
        given_up = (Obeyed(failing),) if failing else ()  # the others, a `cancel` perhaps, don't wait for it for ever
        if isinstance(error, ProjectHeld | BudgetExceeded):
            why = Pause(refusal=_refusal(error))
            await pause(context, await context.records.project(), why, agent_error, Handled(done))
            return
        decision = decide(
            agent_error, 1, 1, self.jitter(), transient=failure.transient, retry_after=failure.retry_after
        )
        project = await context.records.project()
        match decision:
            case Retry(delay):
                await context.records.write(agent_error, Postponed(handled, delay, counted=not failure.is_limit))
            case Reflect() | Escalate() if project.phase is Phase.done:  # what was asked of it after its end
                await context.records.write(agent_error, Handled(done))
            case Reflect() | Escalate() if project.phase in UNTIL_IT_WORKS or (
                project.phase is Phase.settle and failure.transient
            ):
                await context.records.write(agent_error, *given_up, Postponed(handled, 60.0))
            case Reflect() | Escalate() if project.phase is Phase.settle:
                # What was delivered stays so: that it can't be tidied up after is for the operator.
                changes = {"status": ProjectStatus.merged, "reason": None, "finished_at": self.clock()}
                await context.move(project, Phase.done, agent_error, *given_up, Postponed(handled, 0.0), **changes)
            case Reflect() | Escalate():
                later = Postponed(handled, 0.0)
                await context.move(project, Phase.escalate, agent_error, *given_up, later, reason=failure.message)

    async def run_tasks(self) -> None:
        """Use a free slot: do a round of the task that is next, and so on, until none waits."""
        until = self.clock() + SLOT
        while self.clock() < until and await self.leases.waits(self.most_of_repository):
            if not await self._run_held(self.leases.hold_next(self.most_of_repository)):
                return

    async def run_task(self, task_id: UUID) -> None:
        """Do a round of a task from where it was left; without its TASK message nothing is done."""
        await self._run_held(self.leases.hold(task_id, "task"))

    async def _run_held(self, holding: Holding) -> bool:
        """Do a round of the task that is held; return whether one was."""
        try:
            async with holding as lease:
                if lease is not None:
                    await self._run_task(lease, lease.subject)
                return lease is not None
        except LeaseLost as lost:
            log.warning("lease lost", extra={"why": str(lost)})
            return True

    async def _run_task(self, lease: Lease, task_id: UUID) -> None:
        messages = [m for m in await self.mailbox.pending(task_id) if m.message_type is MessageType.TASK]
        if not messages:
            return
        project_id = messages[0].correlation_id
        with bound(project=project_id, task=task_id):
            records = self.workshop.records(lease, project_id)
            project = await records.project()
            task = next(task for task in await records.tasks(superseded=True) if task.id == task_id)
            if task.status.ended or project.status.ended:
                await records.write(Handled(tuple(message.id for message in messages)))
                return
            if project.held or project.status is ProjectStatus.paused:
                await self._block(records, project, task, messages)
                return
            task = task.model_copy(update={"status": TaskStatus.running, "started_at": task.started_at or self.clock()})
            await records.write(task)
            log.info("task begun", extra={"agent": task.assigned_agent, "round": task.round})
            try:
                async with self.leases.patience(task_id):
                    await self.workshop.build(lease, records, project, task)
            except LeaseLost:
                raise
            except (ProjectHeld, BudgetExceeded) as error:
                now = next(task for task in await records.tasks(superseded=True) if task.id == task_id)
                await self._block(records, project, now, messages, error)
            except Exception as error:  # noqa: BLE001 - the boundary of a job
                await self._task_failed(records, task_id, error, messages)

    async def _block(
        self,
        records: Records,
        project: Project,
        task: Task,
        messages: list[AgentMessage],
        error: Exception | None = None,
    ) -> None:
        """Have the task wait, without a worker, until the project goes on; nothing of it counts as an attempt."""
        refusal = _refusal(error)
        known = [self._error(task.id, task.assigned_agent, classify(error), error, 0)] if error else []
        told = AgentMessage(
            id=uuid5(messages[0].id, f"blocked:{self.clock().isoformat()}"),
            sender=task.assigned_agent,
            recipient=AgentRole.maestro,
            message_type=MessageType.CONTEXT,
            payload={
                "project": str(project.id),
                "task": str(task.id),
                "event": Happening.blocked,
                "pauses": project.pauses,
                "refusal": refusal and refusal.model_dump(mode="json"),
            },
            timestamp=self.clock(),
            correlation_id=project.id,
        )
        waiting = task.model_copy(update={"status": TaskStatus.blocked})
        held = Postponed(tuple(message.id for message in messages), FOR_EVER, counted=False)
        await records.write(waiting, held, told, *known)

    async def _task_failed(
        self, records: Records, task_id: UUID, error: Exception, messages: list[AgentMessage]
    ) -> None:
        """Try the round again from its last saved point, or end the task and tell Maestro."""
        task = next(task for task in await records.tasks(superseded=True) if task.id == task_id)
        failure = classify(error)
        agent_error = self._error(task_id, task.assigned_agent, failure, error, await self.mailbox.tries(task_id))
        handled = tuple(message.id for message in messages)
        if task.status.ended:  # its end was written; what failed came after it, such as ringing for Maestro
            await records.write(agent_error)
            return
        match decide(agent_error, 1, 1, self.jitter(), transient=failure.transient, retry_after=failure.retry_after):
            case Retry(delay):
                await records.write(agent_error, Postponed(handled, delay, counted=not failure.is_limit))
            case Reflect() | Escalate():
                before = task.result or TaskResult()
                failed = task.model_copy(
                    update={
                        "status": TaskStatus.failed,
                        "completed_at": self.clock(),
                        "result": before.model_copy(update={"failure": failure.message}),
                    }
                )
                message = result_message(failed, MessageType.ERROR, self.clock())
                await records.write(agent_error, failed, Handled(handled), message)
                count(failed)

    def _error(self, subject: UUID, agent: AgentRole, failure: Failure, error: Exception, tries: int) -> AgentError:
        if failure.error_type == "internal":
            log.exception("internal error", exc_info=error)
        return AgentError(
            task_id=subject,
            agent=agent,
            error_type=failure.error_type,
            message=redact(failure.message),
            stack_trace=redact("".join(traceback.format_exception(error))),
            timestamp=self.clock(),
            retry_count=tries,
            max_retries=tries + 1 if failure.is_limit else MOST_RETRIES.get(failure.error_type, 0),
        )

    async def _ring_again(self, subject: UUID) -> None:
        """Ring for messages that came between the last look and letting go of the lease."""
        for message in await self.mailbox.pending(subject):
            await self.queue.message(message, subject, ring=-1)


def _refusal(error: Exception | None) -> Refusal | None:
    """Return the cap that a call would have passed; None where the project was held."""
    found = getattr(error, "refusal", None)
    return found if isinstance(found, Refusal) else None
