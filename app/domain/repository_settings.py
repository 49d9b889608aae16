"""What a repository may say about itself in `.github/aurora.yml` on its default branch."""

from enum import StrEnum
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

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


class SettingsError(ValueError):
    """`.github/aurora.yml` can't be used; each problem names its line and key."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep the problems, one sentence each."""
        super().__init__(" ".join(problems))
        self.problems = problems


def parse_settings(text: str) -> RepositorySettings:
    """Read the text of `.github/aurora.yml`; raises `SettingsError`."""
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"Line {mark.line + 1}" if mark else "The file"
        raise SettingsError(
            (f"{line} is not YAML: {getattr(error, 'problem', None) or 'unreadable'}.",)
        ) from None
    except RecursionError:
        raise SettingsError(("The file is nested too deeply.",)) from None
    try:
        return RepositorySettings.model_validate(values if values is not None else {})
    except ValidationError as error:
        raise SettingsError(tuple(_problem(document, item) for item in error.errors())) from None


def _problem(document: yaml.Node | None, item: ErrorDetails) -> str:
    node, key = document, ".".join(str(part) for part in item["loc"])
    for part in item["loc"]:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == part), node)
    line = node.start_mark.line + 1 if node is not None else 1
    return f"Line {line}, `{key or 'the file'}`: {item['msg']}."
