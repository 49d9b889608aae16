"""Renamed repositories: a delivery may be older than the name, or tell of the new one before anything else does."""

import logging
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.project import Repository
from app.storage.repositories import Repositories

log = logging.getLogger(__name__)


class Directory(Protocol):
    """Who knows what a repository is called now."""

    async def called(self, number: int, installation_id: int) -> str | None:
        """Return the full name of a repository by its number; None when it is gone."""
        ...


@dataclass(frozen=True)
class Renames:
    """Finds the present name of a repository, and has the rows follow it."""

    known: Repositories
    directory: Directory

    async def followed(self, repository: Repository, payload: dict[str, Any]) -> Repository:
        """Return the repository of a delivery by its present name; raises `Transient` when GitHub can't be asked."""
        number = _number(payload)
        if number is None:
            return repository
        before = await self.known.called(number)
        if before == repository.full_name:
            return repository
        now = repository.full_name
        if before is not None:  # either the rows or the delivery are behind
            now = await self.directory.called(number, repository.installation_id) or before
        if now != before:
            await self.known.learn(number, now)
            if before is not None:
                log.info("repository renamed", extra={"before": before, "repository": now})
        return repository.model_copy(update={"full_name": now})


def _number(payload: dict[str, Any]) -> int | None:
    part = payload.get("repository")
    number = part.get("id") if isinstance(part, dict) else None
    return number if isinstance(number, int) and 0 < number < 2**63 else None
