"""What the operator decides, read once from environment variables that begin with `AURORA_`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.repository_settings import MergePolicy
from app.errors import ConfigurationError

PREFIX = "AURORA_"
STORE_SCHEMES = {"database": ("postgresql", "postgres"), "redis": ("redis", "rediss", "unix")}


class SetupNetwork(StrEnum):
    """Whether installing a repository's dependencies may use the network."""

    allow = "allow"
    never = "never"


class TaskBranches(StrEnum):
    """Whether the branches of single tasks are pushed before they are integrated."""

    pushed = "pushed"
    local = "local"


Names = Annotated[tuple[str, ...], NoDecode]  # separated by commas or blanks


class Settings(BaseSettings):
    """The environment, validated; a name in lower case here is `AURORA_` and upper case there."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    # Models
    model: str | None = None  # provider:model
    model_planner: str | None = None
    model_coder: str | None = None
    model_reviewer: str | None = None
    model_prices: str = ""  # read where models are made

    # Policy
    merge: MergePolicy | None = None  # goes before what a repository says
    budget: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0  # US dollars per project
    task_slots: Annotated[int, Field(ge=1, le=256)] = 8  # tasks that one worker runs at a time
    task_branches: TaskBranches = TaskBranches.pushed
    trigger_label: str = "aurora"
    repositories: Names = ()  # OWNER/NAME or OWNER/*; empty: wherever the app is installed
    allowed_bots: Names = ()  # logins such as renovate[bot] whose labels count
    paused: bool = False  # begin nothing new
    sandbox: str = "auto"
    setup_network: SetupNetwork = SetupNetwork.allow

    # Stores
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    memory_redis_url: SecretStr | None = None
    data_dir: Path = Path(".aurora")

    # Web
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    public_url: str | None = None
    api_token: SecretStr | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # GitHub
    github_app_id: Annotated[int, Field(gt=0)] | None = None
    github_private_key: SecretStr | None = None
    github_private_key_file: Path | None = None
    github_webhook_secret: SecretStr | None = None
    github_api_url: str = "https://api.github.com"
    github_web_url: str = "https://github.com"

    @field_validator("repositories", "allowed_bots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("public_url", "github_api_url", "github_web_url")
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
