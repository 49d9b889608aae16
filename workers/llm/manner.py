"""How a server wants to be asked: what it refused before is not sent to it again."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any


class Form(IntEnum):
    """How the form of an answer is asked for, the strictest first."""

    schema = 0  # response_format: json_schema
    json = 1  # response_format: json_object, the schema in words
    words = 2  # only in words


@dataclass(frozen=True)
class Manner:
    """What a request may contain."""

    form: Form = Form.schema
    temperature: bool = True
    tools: bool = True  # native tool calls; without, a model is asked for code
    cache: bool = True  # say which part of a prompt comes again
    system: bool = True  # a message of the system's own; without, its words stand in the first one
    legacy_limit: bool = False  # `max_tokens` rather than `max_completion_tokens`

    def response_format(self, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the request's `response_format`, None when it is asked for in words only."""
        if self.form is Form.schema:
            name = str(schema.get("title", "answer"))
            return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}
        return {"type": "json_object"} if self.form is Form.json else None

    def words(self, schema: Mapping[str, Any]) -> str:
        """Return what the system prompt says of the form, empty where the server enforces it."""
        if self.form is Form.schema:
            return ""
        return (
            "\n\nAnswer with one JSON object and nothing else. It must fit this JSON schema:\n"
            f"{json.dumps(schema, separators=(',', ':'))}"
        )


def next_manner(used: Manner, complaint: str) -> Manner | None:
    """Choose what to leave out after a request made in the manner `used` was refused; None: no idea."""
    text = complaint.lower()
    if used.system and re.search(r"system (role|message|prompt)|role.{0,20}\bsystem\b", text):
        return replace(used, system=False)
    without = {"temperature": replace(used, temperature=False), "cache_control": replace(used, cache=False)}
    if changed := next((manner for word, manner in without.items() if word in text and manner != used), None):
        return changed
    if "max_completion_tokens" in text or "max_tokens" in text:
        return None if "context" in text else replace(used, legacy_limit=not used.legacy_limit)
    if any(word in text for word in ("response_format", "schema", "grammar", "output_config", "output_format")):
        return _weaker(used)
    if used.tools and any(word in text for word in ("tool", "function call", "functions")):
        return replace(used, tools=False)
    return None


def plainer(used: Manner) -> Manner | None:
    """Choose what to leave out after a refusal that doesn't say what was wrong; None when nothing is left."""
    if used.form < Form.words:
        return replace(used, form=Form.words)
    if used.tools:
        return replace(used, tools=False)
    if used.temperature:
        return replace(used, temperature=False)
    return replace(used, system=False) if used.system else None


def _weaker(used: Manner) -> Manner | None:
    return replace(used, form=Form(used.form + 1)) if used.form < Form.words else None
