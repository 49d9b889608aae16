"""Rows become values of the domain, and values become parameters; shapes as in the migrations."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from app.domain.checks import CheckResult
from app.domain.messages import AgentMessage
from app.domain.ports import ModelCall
from app.domain.project import Project, Repository
from app.domain.task import Task
from app.storage.pool import storable

Row = asyncpg.Record


def project(row: Row) -> Project:
    """Read a row of `projects`."""
    repository = Repository(full_name=row["repository"], installation_id=row["installation_id"])
    return Project.model_validate({**row, "repository": repository})


def project_parameters(value: Project) -> Sequence[Any]:
    """Return the parameters of `projects.save`."""
    return (
        value.id, value.title, value.requested_by, value.status, value.phase,
        value.base_branch, value.base_sha, value.head_sha,
        [requirement.model_dump(mode="json") for requirement in value.requirements],
        value.settings.model_dump(mode="json"),
        value.pull_request and value.pull_request.model_dump(mode="json"),
        value.reason, list(value.notes), value.rounds, value.finished_at, value.budget_usd,
        value.review and value.review.model_dump(mode="json"), value.request,
        value.pause and value.pause.model_dump(mode="json"), value.pauses, value.budget_set,
        value.onto, value.plans, value.approved, list(value.guidance), value.merge_asked, value.queued_at,
        value.base_moves, value.check_fixes, value.muted, value.turn_at, value.plan_comment, value.retries,
        value.ways.model_dump(mode="json"), list(value.follows),
    )  # fmt: skip


def task(row: Row) -> Task:
    """Read a row of `tasks`."""
    return Task.model_validate(dict(row))


def task_parameters(value: Task) -> Sequence[Any]:
    """Return the parameters of `tasks.save`."""
    return (
        value.id, value.project_id, value.key, value.title, value.description, value.assigned_agent,
        value.dependencies, value.status, value.priority, _texts(value.footprint), _texts(value.requirements),
        value.branch, value.base_sha, value.round, list(value.feedback), value.attempts,
        value.created_at, value.started_at, value.completed_at,
        value.result and value.result.model_dump(mode="json"),
        [concern.model_dump(mode="json") for concern in value.concerns], value.superseded,
    )  # fmt: skip


def _texts(values: Sequence[str]) -> list[str]:
    return [storable(value) for value in values]  # codecs reach into no arrays


def message(row: Row) -> AgentMessage:
    """Read a row of `agent_messages`."""
    return AgentMessage.model_validate({name: row[name] for name in AgentMessage.model_fields})


def check(row: Row) -> CheckResult:
    """Read a row of `test_results`."""
    return CheckResult.model_validate(dict(row))


def model_call(row: Row) -> ModelCall:
    """Read a row of `usage.of_project`."""
    return ModelCall(**{name: row[name] for name in ModelCall.__dataclass_fields__})
