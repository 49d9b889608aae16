"""What a repository may say about itself in `.github/aurora.yml` on its default branch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

PATH = ".github/aurora.yml"
LARGEST = 50_000  # characters: parsing takes the worker's whole attention
_FOLDER = re.compile(r"(?!(?:\S*/)?\.{1,2}(?:/|\s|$))[\w@.][\w@+.-]*(?:/[\w@+.][\w@+.-]*)*")  # for a shell, unquoted
_SEVERAL = re.compile(r"[\n;&|]")  # more than one command, perhaps
_ENTERED = re.compile(rf"cd (?P<folder>{_FOLDER.pattern}) && ")


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


class MergeMethod(StrEnum):
    """How GitHub merges a pull request."""

    merge = "merge"
    squash = "squash"
    rebase = "rebase"


class CommitStyle(StrEnum):
    """How subjects of commits and titles of pull requests are written."""

    auto = "auto"  # as the base's last commits are
    plain = "plain"
    conventional = "conventional"  # feat: …, fix: …


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


def _folder(text: str) -> str:
    """Return the folder that a section is for, without what stands for everything in it."""
    folder = text.removeprefix("./").removesuffix("**").rstrip("/")
    if not _FOLDER.fullmatch(folder):
        raise PydanticCustomError("folder", "A section is for a folder, such as services/api/**")
    return folder


class SectionSettings(BaseModel):
    """What is different in one folder of the repository."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    setup: str | None = None
    """The command that installs the environment, run in the folder; in place of the repository's `setup`."""
    checkpoints: CommandSettings = CommandSettings()
    """Commands that are run in the folder; what isn't named here is as for the whole repository."""
    protected_paths: tuple[str, ...] = ()
    """Globs of paths in the folder that no agent may change."""


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
    merge_method: MergeMethod | None = None
    """How it is merged. Without it, or where the repository doesn't allow it: the first of squash, merge and rebase
    that the repository allows."""
    base: Annotated[str, Field(pattern=r"^[\w@][\w@./+#=,-]{0,199}$")] | None = None
    """The branch that work starts from and goes to. Without it: the default branch."""
    commits: CommitStyle = CommitStyle.auto
    """How commits and pull requests are named: `plain`, `conventional` (`feat: …`, `fix: …`), or `auto`: as most of the
    last 30 commits of the base are."""
    sign_off: Literal["auto"] | bool = "auto"
    """Whether commits end in `Signed-off-by`. `auto`: where `.github/dco.yml` exists or CONTRIBUTING asks for it."""
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
    paths: Annotated[Mapping[Annotated[str, AfterValidator(_folder)], SectionSettings], Field(max_length=200)] = {}
    """For repositories of several parts: a folder, such as `services/api/**`, and what is different in it. A section
    counts for a change that lies inside its folder as a whole; of folders in each other, the innermost."""
    protected_paths: tuple[str, ...] = ()
    """Globs of paths that no agent may change, beside `.github/workflows/**`, `CODEOWNERS` and this file, which none
    ever may."""
    labels: LabelSettings = LabelSettings()
    """The names of the labels that describe a run."""

    @property
    def protected(self) -> tuple[str, ...]:
        """The globs of all that no agent may change, those of the sections included."""
        inside = (f"{folder}/{glob}" for folder, section in self.paths.items() for glob in section.protected_paths)
        return (*self.protected_paths, *inside)

    def concerning(self, paths: Sequence[str]) -> "RepositorySettings":
        """Return the settings for a change to these paths: those of the section that all of them are in, if one is."""
        around = [folder for folder in self.paths if paths and all(_is_in(path, folder) for path in paths)]
        if not around:
            return self
        folder = max(around, key=len)
        section = self.paths[folder]
        named = {name: enter(folder, command) for name, command in section.checkpoints if command}
        setup = enter(folder, section.setup) if section.setup else self.setup
        return self.model_copy(update={"checkpoints": self.checkpoints.model_copy(update=named), "setup": setup})


def _is_in(path: str, folder: str) -> bool:
    return f"{path.removeprefix('./')}/".startswith(f"{folder}/")


def enter(folder: str, command: str) -> str:
    """Return the command as it is run in a folder."""
    return f"cd {folder} && {{\n{command}\n}}" if _SEVERAL.search(command) else f"cd {folder} && {command}"


def entered(command: str) -> str:
    """Return the folder that a command goes into first; "" when it stays at the root."""
    found = _ENTERED.match(command)
    return found["folder"] if found else ""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with `.github/aurora.yml`."""

    line: int | None  # 1-based; None: the file as a whole
    key: str  # dotted; "" where no key is to blame
    message: str  # a sentence, without its full stop

    def __str__(self) -> str:
        """Return it as one sentence that names the place."""
        place = ", ".join([f"Line {self.line}" if self.line else "The file", *([f"`{self.key}`"] if self.key else [])])
        return f"{place}: {self.message}."


class SettingsError(ValueError):
    """`.github/aurora.yml` can't be used; each problem names its line and key."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep the problems."""
        super().__init__(" ".join(map(str, problems)))
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """Refuses, with its line, what looks like a date or a number and is none, and mappings merged into others."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if merged := next((key for key, _ in node.value if key.tag == "tag:yaml.org,2002:merge"), None):
            # A few lines of it come to more entries than a machine can hold.
            raise yaml.constructor.ConstructorError(None, None, "`<<` isn't read here", merged.start_mark)
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, AttributeError, LookupError, TypeError):
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(None, None, f"this is no {kind}", node.start_mark) from None


def parse_settings(text: str) -> RepositorySettings:
    """Read the text of `.github/aurora.yml`; raises `SettingsError`."""
    if len(text) > LARGEST:
        message = f"It has {len(text)} characters, and more than {LARGEST} aren't read"
        raise SettingsError((Problem(None, "", message),))
    document, values = _load(text)
    try:
        return RepositorySettings.model_validate(values if values is not None else {})
    except ValidationError as error:
        problems = dict.fromkeys(_problem(document, item) for item in error.errors())  # each once
        raise SettingsError(tuple(problems)) from None


def problem_with(text: str, key: str, message: str) -> Problem:
    """Return what turned out to be wrong with the value of a key, though the text as such is right."""
    return Problem(_line(_load(text)[0], [key]), key, message)


def _load(text: str) -> tuple[yaml.Node | None, Any]:
    try:
        return yaml.compose(text, Loader=_Loader), yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = f"This is not YAML: {getattr(error, 'problem', None) or 'unreadable'}"
        raise SettingsError((Problem(mark.line + 1 if mark else None, "", message),)) from None
    except RecursionError:
        raise SettingsError((Problem(None, "", "It is nested too deeply"),)) from None


def _problem(document: yaml.Node | None, item: ErrorDetails) -> Problem:
    where = [part for part in item["loc"] if part not in {"[key]", "literal['auto']", "bool"}]
    return Problem(_line(document, where), ".".join(str(part) for part in where), _message(item))


def _line(node: yaml.Node | None, where: Sequence[str | int]) -> int:
    line = 0
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is not None:
                line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _message(item: ErrorDetails) -> str:
    """Return what is wrong in words for whoever wrote the file."""
    match item["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(item["loc"][-1]), list(_model_at(item["loc"]).model_fields), 1)
            return f"There is no such key{f' (did you mean `{near[0]}`?)' if near else ''}"
        case "literal_error" | "bool_parsing" | "bool_type":
            return "This should be `auto`, `true` or `false`"
        case "string_pattern_mismatch":
            return "This can't be the name of a branch"
        case _:
            return item["msg"]


def _model_at(where: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model that the last of these keys would belong to."""
    inner: dict[int | str, type[BaseModel]] = {"checkpoints": CommandSettings, "labels": LabelSettings}
    if len(where) > 1 and where[-2] in inner:
        return inner[where[-2]]
    return SectionSettings if len(where) > 1 else RepositorySettings
