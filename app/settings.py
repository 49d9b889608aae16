"""What the operator decides, read once from environment variables that begin with `AURORA_`."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.artifacts import Periods
from app.domain.budget import Caps
from app.domain.repository_settings import MergePolicy
from app.errors import ConfigurationError

PREFIX = "AURORA_"
SECRETS = ("_API_KEY", "_ACCESS_KEY", "_TOKEN", "_SECRET", "PASSWORD")  # how names of variables with secrets end
STORE_SCHEMES = {"database": ("postgresql", "postgres"), "redis": ("redis", "rediss", "unix")}


class SetupNetwork(StrEnum):
    """Whether installing a repository's dependencies may use the network."""

    allow = "allow"
    never = "never"


class TaskBranches(StrEnum):
    """Whether the branches of single tasks are pushed before they are integrated."""

    pushed = "pushed"
    local = "local"


Dollars = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Days = Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0.01, le=720, allow_inf_nan=False)]  # at most the month of working memory
Names = Annotated[tuple[str, ...], NoDecode]  # separated by commas or blanks


class Settings(BaseSettings):
    """The environment, validated; a name in lower case here is `AURORA_` and upper case there."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,  # docs/reference.md is made of them
    )

    # Models
    model: str | None = None
    """The language model as `provider:model`, for all roles whose tier names no other."""
    model_planner: str | None = None
    """The model of the tier `planner`: reading issues, planning."""
    model_coder: str | None = None
    """The model of the tier `coder`: changing code."""
    model_reviewer: str | None = None
    """The model of the tier `reviewer`: reading the whole change."""
    model_prices: str = ""  # read where models are made
    """Prices and other knowledge of models: a JSON object, or the path of a JSON or TOML file with one. See Models."""

    model_protocol: str | None = None
    """How actions are asked of models that the table doesn't know: `tools`, `actions` or `files`."""

    # Policy
    merge: MergePolicy | None = None
    """Goes before what repositories say of `merge`: `auto`, `on-approval` or `never`."""
    budget: Dollars = 5.0
    """The most US dollars that a project may cost; a repository can only lower it."""
    budget_most: Dollars | None = None
    """The most to which people can raise the cap of a project by `/aurora budget`; without it, `AURORA_BUDGET`."""
    budget_call: Dollars | None = None
    """The most US dollars that a single model call may cost, in the worst case; without it there is no such cap."""
    budget_task: Dollars | None = None
    """The most US dollars that a task may cost, of all its attempts together; without it there is no such cap."""
    budget_repository_day: Dollars | None = None
    """The most US dollars for each repository and day (UTC); without it there is no such cap."""
    budget_day: Dollars | None = None
    """The most US dollars for the whole installation and day (UTC); without it there is no such cap."""
    task_slots: Annotated[int, Field(ge=1, le=256)] = 8
    """How many tasks one worker runs at a time."""
    repository_tasks: Annotated[int, Field(ge=0, le=10_000)] = 16
    """How many tasks of one repository run at a time, on all workers together; 0: as many as there are slots."""
    task_branches: TaskBranches = TaskBranches.pushed
    """Whether branches of single tasks are `pushed` before they are integrated, or stay `local` until then, which
    needs all workers on one machine with one data directory."""
    trigger_label: str = "aurora"
    """The label that starts a run."""
    repositories: Names = ()
    """The only repositories to work in, `OWNER/NAME` or `OWNER/*`; empty: wherever the app is installed."""
    allowed_bots: Names = ()
    """Logins of bots whose labels and comments count, such as `renovate[bot]`."""
    paused: bool = False
    """Begin nothing new. What has begun goes on; issues labelled meanwhile begin once a worker starts without this."""
    sandbox: str = "auto"
    """How commands are confined: `auto`, `bubblewrap`, `container` or `none` (none is run)."""
    setup_network: SetupNetwork = SetupNetwork.allow
    """Whether installing a repository's declared dependencies may use the network: `allow` or `never`."""

    # Stores
    database_url: SecretStr | None = None
    """PostgreSQL: `postgresql://USER:PASSWORD@HOST/NAME`. `demo`, `run` and `local` start their own without it."""
    redis_url: SecretStr | None = None
    """The queue's Redis: `redis://HOST:6379/0`. `demo`, `run` and `local` start their own without it."""
    memory_redis_url: SecretStr | None = None
    """Redis for short-term memory; without it, a small part of the queue's."""
    embedder: Annotated[str, Field(pattern=r"^(minilm|hashing|[a-z_]+:.+)$")] = "minilm"
    """What tells the meaning of memories: `minilm` (packaged), `hashing` (finds words, not meanings), or an embedder
    of LangChain as `provider:model`, such as `openai:text-embedding-3-small`."""
    data_dir: Path = Path(".aurora")
    """Where a process keeps mirrors, worktrees and environments."""

    # Retention
    keep_test_results: Days = 90
    """Days that the results of checkpoints are kept, of projects that have ended."""
    keep_build_logs: Days = 30
    """Days that build logs are kept: the output of checkpoints, as files."""
    keep_agent_logs: Days = 30
    """Days that agent logs are kept; and, after a project's end, its journal, saved graph state and events."""
    keep_task_history: Days = 365
    """Days that a project is kept after its end, with its tasks, messages, errors and model calls."""
    keep_deliveries: Days = 30
    """Days that webhooks are kept once they were handled or given up."""
    keep_workspaces: Days = 30
    """Days that a worker keeps mirrors, environments and cached results that nobody uses."""
    keep_session: Hours = 1
    """Hours that short-term memory is kept in Redis."""

    # Web
    host: str = "127.0.0.1"
    """The address that the web server listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port that the web server listens on; 0 takes a free one."""
    public_url: str | None = None
    """The web server's address as people reach it, for links in comments."""
    api_token: SecretStr | None = None
    """What programs send as `Authorization: Bearer …` to read `/projects`; without it nobody can."""
    worker_host: str = "127.0.0.1"
    """The address on which a worker serves its logs, `/metrics` and `/healthz`."""
    worker_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The port on which it does; 0 takes a free one."""
    worker_url: str | None = None
    """Where the web server finds that, if not at the host's name and that port."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least level that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    # GitHub
    github_app_id: Annotated[int, Field(gt=0)] | None = None
    """The number on the app's page at GitHub."""
    github_private_key: SecretStr | None = None
    """The app's private key in PEM, line feeds as they are or written `\\n`."""
    github_private_key_file: Path | None = None
    """The path of the app's private key, instead of the key itself."""
    github_webhook_secret: SecretStr | None = None
    """What GitHub signs webhooks with."""
    github_api_url: str = "https://api.github.com"
    """GitHub's REST API; on GitHub Enterprise Server `https://HOST/api/v3`."""
    github_web_url: str = "https://github.com"
    """GitHub's pages; on GitHub Enterprise Server `https://HOST`."""

    @field_validator("repositories", "allowed_bots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("public_url", "worker_url", "github_api_url", "github_web_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://unset")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("must be an address such as https://example.org")
        return value.rstrip("/") if value else value

    @field_validator("database_url", "redis_url", "memory_redis_url")
    @classmethod
    def _store(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = STORE_SCHEMES["database" if info.field_name == "database_url" else "redis"]
        if value and urlsplit(value.get_secret_value()).scheme not in schemes:
            raise ValueError(f"must begin with {schemes[0]}://")
        return value

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.github_private_key and self.github_private_key_file:
            raise ValueError(
                "AURORA_GITHUB_PRIVATE_KEY and AURORA_GITHUB_PRIVATE_KEY_FILE are both set: keep one of them."
            )
        return self

    def caps(self) -> Caps:
        """Return the caps on money besides that of each project."""
        return Caps(self.budget_call, self.budget_task, self.budget_repository_day, self.budget_day)

    def periods(self) -> Periods:
        """Return for how long things are kept."""
        return Periods(
            test_results=timedelta(days=self.keep_test_results),
            build_logs=timedelta(days=self.keep_build_logs),
            agent_logs=timedelta(days=self.keep_agent_logs),
            task_history=timedelta(days=self.keep_task_history),
            deliveries=timedelta(days=self.keep_deliveries),
            workspaces=timedelta(days=self.keep_workspaces),
            session=timedelta(hours=self.keep_session),
        )

    def secrets(self, environment: Mapping[str, str]) -> set[str]:
        """Return every secret value that this process knows, those for model providers in `environment` included."""
        found = {value for name, value in environment.items() if name.endswith(SECRETS)}
        for value in (getattr(self, name) for name in type(self).model_fields):
            if isinstance(value, SecretStr):
                secret = value.get_secret_value()
                found |= {urlsplit(secret).password or ""} if "://" in secret else {secret, secret.strip()}
        return found

    def private_key(self) -> str:
        """Return the GitHub App's private key in PEM; raise `ConfigurationError` when there is none."""
        if self.github_private_key_file:
            key = _read_file(self.github_private_key_file)
        elif self.github_private_key:
            key = self.github_private_key.get_secret_value().replace("\\n", "\n")
        else:
            raise _missing("GITHUB_PRIVATE_KEY_FILE", "the path of the key that GitHub made for the app")
        if "PRIVATE KEY-----" not in key:
            raise ConfigurationError(
                "The GitHub App's private key isn't in PEM form: use the .pem file as GitHub gave it."
            )
        return key

    def app_id(self) -> int:
        """Return the GitHub App's id; raise `ConfigurationError` when there is none."""
        if self.github_app_id is None:
            raise _missing("GITHUB_APP_ID", "the number on the app's page at GitHub")
        return self.github_app_id

    def webhook_secret(self) -> str:
        """Return what webhooks are signed with; raise `ConfigurationError` when there is none."""
        return _secret(self.github_webhook_secret, "GITHUB_WEBHOOK_SECRET", "the app's webhook secret")

    def database(self) -> str:
        """Return PostgreSQL's address; raise `ConfigurationError` when there is none."""
        return _secret(self.database_url, "DATABASE_URL", "postgresql://USER:PASSWORD@HOST/NAME")

    def redis(self) -> str:
        """Return the address of the queue's Redis; raise `ConfigurationError` when there is none."""
        return _secret(self.redis_url, "REDIS_URL", "redis://HOST:6379/0")


def read_settings(**known: Any) -> Settings:
    """Return the settings of this process's environment; `known` ones, by field name, go before it.

    Raises `ConfigurationError` with one sentence that names the variable.
    """
    try:
        return Settings(**known)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name = str(first["loc"][0]).removeprefix(PREFIX.lower()).upper()
    return f"{PREFIX}{name} can't be used: {message[0].lower()}{message[1:].rstrip('.')}."


def _missing(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{PREFIX}{name} isn't set: write {what}.")


def _secret(value: SecretStr | None, name: str, what: str) -> str:
    if value is None or not value.get_secret_value().strip():
        raise _missing(name, what)
    return value.get_secret_value().strip()


def _read_file(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ConfigurationError(
            f"{PREFIX}GITHUB_PRIVATE_KEY_FILE can't be read: {error.strerror or error} ({path})."
        ) from None
