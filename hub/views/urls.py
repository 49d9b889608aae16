"""Addresses of the hub's things, seen from whoever asked."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Urls:
    """Know where REST (`api`) and the pages (`web`) are, both without a final slash."""

    api: str
    web: str

    def repo(self, full_name: str, *parts: str | int) -> str:
        """Name a REST resource of a repository."""
        return "/".join([f"{self.api}/repos/{full_name}", *(quote(str(part)) for part in parts)])

    def page(self, full_name: str, *parts: str | int) -> str:
        """Name a page of a repository."""
        return "/".join([f"{self.web}/{full_name}", *(quote(str(part)) for part in parts)])


def node_id(kind: str, number: int | str) -> str:
    """Make the opaque id that GraphQL would use."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()
