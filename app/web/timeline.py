"""A project's time: what ran when, beside what it had to wait for. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.board import AttemptView, ProjectView, TaskView
from app.domain.project import ProjectStatus
from app.domain.task import TaskStatus

SCALE = 1000.0  # of a picture's width
LEAST = 2.0  # of that, which anything takes, so that it can be seen
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)  # seconds
MOST_STEPS = 6
STILL = {ProjectStatus.waiting, ProjectStatus.open, ProjectStatus.paused}  # nobody works; time doesn't count


@dataclass(frozen=True)
class Segment:
    """Something that took time, in units of the picture."""

    start: float
    width: float
    kind: str  # waiting, running, failed, completed, thinking
    label: str


@dataclass(frozen=True)
class Row:
    """One line of the picture."""

    key: str  # of the task; empty for Maestro
    title: str
    segments: tuple[Segment, ...]
    is_critical: bool


@dataclass(frozen=True)
class Timeline:
    """What is drawn."""

    rows: tuple[Row, ...]
    ticks: tuple[float, ...]  # seconds after the beginning, evenly apart; the last one is the right edge
    seconds: float  # from the beginning to the end, or until now


def critical(tasks: Sequence[TaskView], seconds: Mapping[UUID | None, float]) -> tuple[UUID, ...]:
    """Return the chain of tasks, each waiting for the one before, whose models took longest."""
    by_id = {task.id: task for task in tasks}
    best: dict[UUID, tuple[float, tuple[UUID, ...]]] = {}

    def chain(identity: UUID) -> tuple[float, tuple[UUID, ...]]:
        if identity not in best:
            best[identity] = (0.0, ())  # a circle, which no plan has, ends here
            needs = [chain(need) for need in by_id[identity].dependencies if need in by_id]
            length, way = max(needs, key=lambda one: one[0], default=(0.0, ()))
            best[identity] = (length + seconds.get(identity, 0.0), (*way, identity))
        return best[identity]

    length, way = max((chain(task.id) for task in tasks), key=lambda one: one[0], default=(0.0, ()))
    return way if length else ()


def timeline(project: ProjectView, now: datetime) -> Timeline:
    """Lay out a project's attempts until its end, or until now while somebody works at it."""
    end = project.finished_at or (_last(project) if project.status in STILL else now)
    seconds = max((end - project.created_at).total_seconds(), 1.0)
    ticks = _ticks(seconds)
    ruler = _Ruler(project.created_at, end, ticks[-1])
    spent: dict[UUID | None, float] = {}
    for attempt in project.attempts:
        spent[attempt.task_id] = spent.get(attempt.task_id, 0.0) + attempt.model_seconds
    chain = set(critical(project.tasks, spent))
    own = [attempt for attempt in project.attempts if attempt.task_id is None]
    rows = [Row("", "Maestro", tuple(ruler.thinking(attempt) for attempt in own), is_critical=True)] if own else []
    for task in sorted(project.tasks, key=lambda task: (task.started_at is None, task.started_at or task.created_at)):
        attempts = [attempt for attempt in project.attempts if attempt.task_id == task.id]
        rows.append(Row(task.key, task.title, _segments(task, attempts, ruler), task.id in chain))
    return Timeline(tuple(rows), ticks, seconds)


@dataclass(frozen=True)
class _Ruler:
    """Turns moments into places."""

    begin: datetime
    end: datetime
    length: float  # seconds that the whole picture covers

    def segment(self, start: datetime, end: datetime | None, kind: str, label: str) -> Segment:
        left, right = self._at(start), self._at(end or self.end)
        return Segment(round(left, 2), round(max(right - left, LEAST), 2), kind, label)

    def thinking(self, attempt: AttemptView) -> Segment:
        return self.segment(attempt.started_at, attempt.ended_at, "thinking", f"{attempt.step}, {attempt.calls} calls")

    def _at(self, moment: datetime) -> float:
        return min(max((moment - self.begin).total_seconds() / self.length, 0.0), 1.0) * SCALE


def _segments(task: TaskView, attempts: Sequence[AttemptView], ruler: _Ruler) -> tuple[Segment, ...]:
    """Show each attempt until the next one begins; what came before the first is waiting."""
    begins = [attempt.started_at for attempt in attempts]
    ended = task.completed_at if task.status.ended else ruler.end
    first = task.started_at or (begins[0] if begins else None)
    found = []
    if task.created_at < (first or ended or ruler.end):
        found.append(ruler.segment(task.created_at, first or ended, "waiting", "waits"))
    for number, attempt in enumerate(attempts):
        is_last = number + 1 == len(attempts)
        kind = _kind(task) if is_last else "failed"
        label = f"attempt {attempt.attempt}{f', round {attempt.round + 1}' if attempt.round else ''}"
        until = ended if is_last else begins[number + 1]
        found.append(ruler.segment(first if number == 0 and first else attempt.started_at, until, kind, label))
    if not attempts and first:
        found.append(ruler.segment(first, ended, _kind(task), "at work"))
    return tuple(found)


def _kind(task: TaskView) -> str:
    match task.status:
        case TaskStatus.completed | TaskStatus.failed as ended:
            return ended.value
        case TaskStatus.cancelled:
            return "waiting"
        case _:
            return "running"


def _last(project: ProjectView) -> datetime:
    """Return when something was done the last time."""
    moments = [project.created_at, *(check.completed_at for check in project.checks)]
    moments += [attempt.ended_at for attempt in project.attempts if attempt.ended_at]
    return max(moments + [task.completed_at for task in project.tasks if task.completed_at])


def _ticks(seconds: float) -> tuple[float, ...]:
    day = STEPS[-1]
    step = next((step for step in STEPS if seconds / step <= MOST_STEPS), math.ceil(seconds / MOST_STEPS / day) * day)
    return tuple(float(step * number) for number in range(math.ceil(seconds / step) + 1))
