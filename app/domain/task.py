"""Tasks: units of work for one agent, and the graph that orders them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from app.domain.concerns import Concern
from app.domain.roles import AgentRole

WILD = re.compile(r"[*?]|\[[^]]*\]")  # what fnmatch doesn't take literally


class TaskStatus(StrEnum):
    """The life of a task (the names are a contract)."""

    pending = "pending"  # a dependency isn't completed yet
    ready = "ready"  # may be taken by a worker
    running = "running"  # a worker holds its lease
    blocked = "blocked"  # waits for a person, a budget or a store
    completed = "completed"
    failed = "failed"  # its attempts are used up
    cancelled = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether no worker will touch the task again by itself."""
        return self in {TaskStatus.completed, TaskStatus.failed, TaskStatus.cancelled}


class TaskResult(BaseModel):
    """What a finished task leaves: its commit, its own words, and why it failed if it did."""

    model_config = ConfigDict(frozen=True)

    commit: str | None = None  # sha of the last attempt's commit
    summary: str = ""
    failure: str | None = None
    lessons: tuple[str, ...] = ()  # reflexions, oldest first
    commits: dict[str, str] = {}  # by `Concern.key`, where a concern has a commit of its own

    def commit_for(self, concern: str) -> str | None:
        """Return the commit that a concern was answered by."""
        return self.commits.get(concern, self.commit)


class Task(BaseModel):
    """One row of `tasks`."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    project_id: UUID
    key: str  # t1, t2, …: short, stable within the project
    title: str
    description: str
    assigned_agent: AgentRole
    dependencies: tuple[UUID, ...] = ()
    status: TaskStatus = TaskStatus.pending
    priority: int = 0  # higher goes first
    footprint: tuple[str, ...] = ()  # paths and globs that it expects to touch
    requirements: tuple[str, ...] = ()  # REQ ids
    branch: str
    base_sha: str | None = None  # what its worktree was made from
    round: int = 0  # how often it was sent back
    feedback: tuple[str, ...] = ()  # why it was sent back, oldest first
    concerns: tuple[Concern, ...] = ()  # what it answers, where it follows up on the pull request
    attempts: int = 0
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    result: TaskResult | None = None
    superseded: bool = False  # of a plan that is no more: it counts for nothing, and is kept as history

    @property
    def follows_up(self) -> bool:
        """Whether it changes work that had passed its checkpoints without it."""
        return bool(self.concerns) or self.key == REVIEW_KEY


REVIEW_KEY = "review"  # of the task that mends what the code reviewer found


def task_id(project_id: UUID, plan: int, key: str) -> UUID:
    """Return the id of a task of the project's plan number `plan`; another plan's task of that key is another one."""
    return uuid5(project_id, f"{plan}:{key}")


class PlanError(ValueError):
    """A plan that can't be carried out; its message is for the model that made it."""


@dataclass(frozen=True)
class Node:
    """A task as far as ordering it goes."""

    key: str
    dependencies: tuple[str, ...]
    footprint: tuple[str, ...]
    priority: int = 0


def footprints_meet(one: Iterable[str], other: Iterable[str]) -> bool:
    """Tell whether two footprints may touch the same path; an empty one meets everything."""
    left, right = tuple(one), tuple(other)
    if not left or not right:
        return True
    return any(_paths_meet(a, b) for a in left for b in right)


def _paths_meet(a: str, b: str) -> bool:
    a, b = _plain(a), _plain(b)
    if not a or not b or a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/"):
        return True
    return any(_globs_meet(one, other) for one in _reach(a) for other in _reach(b))


def _plain(path: str) -> str:
    """Return the one way of writing a path; the repository's root is empty."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _reach(path: str) -> tuple[str, ...]:
    """Return a path, and what is below it where it may be a directory."""
    return (path,) if "." in path.rpartition("/")[2] or WILD.search(path) else (path, f"{path}/*")


def _globs_meet(a: str, b: str) -> bool:
    """Tell whether a path may match both; of two globs only what is literal at both ends is compared."""
    if not WILD.search(a) or not WILD.search(b):
        return fnmatchcase(a, b) or fnmatchcase(b, a)
    (head, tail), (other_head, other_tail) = _ends(a), _ends(b)
    heads = head.startswith(other_head) or other_head.startswith(head)
    return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))


def _ends(glob: str) -> tuple[str, str]:
    parts = WILD.split(glob)
    return parts[0], parts[-1]


def topological_order(dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the keys so that each follows its dependencies; raise `PlanError` on a cycle or a stranger."""
    for key, needs in dependencies.items():
        for need in needs:
            if need not in dependencies:
                raise PlanError(f"Task {key} depends on {need}, which is not in the plan.")
    ordered: list[str] = []
    remaining: dict[str, set[str]] = {key: set(needs) for key, needs in dependencies.items()}
    while remaining:
        free = [key for key, unmet in remaining.items() if not unmet]
        if not free:
            raise PlanError(f"These tasks depend on each other in a circle: {', '.join(sorted(remaining))}.")
        ordered += free
        for key in free:
            del remaining[key]
        for unmet in remaining.values():
            unmet.difference_update(free)
    return ordered


def serialise_overlaps(nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """Return each task's dependencies, with one added wherever footprints of unordered tasks meet.

    Of two such tasks the one that comes first in the order (dependencies, then priority) goes first.
    """
    by_priority = sorted(nodes, key=lambda node: -node.priority)
    order = topological_order({node.key: node.dependencies for node in by_priority})
    rank = {key: position for position, key in enumerate(order)}
    by_turn = sorted(nodes, key=lambda node: rank[node.key])
    result = {node.key: node.dependencies for node in nodes}
    behind: dict[str, set[str]] = {}
    for position, node in enumerate(by_turn):
        before = set().union(*({need} | behind[need] for need in result[node.key])) if result[node.key] else set()
        for earlier in by_turn[:position]:
            if earlier.key not in before and footprints_meet(earlier.footprint, node.footprint):
                result[node.key] = (*result[node.key], earlier.key)
                before |= {earlier.key} | behind[earlier.key]
        behind[node.key] = before
    return result
