"""Settings come from the environment, and what is wrong with them is said in one sentence."""

from pathlib import Path

import pytest

from app.domain.repository_settings import MergePolicy
from app.errors import ConfigurationError
from app.settings import read_settings

KEY = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("AURORA_")]:
        monkeypatch.delenv(name)


def test_the_defaults_are_safe():
    settings = read_settings()
    assert (settings.host, settings.port, settings.budget, settings.task_slots) == ("127.0.0.1", 8000, 5.0, 8)
    assert settings.merge is None
    assert settings.github_api_url == "https://api.github.com"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AURORA_MERGE", "never")
    monkeypatch.setenv("AURORA_REPOSITORIES", "a/b, c/*")
    monkeypatch.setenv("AURORA_PAUSED", "true")
    monkeypatch.setenv("AURORA_BUDGET", "")
    monkeypatch.setenv("AURORA_GITHUB_API_URL", "https://ghe.example/api/v3/")
    settings = read_settings()
    assert settings.merge is MergePolicy.never
    assert settings.repositories == ("a/b", "c/*")
    assert settings.paused
    assert settings.budget == 5.0
    assert settings.github_api_url == "https://ghe.example/api/v3"


def test_what_is_known_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AURORA_PORT", "1")
    assert read_settings(port=2).port == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AURORA_BUDGET", "lots"),
        ("AURORA_BUDGET", "nan"),
        ("AURORA_MERGE", "maybe"),
        ("AURORA_PORT", "99999"),
        ("AURORA_DATABASE_URL", "mysql://user:hunter2@host/db"),
        ("AURORA_PUBLIC_URL", "here"),
        ("AURORA_SETUP_NETWORK", "sometimes"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name} can't be used: ") as raised:
        read_settings()
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("read", "name"),
    [
        ("app_id", "GITHUB_APP_ID"),
        ("private_key", "GITHUB_PRIVATE_KEY_FILE"),
        ("webhook_secret", "GITHUB_WEBHOOK_SECRET"),
        ("database", "DATABASE_URL"),
        ("redis", "REDIS_URL"),
    ],
)
def test_a_missing_setting_is_named_when_it_is_needed(read: str, name: str):
    with pytest.raises(ConfigurationError, match=f"AURORA_{name} isn't set"):
        getattr(read_settings(), read)()


def test_the_private_key_comes_from_a_file_or_from_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "key.pem"
    file.write_text(KEY)
    assert read_settings(github_private_key_file=file).private_key() == KEY
    monkeypatch.setenv("AURORA_GITHUB_PRIVATE_KEY", KEY.replace("\n", "\\n"))
    assert read_settings().private_key() == KEY


def test_one_private_key_is_enough(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="keep one of them"):
        read_settings(github_private_key=KEY, github_private_key_file=tmp_path / "key.pem")


def test_a_private_key_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="PEM"):
        read_settings(github_private_key="ssh-rsa abc").private_key()
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_settings(github_private_key_file=tmp_path / "none.pem").private_key()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AURORA_GITHUB_WEBHOOK_SECRET", "hunter2")
    assert "hunter2" not in repr(read_settings())


def test_every_secret_is_known_to_what_hides_them():
    settings = read_settings(
        database_url="postgresql://aurora:pass-of-db@db/aurora", redis_url="redis://:pass-of-redis@queue/0",
        memory_redis_url="redis://memory/0", api_token=" a-long-token ", github_webhook_secret="of-webhooks",
        github_private_key="-----BEGIN",
    )  # fmt: skip
    others = {"AWS_SECRET_ACCESS_KEY": "of-bedrock", "PGPASSWORD": "of-libpq"}
    found = settings.secrets({"OPENAI_API_KEY": "sk-of-models", "PATH": "/bin", **others})
    assert set(others.values()) <= found
    assert {"pass-of-db", "pass-of-redis", "a-long-token", "of-webhooks", "-----BEGIN", "sk-of-models"} <= found
    assert "/bin" not in found
