"""JSON schemas as model servers take them: the common ground of OpenAI's strict mode, Anthropic and llama.cpp."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

# Keywords that some server refuses or ignores; the answer is validated against the full form afterwards.
DROPPED = frozenset(
    {
        "title", "default", "examples", "pattern", "format", "minLength", "maxLength", "minItems", "maxItems",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "uniqueItems", "discriminator",
    }
)  # fmt: skip


def schema_of(form: type[BaseModel]) -> dict[str, Any]:
    """Return the form's schema: references put in place, every field required, nothing else allowed."""
    full = form.model_json_schema()
    plain = _plain(full, full.get("$defs", {}))
    return {"title": form.__name__, **plain}


def _plain(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if reference := node.get("$ref"):
        node = {**definitions[reference.rsplit("/", 1)[-1]], **{k: v for k, v in node.items() if k != "$ref"}}
    kept = {key: value for key, value in node.items() if key not in DROPPED and key != "$defs"}
    if "properties" in kept:
        # Field names are data here: a field may well be called "title".
        kept["properties"] = {name: _plain(field, definitions) for name, field in kept["properties"].items()}
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return {
        key: value if key in {"properties", "required", "enum", "const"} else _plain(value, definitions)
        for key, value in _described(node, kept).items()
    }


def _described(node: Mapping[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Say in the description what was dropped and a model would want to know."""
    examples = node.get("examples")
    if not examples:
        return kept
    example = f"for example {examples[0]}"
    return {**kept, "description": f"{kept['description']}; {example}" if "description" in kept else example}
