"""Renamed repositories, and those that the app was installed in again: a delivery may be older than that, or newer."""

import logging
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.project import Repository
from app.errors import NotFound
from app.storage.repositories import Repositories

log = logging.getLogger(__name__)


class Directory(Protocol):
    """Who knows what a repository is called now, and which installation covers it."""

    async def called(self, number: int, installation_id: int) -> str | None:
        """Return the full name of a repository by its number; None when it is gone."""
        ...

    async def find(self, full_name: str) -> Repository:
        """Return a repository by its name with the installation that covers it; raises `NotFound`."""
        ...


@dataclass(frozen=True)
class Renames:
    """Finds a repository as it is at present, and has the rows follow it."""

    known: Repositories
    directory: Directory

    async def followed(self, repository: Repository, payload: dict[str, Any]) -> Repository:
        """Return the repository of a delivery as it is now; raises `Transient` when GitHub can't be asked."""
        number = _number(payload)
        if number is None:
            return repository
        before = await self.known.called(number)
        if before == repository:
            return repository
        now = repository if before is None else await self._present(number, repository, before)
        if now != before:
            await self.known.learn(number, now)
            if before is not None:
                log.info("repository moved", extra={"before": before.full_name, "repository": now.full_name})
        return now

    async def _present(self, number: int, told: Repository, before: Repository) -> Repository:
        """Ask GitHub about what differs: either the rows or the delivery are behind."""
        name, installation = told.full_name, told.installation_id
        if name != before.full_name:
            name = await self.directory.called(number, installation) or before.full_name
        if installation != before.installation_id:
            try:
                installation = (await self.directory.find(name)).installation_id
            except NotFound:  # nothing covers it any more
                installation = before.installation_id or installation
        return Repository(full_name=name, installation_id=installation)


def _number(payload: dict[str, Any]) -> int | None:
    part = payload.get("repository")
    number = part.get("id") if isinstance(part, dict) else None
    return number if isinstance(number, int) and 0 < number < 2**63 else None
