"""What Maestro's nodes work with, and the few moves that all of them make."""

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypedDict
from uuid import UUID, uuid5

from langgraph.graph import END
from langgraph.types import Command

from app.domain.conversation import Happening
from app.domain.messages import AgentMessage, MessageType, notice
from app.domain.ports import (
    Archive,
    Call,
    Checkers,
    Clock,
    Clone,
    Clones,
    Comment,
    Effects,
    Fact,
    Forge,
    Forgetful,
    Journal,
    Later,
    Memories,
    Outcome,
    Records,
    Shown,
    Step,
    Thinker,
    Unkept,
)
from app.domain.project import Phase, Project, ProjectStatus
from app.domain.remarks import is_bot
from app.domain.repository_settings import MergePolicy
from app.domain.roles import AgentRole
from app.domain.task import Task
from app.errors import NotFound
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
    most_budget_usd: float = 5.0  # to which people may raise a project's cap
    label: str = "aurora"  # that starts a run
    public_url: str | None = None
    web_url: str = "https://github.com"
    show_every: float = 0.0  # seconds from one edit of a progress comment to the next, at least
    allowed_bots: frozenset[str] = frozenset()  # that are listened to as people are


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
    memories: Memories = field(default_factory=Forgetful)
    archive: Archive = field(default_factory=Unkept)
    background: set[asyncio.Task[None]] = field(default_factory=set)
    obeying: UUID | None = None  # the message that is being carried out
    _latest: Project | None = None  # to be announced
    _due: bool = False  # whether the progress comment may be edited, whenever that was done last
    _announcer: asyncio.Task[None] | None = None
    _shown_label: str | None = ""

    async def clone(self, project: Project) -> Clone:
        """Return the repository's mirror."""
        return await self.clones.of(project.repository, sign_off=project.ways.sign_off)

    def prepare_ahead(self, clone: Clone, project: Project) -> None:
        """Install the repository's environment and take its baseline while models are being asked."""
        settings = project.settings
        work = self.checkers.prepare(clone, project.base_sha or "", settings.checkpoints, settings.setup)
        self.background.add(asyncio.create_task(work))

    def give_up(self) -> None:
        """Let go of what was begun: another one has the project, or nobody needs it any more."""
        for task in (*self.background, *([self._announcer] if self._announcer else [])):
            task.cancel()

    async def close(self) -> None:
        """Finish what was begun; what is wrong with it shows where it is needed."""
        if self._announcer is not None:
            self.background.add(self._announcer)
        for error in await asyncio.gather(*self.background, return_exceptions=True):
            if isinstance(error, BaseException):
                log.info("background work failed", extra={"why": str(error)})

    def url(self, project: Project) -> str:
        """Return the address of the repository's page."""
        return f"{self.policy.web_url}/{project.repository.full_name}"

    def call(self, step: Step, scope: str, role: AgentRole = AgentRole.maestro) -> Call:
        """Name one of Maestro's own model calls."""
        return Call(self.project_id, None, role, step, 1, scope)

    async def move(self, project: Project, phase: Phase, *facts: Fact, **changes: object) -> Project:
        """Write the project with its next phase, and `facts`, in one transaction; return it as it is now."""
        moved = consistent(project.model_copy(update={"phase": phase, **changes}))
        await self.records.write(moved, *facts)
        log.info("project moved", extra={"phase": moved.phase, "status": moved.status})
        return moved

    def announce(self, project: Project, *, due: bool = False) -> None:
        """Bring label and progress comment up to date soon; what is overtaken meanwhile isn't shown.

        The comment has to wait while it was written just before, unless that wait is over: `due`.
        """
        if project.muted:
            return
        self._latest, self._due = project, self._due or due
        if self._announcer is None or self._announcer.done():
            if self._announcer is not None:
                self.background.add(self._announcer)  # what went wrong with it is looked at in the end
            self._announcer = asyncio.create_task(self._announce_latest())

    async def flush(self) -> None:
        """Wait until everything announced is shown; raises `Transient` or `ForgeError` when it can't be."""
        if self._announcer is not None:
            try:
                await self._announcer
            except NotFound:
                log.info("the issue is gone, so nobody is told")

    async def _announce_latest(self) -> None:
        while (project := self._latest) is not None:
            self._latest = None
            await self._label(project)
            await self._show(project)

    async def _show(self, project: Project) -> None:
        """Write the progress comment where it says something new: now, or when it may be edited again."""
        due, self._due = self._due, False
        tasks, last = await self.records.tasks(), await self.records.project()
        say = partial(render.progress, tasks=tasks, repository_url=self.url(project))
        timeless = say(project.model_copy(update={"finished_at": None}), now=project.created_at)
        digest = hashlib.sha256(timeless.encode()).hexdigest()[:16]
        if digest == last.shown:
            return
        if last.shown_at and not due and (wait := self._wait(last.shown_at)) > 0:
            now = self.clock()
            later = notice(uuid5(project.id, f"show:{now.isoformat()}"), project.id, now, Happening.show)
            await self.records.write(Later(later, wait))
            return
        body = say(project, now=self.clock())
        comment, written = await self.comment_once(project, "progress", "", body)
        if not written:
            await self.forge.edit_comment(comment, body)
        await self.records.write(Shown(self.clock(), digest))

    def _wait(self, shown_at: datetime) -> float:
        """Return the seconds until the progress comment may be edited again; clocks of workers differ."""
        return min(self.policy.show_every, self.policy.show_every - (self.clock() - shown_at).total_seconds())

    async def _label(self, project: Project) -> None:
        """Leave exactly one of the labels that describe a run on the issue: the last one, where there were several."""
        labels = project.settings.labels
        wanted = state_label(project)
        if wanted != self._shown_label and (await self.records.last_run()).id == project.id:
            others = {labels.working, labels.waiting, labels.done, labels.escalated} - {wanted}
            present = set((await self.forge.issue(project.issue_number)).labels)
            add = [wanted] if wanted and wanted not in present else []
            await self.forge.change_labels(project.issue_number, add, sorted(others & present))
            self._shown_label = wanted

    async def comment_once(
        self, project: Project, kind: str, occurrence: str, text: str, number: int | None = None
    ) -> tuple[int, bool]:
        """Write a comment on the issue, or on the pull request `number`, unless that was done.

        Returns its id and whether it was written now.

        A comment whose writing was not recorded is found again by the hidden marker of kind and occurrence.
        """
        written = False
        marker = render.marker(kind, project.id, occurrence)
        where = number or project.issue_number

        async def act() -> Outcome:
            nonlocal written
            written = True
            body = text if marker in text else f"{marker}\n{text}"
            return {"id": await self.forge.comment(where, body)}

        async def find() -> Outcome | None:
            found = await self.forge.find_comment(where, marker)
            return {"id": found} if found is not None else None

        outcome = await self.effects.once(f"comment.{kind}.{occurrence}", act, find)
        return outcome["id"], written

    async def comments_of_writers(self, project: Project) -> list[Comment]:
        """Return the comments of the people whom the app does the work for, oldest first."""
        every = await self.forge.comments(project.issue_number)
        comments = [comment for comment in every if not comment.by_this_app]
        writers = await self.writers({comment.author for comment in comments})
        return [comment for comment in comments if comment.author in writers]

    async def writers(self, logins: Iterable[str]) -> set[str]:
        """Return those who may write, each asked for once; other apps may too, and aren't listened to unless listed."""
        heard = sorted(one for one in set(logins) if not is_bot(one) or one in self.policy.allowed_bots)
        standings = await asyncio.gather(*(self.forge.permission(one) for one in heard))
        return {one for one, standing in zip(heard, standings, strict=True) if standing.may_write}

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


def consistent(project: Project) -> Project:
    """Return a project without an end where it goes on, and out of the line where it can't be merged."""
    over = project.status.ended or project.status is ProjectStatus.open
    changes = {} if over else {"finished_at": None}  # what was open may go on
    changes |= {} if project.may_queue else {"queued_at": None, "turn_at": None}
    return project.model_copy(update=changes) if changes else project


def state_label(project: Project) -> str | None:
    """Return the label that says how a run stands; None when none should."""
    labels = project.settings.labels
    match project.status:
        case ProjectStatus.waiting | ProjectStatus.paused:
            return labels.waiting
        case ProjectStatus.open | ProjectStatus.merged:
            return labels.done
        case ProjectStatus.escalated:
            return labels.escalated
        case ProjectStatus.cancelled:
            return None
        case _:
            return labels.working
