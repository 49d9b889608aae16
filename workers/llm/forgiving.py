"""Forgiving an answer what is beside the point: wrappers, other names, a string for a list of one. Pure.

What an answer says is never made up here: what is missing, or can't be told, stays wrong and is said to the model.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

Schema = Mapping[str, Any]

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "requirements": ("requirement", "requirement_ids"),
    "questions": ("question",),
    "title": ("name", "summary", "requirement", "statement", "text", "description"),
    "criteria": ("acceptance_criteria", "acceptancecriteria", "criterion", "acceptance", "description"),
    "tasks": ("plan", "steps", "subtasks", "task"),
    "key": ("id", "task_id"),
    "description": ("details", "what"),
    "dependencies": ("depends_on", "dependson", "dependency"),
    "footprint": ("files", "paths", "file", "path"),
    "findings": ("comments", "issues", "remarks", "finding"),
    "message": ("comment", "finding", "description", "issue", "text", "body", "title"),
    "path": ("file", "filename", "file_path"),
    "severity": ("level", "type"),
    "cause": ("reason", "root_cause", "why"),
    "lesson": ("advice", "lessons", "next", "fix"),
}
WHOLE = ("title", "message")  # the field that a bare string stands for, where an object is wanted
DOTS = re.compile(r"^[.…\s]*$")  # what the example in a prompt has for "write something here"


def forgive(value: Any, form: type[BaseModel]) -> Any:
    """Return the answer as near to the form as can be told without guessing."""
    schema = form.model_json_schema()
    return _object(value, schema, schema.get("$defs", {}))


def _fit(value: Any, schema: Schema, defined: Schema) -> Any:
    if reference := schema.get("$ref"):
        schema = {**defined[reference.rsplit("/", 1)[-1]], **schema}
    match schema.get("type"):
        case "object":
            return _object(value, schema, defined)
        case "array":
            return _list(value, schema, defined)
        case "string":
            return _string(value, schema)
        case "integer":
            return _integer(value, schema)
        case _:
            return value


def _object(value: Any, schema: Schema, defined: Schema) -> Any:
    fields: Schema = schema.get("properties", {})
    if isinstance(value, str):
        name = next((name for name in WHOLE if name in fields), None)
        return {name: _fit(value, fields[name], defined)} if name else value
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], dict) and set(_plain_names(value[0])) & set(fields):
            return _object(value[0], schema, defined)
        lists = [name for name, field in fields.items() if field.get("type") == "array"]
        return _object({lists[0]: value}, schema, defined) if lists and value else value
    if not isinstance(value, dict):
        return value
    named = _named(_plain_names(value), fields)
    if len(value) == 1 and not set(named) & set(fields):  # a wrapper
        (inner,) = value.values()
        return _object(inner, schema, defined) if isinstance(inner, dict | list) else value
    fitted = {name: _fit(item, fields[name], defined) if name in fields else item for name, item in named.items()}
    return {name: item for name, item in fitted.items() if not (item is None and "default" in fields.get(name, {}))}


def _plain_names(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {re.sub(r"[\s\-]+", "_", str(name).strip()).lower(): item for name, item in value.items()}


def _named(value: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return the object with its fields under our names, where what they have is only another name."""
    named = dict(value)
    for field in fields:
        other = next((name for name in OTHER_NAMES.get(field, ()) if name in named and name not in fields), None)
        if field not in named and other is not None:
            named[field] = named.pop(other)
    return named


def _list(value: Any, schema: Schema, defined: Schema) -> Any:
    if value is None:
        return []
    inner = _fit_schema(schema.get("items", {}), defined)
    if isinstance(value, dict):
        nested = inner.get("type") == "object" and value and all(isinstance(item, dict) for item in value.values())
        value = list(value.values()) if nested else [value]
    elif isinstance(value, str | int | float):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    kept = [item for item in value if item is not None and not (isinstance(item, str) and DOTS.match(item))]
    fitted = [_fit(item, inner, defined) for item in kept]
    return fitted[: schema.get("maxItems")] if inner.get("type") == "string" else fitted


def _fit_schema(schema: Schema, defined: Schema) -> Schema:
    reference = schema.get("$ref")
    return {**defined[reference.rsplit("/", 1)[-1]], **schema} if reference else schema


def _string(value: Any, schema: Schema) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        value = str(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = "\n".join(value)
    if isinstance(value, dict) and len(value) == 1:  # {"criterion": "…"}
        (value,) = value.values()
    if not isinstance(value, str):
        return value
    longest = schema.get("maxLength")
    return value if longest is None or len(value.strip()) <= longest else f"{value.strip()[: longest - 1]}…"


def _integer(value: Any, schema: Schema) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value):
        value = int(value)
    if isinstance(value, float):
        value = round(value) if abs(value) < 1e9 else None
    if not isinstance(value, int):
        return None if "default" in schema else value
    return max(schema.get("minimum", value), min(schema.get("maximum", value), value))
