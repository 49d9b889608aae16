"""What Maestro's nodes work with, and the few moves that all of them make."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import UUID, uuid5

from langgraph.graph import END
from langgraph.types import Command

from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import (
    Call,
    Checkers,
    Clock,
    Clone,
    Clones,
    Comment,
    Effects,
    Fact,
    Forge,
    Journal,
    Outcome,
    Records,
    Step,
    Thinker,
)
from app.domain.project import Phase, Project
from app.domain.repository_settings import MergePolicy
from app.domain.roles import AgentRole
from app.domain.task import Task
from app.github import render

log = logging.getLogger(__name__)

WAIT: Command[Any] = Command(goto=END)  # nothing to do until a message comes


class State(TypedDict):
    """What passes between the nodes of the graph: nothing but where to enter."""

    phase: Phase


@dataclass(frozen=True)
class Policy:
    """What the operator decides for all projects."""

    merge: MergePolicy | None = None  # overrides the repositories' own
    push_task_branches: bool = True
    app_login: str = "aurora[bot]"
    public_url: str | None = None
    web_url: str = "https://github.com"


@dataclass
class Context:
    """One project in the hands of the holder of its lease."""

    project_id: UUID
    records: Records
    effects: Effects
    journal: Journal
    forge: Forge
    clones: Clones
    checkers: Checkers
    thinker: Thinker
    clock: Clock
    policy: Policy
    background: set[asyncio.Task[None]] = field(default_factory=set)
    _announced: str = ""

    async def clone(self, project: Project) -> Clone:
        """Return the repository's mirror."""
        return await self.clones.of(project.repository)

    def prepare_ahead(self, clone: Clone, project: Project) -> None:
        """Install the repository's environment and take its baseline while models are being asked."""
        settings = project.settings
        work = self.checkers.prepare(clone, project.base_sha or "", settings.checkpoints, settings.setup)
        self.background.add(asyncio.create_task(work))

    async def close(self) -> None:
        """Finish what was begun ahead; what is wrong with it shows where it is needed."""
        for error in await asyncio.gather(*self.background, return_exceptions=True):
            if isinstance(error, BaseException):
                log.info("preparing ahead failed", extra={"why": str(error)})

    def url(self, project: Project) -> str:
        """Return the address of the repository's page."""
        return f"{self.policy.web_url}/{project.repository.full_name}"

    def call(self, step: Step, scope: str, role: AgentRole = AgentRole.maestro) -> Call:
        """Name one of Maestro's own model calls."""
        return Call(self.project_id, None, role, step, 1, scope)

    async def move(self, project: Project, phase: Phase, *facts: Fact, **changes: object) -> Project:
        """Write the project with its next phase, and `facts`, in one transaction; return it as it is now."""
        moved = project.model_copy(update={"phase": phase, **changes})
        await self.records.write(moved, *facts)
        return moved

    async def announce(self, project: Project) -> None:
        """Bring the progress comment up to date: one comment per project, edited in place."""
        tasks = await self.records.tasks()
        body = render.progress(project, tasks, self.clock(), repository_url=self.url(project))
        if body == self._announced:
            return
        comment, written = await self.comment_once(project, "progress", "", body)
        if not written:
            await self.forge.edit_comment(comment, body)
        self._announced = body

    async def comment_once(self, project: Project, kind: str, occurrence: str, text: str) -> tuple[int, bool]:
        """Write a comment on the issue unless that was done; return its id and whether it was written now.

        A comment whose writing was not recorded is found again by the hidden marker of kind and occurrence.
        """
        written = False
        marker = render.marker(kind, project.id, occurrence)

        async def act() -> Outcome:
            nonlocal written
            written = True
            body = text if marker in text else f"{marker}\n{text}"
            return {"id": await self.forge.comment(project.issue_number, body)}

        async def find() -> Outcome | None:
            comments = await self.forge.comments(project.issue_number)
            found = [comment.id for comment in comments if comment.by_this_app and marker in comment.body]
            return {"id": found[0]} if found else None

        outcome = await self.effects.once(f"comment.{kind}.{occurrence}", act, find)
        return outcome["id"], written

    async def comments_of_writers(self, project: Project) -> list[Comment]:
        """Return the comments of the people whom the app does the work for, oldest first."""
        every = await self.forge.comments(project.issue_number)
        comments = [comment for comment in every if not comment.by_this_app]
        authors = sorted({comment.author for comment in comments})
        standings = await asyncio.gather(*(self.forge.permission(author) for author in authors))
        writers = {author for author, standing in zip(authors, standings, strict=True) if standing.may_write}
        return [comment for comment in comments if comment.author in writers]

    async def relabel(self, project: Project, add: str | None) -> None:
        """Leave exactly one of the labels that describe a run on the issue."""
        labels = project.settings.labels
        states = {labels.working, labels.waiting, labels.done, labels.escalated}
        await self.forge.change_labels(project.issue_number, [add] if add else [], sorted(states - {add}))

    async def escalate(self, project: Project, reason: str, *facts: Fact) -> Command[Any]:
        """Go and ask a person, with the reason."""
        await self.move(project, Phase.escalate, *facts, reason=reason)
        return Command(goto=Phase.escalate.value)

    def task_message(self, task: Task) -> AgentMessage:
        """Say to a task's agent that it is to begin; one message for each round of the task."""
        return AgentMessage(
            id=uuid5(task.id, f"TASK:{task.round}"),
            sender=AgentRole.maestro,
            recipient=task.assigned_agent,
            message_type=MessageType.TASK,
            payload={"project": str(task.project_id), "task": str(task.id)},
            timestamp=self.clock(),
            correlation_id=task.project_id,
        )
