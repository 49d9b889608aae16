"""Tasks, messages and errors have the fields that the specification names."""

from dataclasses import fields
from datetime import datetime
from typing import get_type_hints
from uuid import UUID

from app.domain.messages import AgentMessage, MessageType
from app.domain.recovery import AgentError, ErrorType
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus


def test_an_error_has_just_these_fields():
    hints = get_type_hints(AgentError)
    assert [(field.name, hints[field.name]) for field in fields(AgentError)] == [
        ("task_id", UUID), ("agent", AgentRole), ("error_type", ErrorType), ("message", str),
        ("stack_trace", str | None), ("timestamp", datetime), ("retry_count", int), ("max_retries", int),
    ]  # fmt: skip


def test_a_message_has_just_these_fields():
    found = {name: field.annotation for name, field in AgentMessage.model_fields.items()}
    payload = found.pop("payload")
    assert str(payload).startswith("dict")
    assert found == {
        "id": UUID, "sender": AgentRole, "recipient": AgentRole, "message_type": MessageType,
        "timestamp": datetime, "correlation_id": UUID,
    }  # fmt: skip
    assert set(MessageType) == {"TASK", "RESULT", "CONTEXT", "ERROR"}


def test_a_task_has_these_fields_among_others():
    wanted = {
        "id": UUID, "project_id": UUID, "title": str, "description": str, "assigned_agent": AgentRole,
        "status": TaskStatus, "priority": int, "created_at": datetime, "started_at": datetime | None,
        "completed_at": datetime | None, "result": TaskResult | None,
    }  # fmt: skip
    hints = get_type_hints(Task)
    assert {name: hints[name] for name in wanted} == wanted
    assert "UUID" in str(hints["dependencies"])
