"""What a repository may say about itself in `.github/aurora.yml` on its default branch."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PATH = ".github/aurora.yml"


class MergePolicy(StrEnum):
    """When a verified pull request is merged."""

    auto = "auto"  # at once
    on_approval = "on-approval"  # when a person with write permission approved its current head
    never = "never"  # a person merges


class PlanApproval(StrEnum):
    """When a person must approve the plan before agents start."""

    always = "always"
    large = "large"  # more than three tasks
    never = "never"


class CommandSettings(BaseModel):
    """Commands that replace what a checkpoint would find out by itself; each runs in the sandbox."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    types: str | None = None
    lint: str | None = None
    format: str | None = None
    tests: str | None = None


class LabelSettings(BaseModel):
    """The names of the labels that start and describe a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: str = "aurora"
    working: str = "aurora: working"
    waiting: str = "aurora: waiting"
    done: str = "aurora: done"
    escalated: str = "aurora: escalated"


class RepositorySettings(BaseModel):
    """`.github/aurora.yml`; every key is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    merge: MergePolicy = MergePolicy.on_approval
    plan_approval: PlanApproval = PlanApproval.never
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    budget: Annotated[float, Field(gt=0)] | None = None  # US dollars per project, within the operator's cap
    setup: str | None = None  # how the environment is installed; runs once per lock digest, with network
    checkpoints: CommandSettings = CommandSettings()
    protected_paths: tuple[str, ...] = ()  # globs that no change may touch
    labels: LabelSettings = LabelSettings()
