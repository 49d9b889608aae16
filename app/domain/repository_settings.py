"""What a repository may say about itself in `.github/aurora.yml` on its default branch."""

from enum import StrEnum
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

PATH = ".github/aurora.yml"
LARGEST = 50_000  # characters: parsing takes the worker's whole attention


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

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    types: str | None = None
    """The command that checks types, in place of the checker that the repository configures, or ty."""
    lint: str | None = None
    """The command that lints, in place of the linter that the repository configures, or ruff."""
    format: str | None = None
    """The command that formats."""
    tests: str | None = None
    """The command that runs the tests, in place of what the repository's files call for."""


class LabelSettings(BaseModel):
    """The names of the labels that describe a run; what starts one is the operator's `AURORA_TRIGGER_LABEL`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    working: str = "aurora: working"
    """While tasks are planned and worked on."""
    waiting: str = "aurora: waiting"
    """While a person has to answer or approve."""
    done: str = "aurora: done"
    """When the pull request is merged, or waits for its reviewers."""
    escalated: str = "aurora: escalated"
    """When a person has to take over."""


class RepositorySettings(BaseModel):
    """`.github/aurora.yml`; every key is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    merge: MergePolicy = MergePolicy.on_approval
    """When a verified pull request is merged: `auto` at once, `on-approval` when somebody with write permission has
    approved its current head, `never` by the app."""
    plan_approval: PlanApproval = PlanApproval.never
    """When somebody has to approve the plan before agents start: `always`, `large` (more than three tasks), `never`."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    """How many attempts a task has before a person is asked."""
    budget: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | None = None
    """The most US dollars that a project may cost, within the operator's `AURORA_BUDGET`."""
    setup: str | None = None
    """The command that installs the environment, with network; runs once per digest of what the base declares."""
    checkpoints: CommandSettings = CommandSettings()
    """Commands in place of what the checkpoints find out by themselves."""
    protected_paths: tuple[str, ...] = ()
    """Globs of paths that no agent may change."""
    labels: LabelSettings = LabelSettings()
    """The names of the labels that describe a run."""


class SettingsError(ValueError):
    """`.github/aurora.yml` can't be used; each problem names its line and key."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep the problems, one sentence each."""
        super().__init__(" ".join(problems))
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """Refuses, with its line, what looks like a date or a number and is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, AttributeError, LookupError, TypeError):
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(None, None, f"this is no {kind}", node.start_mark) from None


def parse_settings(text: str) -> RepositorySettings:
    """Read the text of `.github/aurora.yml`; raises `SettingsError`."""
    if len(text) > LARGEST:
        raise SettingsError((f"The file has {len(text)} characters, and more than {LARGEST} aren't read.",))
    try:
        document = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"Line {mark.line + 1}" if mark else "The file"
        raise SettingsError((f"{line} is not YAML: {getattr(error, 'problem', None) or 'unreadable'}.",)) from None
    except RecursionError:
        raise SettingsError(("The file is nested too deeply.",)) from None
    try:
        return RepositorySettings.model_validate(values if values is not None else {})
    except ValidationError as error:
        raise SettingsError(tuple(_problem(document, item) for item in error.errors())) from None


def _problem(document: yaml.Node | None, item: ErrorDetails) -> str:
    node, line, key = document, 0, ".".join(str(part) for part in item["loc"])
    for part in item["loc"]:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is not None:
                line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return f"Line {line + 1}, `{key or 'the file'}`: {item['msg']}."
