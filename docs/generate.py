"""Brings the generated parts of the documentation up to date with the code: `make docs`."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import metrics
from app.domain import commands as conversation_commands
from app.domain import conversation
from app.domain.ports import ModelCall
from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef, Repository
from app.domain.repository_settings import RepositorySettings
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskStatus
from app.settings import PREFIX, Settings
from hub.faults.table import COMMON, TABLE
from workers import cli
from workers.agents import roster
from workers.llm import specs
from workers.local import run
from workers.local.report import report
from workers.maestro import graph

DOCS = Path(__file__).parent
MARK = re.compile(r"(<!-- generated: (?P<part>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SECRET = {"database_url", "redis_url", "memory_redis_url", "api_token", "github_private_key", "github_webhook_secret"}
NOT_OURS = {
    "ANTHROPIC_API_KEY": "The key for `anthropic:` models.",
    "OPENAI_API_KEY": "The key for `openai:` models; a server of your own may do without.",
    "OPENAI_BASE_URL": "The address of a server that speaks OpenAI's chat completions, such as `http://HOST:8000/v1`.",
    "ANTHROPIC_BASE_URL": "The same for Anthropic's messages.",
    "AURORA_READY_FILE": "A file that `aurora work` creates when it is ready for jobs.",
}
EVENTS = {
    conversation.Happening.labelled: "The issue is labelled",
    conversation.Happening.said: "A plain comment on the issue",
    conversation.Happening.issue_edited: "The issue's title or text is edited",
    conversation.Happening.stopped: "The issue is closed, deleted or transferred, or loses its label",
    conversation.Happening.uninstalled: "The app is uninstalled, or the repository is taken from it",
    conversation.Happening.suspended: "The app is suspended",
    conversation.Happening.restored: "The app is no longer suspended",
    conversation.Happening.ticked: "The box in the plan is ticked",
    conversation.Happening.looked_at: "A review of the pull request, or a comment in one of its threads",
    conversation.Happening.pull_pushed: "Somebody pushes to the branch",
    conversation.Happening.pull_closed: "Somebody merges or closes the pull request, or deletes its branch",
    conversation.Happening.pull_reopened: "Somebody opens the pull request again",
    conversation.Happening.checks_completed: "Another app's checks of the head have ended",
    conversation.Happening.rerun: "A check, or the suite, is run again from GitHub's page",
    conversation.Happening.action_format: "The button “Fix formatting”",
    conversation.Happening.action_retry: "The button “Try again”",
    conversation.Happening.turn: "It is the run's turn to be merged",
    conversation.Happening.show: "The progress comment is due",
    conversation.Happening.nearly_spent: "Four fifths of the cap are spent",
    conversation.Happening.blocked: "A task was refused a model call",
    conversation.Happening.day_over: "The day of a cap is over",
    conversation.Happening.reported: "A task has ended",
}
REPORT_KEYS = {
    "project": "The project's id, as in the tables.",
    "status": "`merged`, `open`, `escalated`, `waiting`, `paused` or `cancelled`.",
    "reason": "Why it waits, escalated or stays open; Markdown, or null.",
    "pull_request": "Null where none was opened.",
    "pull_request.number": "Its number.",
    "pull_request.url": "Its address on the local GitHub.",
    "pull_request.merged": "Whether it was merged.",
    "pull_request.head_sha": "The commit that was verified.",
    "checks": "The check runs of the pull request's head, or else of the last pushed work.",
    "checks[].name": "`aurora / syntax`, `types`, `lint`, `tests` or `review`.",
    "checks[].conclusion": "GitHub's word: `success`, `failure`, `neutral`, `skipped`, `action_required`.",
    "checks[].title": "What was found, in one line.",
    "checks[].annotations": "What was found at which file and line, as GitHub's API gives it.",
    "tasks": "In the order of the plan.",
    "tasks[].id": "Short and stable within the project.",
    "tasks[].title": "What it is about.",
    "tasks[].agent": "The role that it was assigned to.",
    "tasks[].status": "`pending`, `ready`, `running`, `blocked`, `completed`, `failed` or `cancelled`.",
    "tasks[].attempts": "Passes up to Tests, in all rounds.",
    "tasks[].branch": "Its feature branch.",
    "model_calls": "Answers that models gave.",
    "tokens": "Input and output tokens together.",
    "cost_usd": "US dollars, by the prices that are known.",
    "seconds": "Times in seconds.",
    "seconds.wall": "From the delivery of the label to the end.",
    "seconds.model": "All model calls added up.",
    "seconds.critical_path": "The longest chain of dependent model calls: no number of workers gets below it.",
}
CHECK = {"name": "aurora / tests", "conclusion": "success", "title": "12 tests passed", "annotations": []}
STATUSES = {
    0: "Delivered: the pull request is merged, or open for its reviewers. `doctor`: all is well.",
    cli.FAILED: "An error, explained in one line. `doctor`: something is missing.",
    run.NEEDS_A_PERSON: "`demo`, `run`: escalated, paused or waiting for a person. Every command: a wrong argument.",
    130: "Interrupted.",
}


def picture() -> str:
    """Return Maestro's graph as LangGraph draws it."""
    return f"```mermaid\n{graph.build().get_graph().draw_mermaid().strip()}\n```"


def environment() -> str:
    """Return the settings of the operator."""
    rows = [
        (f"`{PREFIX}{name.upper()}`", _default(field, name), _meaning(field))
        for name, field in Settings.model_fields.items()
    ]
    return table(("Variable", "Default", "Meaning"), rows)


def other_environment() -> str:
    """Return the variables that aren't settings."""
    return table(("Variable", "Meaning"), [(f"`{name}`", text) for name, text in NOT_OURS.items()])


def repository_settings() -> str:
    """Return the keys of `.github/aurora.yml`."""
    return table(("Key", "Type", "Default", "Meaning"), _keys(RepositorySettings))


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        inner, key = field.annotation, f"{prefix}{name}"
        if get_origin(inner) is Mapping:  # from names that people choose
            inner, key = get_args(inner)[1], f"{prefix}{name}.FOLDER"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield f"`{prefix}{name}`", "mapping", "", _meaning(field)
            yield from _keys(inner, f"{key}.")
        else:
            yield f"`{prefix}{name}`", _type(field), _default(field), _meaning(field)


def _type(field: FieldInfo) -> str:
    text = str(field.annotation)
    for sign, word in (("tuple[str", "list of globs"), ("float", "number"), ("int", "whole number")):
        if sign in text:
            bounds = [f"{rule.__class__.__name__} {value}" for rule, value in _bounds(field)]
            words = {"Ge": "from", "Le": "to", "Gt": "above", "Lt": "below"}
            return " ".join([word, *(f"{words[b.split()[0]]} {b.split()[1]}" for b in bounds)])
    choices = [choice for part in get_args(field.annotation) or (field.annotation,) for choice in _choices(part)]
    return " · ".join(f"`{choice}`" for choice in choices) or "text"


def _choices(annotation: Any) -> list[str]:
    """Return the values that a type has, where they can be counted."""
    if annotation is bool:
        return ["true", "false"]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    is_enum = isinstance(annotation, type) and issubclass(annotation, Enum)
    return [member.value for member in annotation] if is_enum else []


def _bounds(field: FieldInfo) -> Iterator[tuple[Any, Any]]:
    for rule in field.metadata:
        for name in ("ge", "gt", "le", "lt"):
            if (value := getattr(rule, name, None)) is not None:
                yield rule, value


def _default(field: FieldInfo, name: str = "") -> str:
    value = field.default.value if isinstance(field.default, Enum) else field.default
    if name in SECRET or value is None or value in ("", (), {}):
        return ""
    return f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def roles() -> str:
    """Return the roster."""
    rows = [
        (
            f"`{role.role.value}`",
            role.tier.value,
            ", ".join(sorted(tool.value for tool in role.tools)) or "none: it decides",
            _globs(role.may_write) or "nothing",
            _globs(role.must_change),
        )
        for role in roster.roster().values()
    ]
    return table(("Role", "Tier", "Actions", "May write", "Must change"), rows)


def _globs(globs: Iterable[str]) -> str:
    return " ".join(f"`{glob}`" for glob in globs)


def model_columns() -> str:
    """Return what the columns of the model table mean, in the words at its head."""
    return table(("Column", "Meaning"), described(Path(specs.__file__).with_name("models.toml")))


def role_columns() -> str:
    """Return what the columns of the roster mean, in the words at its head."""
    return table(("Column", "Meaning"), described(Path(roster.__file__).with_name("roster.toml")))


def described(file: Path) -> list[tuple[str, ...]]:
    """Read the columns at the head of a table: `#   name    what it means`, which may go on in the next line."""
    rows: list[tuple[str, str]] = []
    for line in file.read_text().splitlines():
        if found := re.match(r"#   (?P<name>\S.*?)  +(?P<text>\S.*)", line):
            rows.append((f"`{found['name']}`", found["text"]))
        elif rows and (found := re.match(r"#    +(?P<text>\S.*)", line)):
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {found['text']}")
        elif rows:
            break
    return [(name.replace(", ", "`, `"), text) for name, text in rows]


def known_models() -> str:
    """Return the models whose prices come with the package."""
    rows = [
        (
            _globs(row.match),
            "free" if row.free else f"{row.input:g} / {row.output:g}",
            f"{row.context:,}" if row.context else "",
            f"{row.max_output_tokens:,}" if row.max_output_tokens else "",
            row.protocol.value if row.protocol else "tools",
        )
        for row in specs.known_models()
    ]
    return table(("Model", "US dollars per million tokens, in / out", "Context", "Longest answer", "Protocol"), rows)


def example() -> dict[str, Any]:
    """Return what `aurora run --json` prints, made by the function that makes it."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    project = Project(
        id=UUID(int=1),
        repository=Repository(full_name="local/project", installation_id=1),
        issue_number=1,
        run=1,
        title="Add a total",
        requested_by="you",
        status=ProjectStatus.merged,
        phase=Phase.done,
        pull_request=PullRequestRef(
            number=2, url="http://127.0.0.1:4000/local/project/pull/2", head_sha="5f3a" * 10, merged=True
        ),
        budget_usd=5.0,
        created_at=start,
        finished_at=start + timedelta(seconds=48.2),
    )
    task = Task(
        id=UUID(int=2),
        project_id=project.id,
        key="t1",
        title="Add a total",
        description="",
        assigned_agent=AgentRole.backend,
        status=TaskStatus.completed,
        branch=project.branch,
        attempts=1,
        created_at=start,
    )
    calls = [
        ModelCall(None, "parse", "m", 0.01, 900, 150, 3.5),
        ModelCall(task.id, "generate", "m", 0.05, 8000, 900, 21.0),
    ]
    return report(project, [task], calls, [CHECK])


def run_json() -> str:
    """Return the example and the meaning of each of its keys."""
    rows = [(f"`{key}`", text) for key, text in REPORT_KEYS.items()]
    return f"```json\n{json.dumps(example(), indent=2)}\n```\n\n{table(('Key', 'Meaning'), rows)}"


def exit_statuses() -> str:
    """Return what the exit statuses mean."""
    return table(("Status", "Meaning"), [(str(number), text) for number, text in sorted(STATUSES.items())])


def commands() -> str:
    """Return the commands with their arguments, read from the parser that reads them."""
    (chosen,) = (a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in chosen._choices_actions}
    rows = []
    for name, parser in chosen.choices.items():
        options = [action for action in parser._actions if action.dest != "help"]
        rows.append((f"`aurora {name}`", "", helps[name]))
        rows += [
            ("", f"`{_usage(option)}`{' (needed)' if option.required else ''}", option.help or "") for option in options
        ]
    return table(("Command", "Option", "Meaning"), rows)


def _usage(option: argparse.Action) -> str:
    if option.nargs == 0:
        return option.option_strings[0]
    value = "|".join(map(str, option.choices)) if option.choices else option.metavar
    return f"{option.option_strings[0]} {value}"


def hub_faults() -> str:
    """Return the faults that the hub knows."""
    rows = [
        (
            f"`{one.name}`",
            one.where,
            one.meaning,
            ", ".join(f"`{key}` {_given(value)}" for key, value in one.options.items()),
        )
        for one in TABLE.values()
    ]
    return table(("Fault", "Where", "What happens", "Options and defaults"), rows)


def _given(value: Any) -> str:
    return "none" if value in ("", []) else f"{value:g}"


def hub_fault_options() -> str:
    """Return what every fault can be told."""
    return table(("Option", "Meaning"), [(f"`{name}`", text) for name, text in COMMON.items()])


def metrics_table() -> str:
    """Return every metric of ours."""
    rows = []
    for found in metrics.REGISTRY.collect():
        if found.name.startswith("aurora_"):
            labels = getattr(metrics.REGISTRY._names_to_collectors[found.name], "_labelnames", ())
            name = f"{found.name}_total" if found.type == "counter" else found.name
            rows.append((f"`{name}`", found.type, " ".join(f"`{label}`" for label in labels), found.documentation))
    return table(("Metric", "Type", "Labels", "Meaning"), sorted(rows))


def comment_commands() -> str:
    """Return what people can write in comments."""
    rows = [(f"`{one.usage}`", f"{one.help[0].upper()}{one.help[1:]}.") for one in conversation_commands.TABLE]
    return table(("Command", "Meaning"), rows)


def happenings() -> str:
    """Return what every event does in every stage: one row for each, with the stages in which it does the same."""
    rows = []
    for event in (*conversation_commands.Name, *conversation.Happening):
        does: dict[str, list[str]] = {}
        for at in conversation.Stage:
            does.setdefault(_does(conversation.cell(event, at)), []).append(at.value)
        told = [f"*{', '.join(stages)}*: {what}" for what, stages in does.items() if what]
        name = f"`/aurora {event}`" if isinstance(event, conversation_commands.Name) else EVENTS[event]
        rows.append((name, "<br>".join(told) or "nothing"))
    return table(("Event", "In which stage it does what"), rows)


def _does(cell: conversation.Cell) -> str:
    """Say what a cell does, in a line."""
    effects = [effect.value.replace("_", " ") for effect in cell.effects]
    goes = [f"go to `{cell.next}`"] if cell.next else []
    words = cell.words.replace("{pull}", "N").replace("{label}", "aurora")
    says = [f"say “{words}”"] if words else []
    return "; ".join([*effects, *goes, *says])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: Mapping[str, Callable[[], str]] = {
    "picture": picture,
    "environment": environment,
    "other-environment": other_environment,
    "repository-settings": repository_settings,
    "roles": roles,
    "role-columns": role_columns,
    "model-columns": model_columns,
    "known-models": known_models,
    "run-json": run_json,
    "exit-statuses": exit_statuses,
    "commands": commands,
    "comment-commands": comment_commands,
    "happenings": happenings,
    "hub-faults": hub_faults,
    "metrics": metrics_table,
    "hub-fault-options": hub_fault_options,
}


def updated(text: str) -> str:
    """Return a page with its generated parts as the code says now; raises KeyError for a part that nobody makes."""
    return MARK.sub(lambda found: f"{found[1]}{PARTS[found['part']]()}\n{found[3]}", text)


def main() -> None:
    """Rewrite the pages that have changed, and name them."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        if (new := updated(text)) != text:
            page.write_text(new)
            sys.stdout.write(f"docs/{page.name}\n")


if __name__ == "__main__":
    main()
