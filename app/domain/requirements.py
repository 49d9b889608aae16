"""Requirements: what an issue asks for, in a form that can be planned and checked."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Requirement(BaseModel):
    """One thing that the issue asks for, with the criteria that show it was done."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^REQ-\d{3}$")] = Field(examples=["REQ-001"])
    title: Line
    criteria: tuple[Line, ...] = Field(min_length=1, max_length=20)


class ParsedIssue(BaseModel):
    """The answer of the parse step: requirements, or the questions that stand in their way."""

    model_config = ConfigDict(frozen=True)

    requirements: tuple[Requirement, ...] = Field(default=(), max_length=30)
    questions: tuple[Line, ...] = Field(default=(), max_length=5)
