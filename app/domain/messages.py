"""Messages between Maestro and the agents; they are how work moves."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.domain.roles import AgentRole


class MessageType(StrEnum):
    """What a message is for (the names are a contract)."""

    TASK = "TASK"  # do this
    RESULT = "RESULT"  # this is done
    CONTEXT = "CONTEXT"  # something happened that you should know: an answer, an approval, a review
    ERROR = "ERROR"  # this could not be done


class AgentMessage(BaseModel):
    """One row of `agent_messages`; the payload says what happened, and names by id what the tables hold of it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    sender: AgentRole
    recipient: AgentRole
    message_type: MessageType
    payload: dict[str, Any]
    timestamp: datetime
    correlation_id: UUID  # the project


def notice(identity: UUID, project: UUID, at: datetime, event: str, **more: Any) -> AgentMessage:
    """Tell Maestro what happened to a project; `identity` is the same whenever the same thing is told again."""
    return AgentMessage(
        id=identity,
        sender=AgentRole.maestro,
        recipient=AgentRole.maestro,
        message_type=MessageType.CONTEXT,
        payload={"project": str(project), "event": event, **more},
        timestamp=at,
        correlation_id=project,
    )
