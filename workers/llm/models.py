"""Which model answers for a tier, and how it is spoken to; its SDK is loaded when first needed."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.domain.ports import Call
from app.domain.roles import Tier
from app.errors import ModelError
from workers.llm.manner import Form, Manner, next_manner, plainer
from workers.llm.specs import ModelSpec, Protocol, first_line, parse_prices, specify

if TYPE_CHECKING:
    import openai
    from langchain_core.language_models import BaseChatModel

SCRIPTED = "scripted"
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
BASE_URLS = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
OPENAI_HOST = "api.openai.com"
WARMING, HOTTEST = 0.15, 0.8  # of the temperature, with each attempt and at most


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
                f"The model {self.spec.name} can't be loaded: {first_line(error)} "
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
            settings["temperature"] = warmer(self.spec.temperature, call.attempt)
        if goes_on and manner.cache and self.spec.provider == "anthropic":
            settings["cache_control"] = {"type": "ephemeral"}
        if schema is not None and (form := manner.response_format(schema)):
            settings["response_format"] = form
        return settings

    def learn(self, used: Manner, complaint: str) -> bool:
        """Change how the model is asked after it refused a request; False when nothing is left to change."""
        changed = next_manner(used, complaint)
        if changed is None and self._is_foreign(self._environment):  # providers say what they refuse
            changed = plainer(used)
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


def warmer(temperature: float, attempt: int) -> float:
    """Return the temperature for an attempt: later ones are to differ from those that failed."""
    return max(temperature, min(HOTTEST, temperature + WARMING * (attempt - 1)))


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
