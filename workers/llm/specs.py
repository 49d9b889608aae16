"""What is known of models: their prices, limits and protocols, from our table and from `AURORA_MODEL_PRICES`."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.budget import FREE, MILLION, Price, worst_case
from app.errors import ModelError


class Protocol(StrEnum):
    """How an agent's actions are asked of a model."""

    tools = "tools"  # native tool calls
    actions = "actions"  # one action per answer, as a JSON schema
    files = "files"  # one answer with whole files or whole definitions


class Known(BaseModel):
    """What is known of a model: a row of `models.toml` or a value of `AURORA_MODEL_PRICES`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: tuple[str, ...] = ()
    input: float | None = Field(default=None, ge=0)
    output: float | None = Field(default=None, ge=0)
    free: bool = False
    protocol: Protocol | None = None
    max_output_tokens: int | None = Field(default=None, gt=0)
    context: int | None = Field(default=None, gt=0)
    temperature: float | None = None
    timeout: float | None = Field(default=None, gt=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    extra: dict[str, Any] | None = None

    @property
    def price(self) -> Price | None:
        """The price, or None when the row doesn't say."""
        if self.free:
            return FREE
        if self.input is None or self.output is None:
            return None
        return Price(self.input, self.output)


@dataclass(frozen=True)
class ModelSpec:
    """A model as the ledger and the loop need to know it."""

    name: str  # provider:model
    price: Price
    protocol: Protocol = Protocol.tools
    max_output_tokens: int = 8_192
    context: int = 32_768  # tokens
    temperature: float | None = 0.2
    timeout: float = 300.0  # seconds
    cache_read: float = 1.0  # price of a token in the provider's prompt cache, as a share of the input price
    cache_write: float = 1.0  # price of putting one there
    extra: Mapping[str, Any] | None = None

    @property
    def provider(self) -> str:
        """What comes before the colon."""
        return self.name.partition(":")[0]

    def worst_case(self, size: int) -> float:
        """Return the most US dollars that a request of `size` bytes can cost."""
        dearest = Price(self.price.input * max(1.0, self.cache_write), self.price.output)
        return worst_case(dearest, size, self.max_output_tokens)

    def cost(self, read: int, said: int, from_cache: int = 0, into_cache: int = 0) -> float:
        """Return US dollars for tokens `read` (those from and into the cache among them) and `said`."""
        discount = from_cache * (1 - self.cache_read) + into_cache * (1 - self.cache_write)
        return self.price.cost(read, said) - discount * self.price.input / MILLION


@cache
def known_models() -> tuple[Known, ...]:
    """Read the table that comes with the package."""
    with Path(__file__).with_name("models.toml").open("rb") as file:
        return tuple(Known.model_validate(row) for row in tomllib.load(file)["model"])


def parse_prices(text: str) -> dict[str, Known]:
    """Read `AURORA_MODEL_PRICES`: a JSON object, or the path of a JSON or TOML file with one."""
    try:
        return {name: _known(value) for name, value in _price_table(text.strip()).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            "AURORA_MODEL_PRICES can't be read; write a JSON object like "
            '{"openai:my-model": {"input": 3, "output": 15}} with US dollars per million tokens, '
            f'"free" instead of the numbers, or the path of such a file. The reason: {first_line(error)}'
        ) from error


def _price_table(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if text.startswith("{"):
        table = json.loads(text)
    else:
        content = Path(text).expanduser().read_text()
        table = tomllib.loads(content) if text.endswith(".toml") else json.loads(content)
    return dict(table)


def _known(value: Any) -> Known:
    match value:
        case "free" | 0 | 0.0:
            return Known(free=True)
        case [input_price, output_price]:
            return Known(input=input_price, output=output_price)
        case {**fields}:
            return Known.model_validate(fields)
        case _:
            raise ValueError(f"{value!r} is not a price")


def first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.partition(":")[2], pattern)


def specify(name: str, prices: Mapping[str, Known], protocol: Protocol | None = None) -> ModelSpec:
    """Put together what is known of the model `name`; raise `ModelError` when it has no price."""
    provider, colon, rest = name.partition(":")
    if not (provider and colon and rest):
        raise ModelError(
            f"AURORA_MODEL={name or '(empty)'} names no provider: write provider:model, "
            "for example anthropic:claude-sonnet-4-5, openai:gpt-5 or scripted:conversation.yaml."
        )
    table = next((row for row in known_models() if any(_matches(name, glob) for glob in row.match)), Known())
    own = prices.get(name) or next((row for glob, row in prices.items() if _matches(name, glob)), Known())
    price = own.price or table.price
    if price is None:
        raise ModelError(
            f"The model {name} has no price, so its cost can't be bounded. Set AURORA_MODEL_PRICES to "
            f'{{"{name}": {{"input": 3, "output": 15}}}} with its US dollars per million tokens, '
            f'or to {{"{name}": "free"}} if it costs nothing.'
        )
    # What the operator says comes last, so that it overrides the table field by field.
    says = {**table.model_dump(exclude_none=True), **own.model_dump(exclude_none=True, exclude_unset=True)}
    known_temperature = table.temperature if table.match else 0.2
    return ModelSpec(
        name=name,
        price=price,
        protocol=protocol or says.get("protocol", Protocol.tools),
        max_output_tokens=says.get("max_output_tokens", 8_192),
        context=says.get("context", 32_768),
        temperature=own.temperature if own.temperature is not None else known_temperature,
        timeout=says.get("timeout", 300.0),
        cache_read=says.get("cache_read", 1.0),
        cache_write=says.get("cache_write", 1.0),
        extra=says.get("extra"),
    )
