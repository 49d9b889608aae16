"""Which model answers for a tier, what it costs, and how it is spoken to; its SDK is loaded when first needed."""

import asyncio
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.budget import FREE, MILLION, Price, worst_case
from app.domain.ports import Call
from app.domain.roles import Tier
from app.errors import ModelError
from workers.llm.manner import Form, Manner, next_manner

if TYPE_CHECKING:
    import openai
    from langchain_core.language_models import BaseChatModel

SCRIPTED = "scripted"
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
BASE_URLS = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
OPENAI_HOST = "api.openai.com"


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
            f'"free" instead of the numbers, or the path of such a file. The reason: {_first_line(error)}'
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


def _first_line(error: Exception) -> str:
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


class Model:
    """A chat model, loaded when first needed, and what was learned about how it wants to be asked."""

    def __init__(self, spec: ModelSpec, environment: Mapping[str, str]) -> None:
        """Keep what is known; nothing is loaded yet."""
        self.spec = spec
        self.manner = Manner(legacy_limit=self._is_foreign(environment))
        self._calls_tools = False  # it has done so
        self._environment = environment
        self._chat: BaseChatModel | None = None
        self._client: openai.DefaultAsyncHttpxClient | None = None
        self._loading = asyncio.Lock()

    def _is_foreign(self, environment: Mapping[str, str]) -> bool:
        """Tell whether this is somebody else's server that speaks OpenAI's language."""
        base = environment.get(BASE_URLS["openai"], "")
        return self.spec.provider == "openai" and bool(base) and OPENAI_HOST not in base

    async def chat(self) -> "BaseChatModel":
        """Return LangChain's chat model; loading an SDK takes seconds, so that happens in a thread."""
        async with self._loading:
            if self._chat is None:
                self._chat = await asyncio.to_thread(self._load)
        return self._chat

    def _load(self) -> "BaseChatModel":
        provider, _, rest = self.spec.name.partition(":")
        if provider == SCRIPTED:
            from workers.llm.scripted import ScriptedChat  # noqa: PLC0415 - loads LangChain

            return ScriptedChat.from_file(Path(rest))
        from langchain.chat_models import init_chat_model  # noqa: PLC0415 - takes seconds, 100 MB

        try:
            chat: BaseChatModel = init_chat_model(
                rest,
                model_provider=provider,
                max_retries=0,  # the ledger retries, where each try is accounted for
                timeout=self.spec.timeout,
                **self._access(provider),
                **self._connections(provider),
                **(self.spec.extra or {}),
            )
        except (ImportError, ValueError) as error:
            raise ModelError(
                f"The model {self.spec.name} can't be loaded: {_first_line(error)} "
                "Providers that are installed: anthropic, openai (and any server that speaks its language)."
            ) from error
        return chat

    def _access(self, provider: str) -> dict[str, Any]:
        """Return address and key, as far as the settings say something of them."""
        base = self._environment.get(BASE_URLS.get(provider, ""), "")
        access = {"base_url": base} if base else {}
        variable = KEYS.get(provider)
        if variable is None:
            return access
        if key := self._environment.get(variable):
            return {**access, "api_key": key}
        if self._is_foreign(self._environment):
            return {**access, "api_key": "none"}  # one's own server often wants none; the SDK insists on one
        raise ModelError(f"The model {self.spec.name} needs a key: set {variable} for the worker.")

    def _connections(self, provider: str) -> dict[str, Any]:
        """Return an HTTP client of our own, since LangChain's is shared by all and can't be closed."""
        if provider != "openai":
            return {}
        import openai  # noqa: PLC0415 - as LangChain's model that needs it

        self._client = openai.DefaultAsyncHttpxClient(timeout=self.spec.timeout)
        return {"http_async_client": self._client}

    async def close(self) -> None:
        """Close the connections; the model isn't used afterwards."""
        self._chat = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def settings(
        self, call: Call, manner: Manner, schema: Mapping[str, Any] | None = None, *, goes_on: bool = False
    ) -> dict[str, Any]:
        """Return the keyword arguments of one request: headers, limits and, with `schema`, its answer's form.

        A conversation that `goes_on` is worth caching where the provider wants to be told so.
        """
        settings: dict[str, Any] = {"extra_headers": headers(call)}
        if manner.legacy_limit:
            settings["extra_body"] = {"max_tokens": self.spec.max_output_tokens}
        else:
            settings["max_tokens"] = self.spec.max_output_tokens
        if manner.temperature and self.spec.temperature is not None:
            settings["temperature"] = self.spec.temperature
        if goes_on and manner.cache and self.spec.provider == "anthropic":
            settings["cache_control"] = {"type": "ephemeral"}
        if schema is not None and (form := manner.response_format(schema)):
            settings["response_format"] = form
        return settings

    def learn(self, used: Manner, complaint: str) -> bool:
        """Change how the model is asked after it refused a request; False when nothing is left to change."""
        changed = next_manner(used, complaint)
        if changed is None:
            return False
        if changed.form is Form.json and self.spec.provider == "anthropic":
            changed = replace(changed, form=Form.words)  # it knows no JSON without a schema
        if self.manner == used:  # another task may have learned it meanwhile
            self.manner = changed
        return True

    def acting(self, manner: Manner) -> Protocol:
        """Return how actions are asked for: a model that can't call tools is asked for code instead."""
        if self.spec.protocol is Protocol.tools and not manner.tools:
            return Protocol.files
        return self.spec.protocol

    def observe(self, *, native: bool) -> None:
        """Learn from an answer whether the model calls tools; one that never did and writes them out can't."""
        self._calls_tools |= native
        if self.spec.protocol is Protocol.tools and not self._calls_tools:
            self.manner = replace(self.manner, tools=False)


def headers(call: Call) -> dict[str, str]:
    """Return the headers by which a gateway attributes cost and a test answers by step (a contract)."""
    return {
        "X-Aurora-Project": str(call.project_id),
        "X-Aurora-Task": str(call.task_id) if call.task_id else "-",
        "X-Aurora-Step": call.step.value,
        "X-Aurora-Attempt": str(call.attempt),
    }


class Models:
    """The models of the tiers; each is made once per process."""

    def __init__(
        self,
        default: str,
        tiers: Mapping[Tier, str] | None = None,
        prices: str = "",
        protocol: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take names as `AURORA_MODEL` and `AURORA_MODEL_<TIER>` give them; nothing is checked or loaded yet."""
        self._default = default
        self._tiers = {tier: name for tier, name in (tiers or {}).items() if name}
        self._prices = prices
        self._protocol = protocol
        self._environment = os.environ if environment is None else environment
        self._made: dict[str, Model] = {}

    def of(self, tier: Tier) -> Model:
        """Return the tier's model; raise `ModelError` when it is misnamed or has no price."""
        name = self._tiers.get(tier, self._default)
        if name not in self._made:
            spec = specify(name, parse_prices(self._prices), self._forced_protocol())
            self._made[name] = Model(spec, self._environment)
        return self._made[name]

    async def close(self) -> None:
        """Close all connections."""
        for model in self._made.values():
            await model.close()

    def _forced_protocol(self) -> Protocol | None:
        if not self._protocol:
            return None
        try:
            return Protocol(self._protocol)
        except ValueError as error:
            raise ModelError(
                f"AURORA_MODEL_PROTOCOL={self._protocol} is unknown; write tools, actions or files."
            ) from error
