"""The six actions of an agent as forms: their schemas are what models see, and arguments are checked by them."""

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.domain.roles import Tool
from workers.agents.guard import Refused
from workers.llm.schema import schema_of


def _text(value: object) -> object:
    return "\n".join(value) if isinstance(value, list) and all(isinstance(x, str) for x in value) else value


def _line(value: object) -> object:
    return None if value in {"", "null", 0, "0"} else value


Text = Annotated[str, BeforeValidator(_text)]
LineNumber = Annotated[int | None, BeforeValidator(_line)]


def _path() -> Any:
    return Field(
        validation_alias=AliasChoices("path", "file", "filename", "file_path", "filepath"),
        description="relative to the repository's root",
    )


class ReadFile(BaseModel):
    """Read a file, with line numbers; `start` and `end` limit it to some lines."""

    path: str = _path()
    start: LineNumber = None
    end: LineNumber = None


class Search(BaseModel):
    """Find lines by a regular expression in the repository, or below `path`."""

    pattern: str = Field(validation_alias=AliasChoices("pattern", "query", "regex", "text"))
    path: str | None = Field(default=None, validation_alias=AliasChoices("path", "file", "directory"))


class EditFile(BaseModel):
    """Replace `old`, which occurs exactly once in the file, by `new`; copy `old` exactly, without line numbers."""

    path: str = _path()
    old: Text = Field(validation_alias=AliasChoices("old", "old_str", "old_string", "old_text", "search", "find"))
    new: Text = Field(validation_alias=AliasChoices("new", "new_str", "new_string", "new_text", "replace"))


class WriteFile(BaseModel):
    """Create a file, or replace the whole of it."""

    path: str = _path()
    content: Text = Field(validation_alias=AliasChoices("content", "contents", "code", "text"))


class Run(BaseModel):
    """Run a shell command in the repository, without network; for example its tests."""

    command: Text = Field(validation_alias=AliasChoices("command", "cmd", "bash"))


class Done(BaseModel):
    """Say that the task is finished, and in a few sentences what was done."""

    summary: Text = Field(
        default="Done.", validation_alias=AliasChoices("summary", "message", "text", "answer", "result")
    )


class PutCode(BaseModel):
    """Code from a text answer: a whole file, or definitions that go into it. Not offered to models as a tool."""

    model_config = ConfigDict(frozen=True)

    path: str = ""
    content: str


PUT_CODE = "put_code"
FORMS: dict[str, type[BaseModel]] = {
    Tool.read_file: ReadFile,
    Tool.search: Search,
    Tool.edit_file: EditFile,
    Tool.write_file: WriteFile,
    Tool.run: Run,
    Tool.done: Done,
    PUT_CODE: PutCode,
}
ALIASES = {
    "read": "read_file", "open_file": "read_file", "cat": "read_file", "view": "read_file", "grep": "search",
    "edit": "edit_file", "replace": "edit_file", "str_replace": "edit_file", "write": "write_file",
    "create_file": "write_file", "bash": "run", "shell": "run", "run_command": "run", "execute": "run",
    "finish": "done", "submit": "done", "final_answer": "done",
}  # fmt: skip


def known_name(name: str) -> str:
    """Return the action's own name for what a model called it."""
    name = name.strip().removeprefix("functions.").removeprefix("default_api.")
    return ALIASES.get(name.lower(), name)


def check_arguments(name: str, arguments: Any, allowed: frozenset[Tool]) -> BaseModel:
    """Return the action's form filled in; raise `Refused` in words for the model."""
    offered = ", ".join(tool.value for tool in Tool if tool in allowed)
    if name != PUT_CODE and name not in allowed:
        what = "isn't available to this role" if name in FORMS else "doesn't exist"
        raise Refused(f"The tool {name[:60]} {what}. There are: {offered}.")
    try:
        return FORMS[name].model_validate(arguments)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or name}: {p['msg']}" for p in error.errors()[:4])
        wanted = ", ".join(FORMS[name].model_fields)
        raise Refused(f"The arguments of {name} don't fit ({problems}). It takes: {wanted}.") from error


def action_schema(allowed: frozenset[Tool]) -> dict[str, Any]:
    """Return one JSON schema for all allowed actions, for models that don't call tools by themselves."""
    forms = []
    for tool in (tool for tool in Tool if tool in allowed):
        schema = schema_of(FORMS[tool])
        properties = {"action": {"type": "string", "const": tool.value}, **schema["properties"]}
        forms.append(
            {
                "type": "object",
                "description": schema.get("description", ""),
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            }
        )
    return {
        "title": "Step",
        "type": "object",
        "properties": {"step": {"anyOf": forms}},
        "required": ["step"],
        "additionalProperties": False,
    }
