"""Read a GitHub App manifest: name, addresses, permissions and events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml


class BadManifest(ValueError):
    """Say what is wrong with a manifest."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an app says of itself when it registers."""

    name: str
    url: str
    description: str | None
    webhook_url: str | None
    redirect_url: str | None
    permissions: dict[str, str]
    events: tuple[str, ...]

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def with_webhook(self, url: str | None) -> Manifest:
        """Send webhooks somewhere else than the manifest says."""
        return self if url is None else replace(self, webhook_url=url)


def read(path: Path) -> Manifest:
    """Read a manifest file, YAML or JSON."""
    try:
        text = path.read_text()
    except OSError as error:
        raise BadManifest(f"cannot read the app manifest {path}: {error.strerror}") from error
    try:
        return parse(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise BadManifest(f"{path} is neither YAML nor JSON: {error}") from error


def parse(data: Any) -> Manifest:
    """Check a manifest that was decoded already."""
    if not isinstance(data, Mapping) or not data.get("name"):
        raise BadManifest("an app manifest is a mapping with at least `name` and `url`")
    permissions = data.get("default_permissions") or {}
    if not isinstance(permissions, Mapping):
        raise BadManifest("`default_permissions` maps names of permissions to read or write")
    hook = data.get("hook_attributes") or {}
    active = hook.get("active", True)
    return Manifest(
        name=str(data["name"]),
        url=str(data.get("url") or "https://example.invalid"),
        description=data.get("description"),
        webhook_url=hook.get("url") if active else None,
        redirect_url=data.get("redirect_url"),
        permissions={str(name): str(level) for name, level in permissions.items()},
        events=tuple(str(event) for event in data.get("default_events") or ()),
    )
