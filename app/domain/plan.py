"""A plan: the tasks into which a model cuts the requirements, before they have ids and branches."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.domain.requirements import Line
from app.domain.task import Node, PlanError, topological_order

Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
LINES = re.compile(r":\d+(-\d+)?$")  # that some models write behind a path


def _path(value: object) -> object:
    return LINES.sub("", value.strip()).removeprefix("./") if isinstance(value, str) else value


Path = Annotated[str, BeforeValidator(_path), StringConstraints(min_length=1, max_length=300)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=8_000)]


class Kind(StrEnum):
    """What kind of work a task is; a role is chosen by it."""

    backend = "backend"
    frontend = "frontend"
    database = "database"
    integration = "integration"  # several parts together, or none of the others
    tests = "tests"
    devops = "devops"
    documentation = "documentation"
    architecture = "architecture"


def _kind(value: object) -> object:
    """Take an unknown word for general work rather than refuse a good plan over it."""
    return value if isinstance(value, str) and value in Kind.__members__ else Kind.integration


class PlannedTask(BaseModel):
    """One task of a plan."""

    model_config = ConfigDict(frozen=True)

    key: Key = Field(examples=["t1"])
    title: Line
    description: Description = ""
    kind: Annotated[Kind, BeforeValidator(_kind)] = Kind.integration
    dependencies: tuple[Key, ...] = Field(default=(), description="keys of tasks that must be finished first")
    footprint: tuple[Path, ...] = Field(default=(), description="paths of the files that it creates or changes")
    priority: Annotated[int, Field(ge=0, le=100)] = Field(default=0, description="0 to 100, higher first")
    requirements: tuple[str, ...] = Field(default=(), examples=["REQ-001"])


class Plan(BaseModel):
    """The answer of the plan step."""

    model_config = ConfigDict(frozen=True)

    tasks: tuple[PlannedTask, ...] = Field(min_length=1, max_length=20)

    def nodes(self) -> list[Node]:
        """Return the tasks as far as ordering them goes."""
        return [Node(task.key, task.dependencies, task.footprint, task.priority) for task in self.tasks]


def check_plan(plan: Plan, requirements: tuple[str, ...]) -> None:
    """Raise `PlanError`, in words for the model, where the plan repeats itself, runs in a circle or leaves gaps."""
    keys = [task.key for task in plan.tasks]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise PlanError(f"These keys name more than one task: {', '.join(repeated)}.")
    topological_order({task.key: task.dependencies for task in plan.tasks})
    named = {requirement for task in plan.tasks for requirement in task.requirements}
    if len(plan.tasks) > 1 and (strangers := sorted(named - set(requirements))):
        raise PlanError(f"The issue has no such requirements: {', '.join(strangers)}.")
    if len(plan.tasks) > 1 and (missing := [name for name in requirements if name not in named]):
        raise PlanError(f"No task meets these requirements: {', '.join(missing)}.")


def join_overlapping(plan: Plan) -> Plan:
    """Make one task of tasks of one kind that name the very same files: they could only wait for each other.

    A plan in which that would make a circle is returned as it is.
    """
    groups: dict[tuple[Kind, frozenset[str]], list[PlannedTask]] = {}
    for task in plan.tasks:
        groups.setdefault((task.kind, frozenset(task.footprint)), []).append(task)
    into = {task.key: group[0].key for group in groups.values() for task in group}
    joined = Plan(tasks=tuple(_join(group, into) for group in groups.values()))
    try:
        topological_order({task.key: task.dependencies for task in joined.tasks})
    except PlanError:
        return plan
    return joined


def _join(group: list[PlannedTask], into: Mapping[str, str]) -> PlannedTask:
    first = group[0]
    needs = dict.fromkeys(into[key] for task in group for key in task.dependencies)
    return first.model_copy(
        update={
            "title": "; ".join(task.title for task in group)[:500],
            "description": "\n".join(task.description for task in group if task.description)[:8_000],
            "dependencies": tuple(key for key in needs if key != first.key),
            "footprint": tuple(dict.fromkeys(first.footprint)),
            "priority": max(task.priority for task in group),
            "requirements": tuple(dict.fromkeys(name for task in group for name in task.requirements)),
        }
    )
