"""The REST addresses of one repository, asked with patience: GitHub may not know everywhere what just happened."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.domain.project import Repository
from app.errors import ForgeError
from app.github.auth import InstallationCredentials, Sleep
from app.github.client import GitHubClient
from app.github.identity import AppIdentity

T = TypeVar("T")

ANNOUNCED_PAUSES = (0.5, 1.0, 2.0)  # seconds; a thing may be 404 just after its webhook, or after it was made
STALE_PAUSES = (0.5, 1.5, 4.0)  # seconds; a list may not yet show what was made just before

_URL = "/repos/{owner}/{repo}"


@dataclass(frozen=True)
class Surroundings:
    """What every forge of the app shares."""

    identity: Callable[[], Awaitable[AppIdentity]]
    web_url: str
    sleep: Sleep = asyncio.sleep
    known_labels: set[tuple[str, str]] = field(default_factory=set)  # repository, label: those that exist


def missing(error: ForgeError) -> bool:
    """Tell whether GitHub may only not have heard everywhere of what was asked for."""
    return error.status == 404


class RepositoryRest:
    """Reads and writes below one repository, as one installation."""

    def __init__(
        self,
        repository: Repository,
        client: GitHubClient,
        credentials: InstallationCredentials,
        shared: Surroundings,
    ) -> None:
        """Share the installation's client and token with its other repositories."""
        self._vars = dict(zip(("owner", "repo"), repository.full_name.split("/", 1), strict=True))
        self._name = repository.full_name
        self._client = client
        self._credentials = credentials
        self._shared = shared

    async def _announced(self, path: str, **url_vars: Any) -> Any:
        return await self._patiently(lambda: self._get(path, **url_vars))

    async def _patiently(
        self, act: Callable[[], Awaitable[Any]], unready: Callable[[ForgeError], bool] = missing
    ) -> Any:
        """Read or change what was made or announced just now."""
        for pause in ANNOUNCED_PAUSES:
            try:
                return await act()
            except ForgeError as error:
                if not unready(error):
                    raise
            await self._shared.sleep(pause)
        return await act()

    async def _sooner_or_later(self, find: Callable[[], Awaitable[T | None]]) -> T | None:
        """Look in a list more than once before saying that something isn't there: it may be stale."""
        for pause in STALE_PAUSES:
            if (found := await find()) is not None:
                return found
            await self._shared.sleep(pause)
        return await find()

    async def _get(self, path: str, **url_vars: Any) -> Any:
        return await self._client.getitem(_URL + path, self._vars | url_vars)

    async def _list(self, path: str, key: str = "items", **url_vars: Any) -> list[Any]:
        return await self._client.list(_URL + path, self._vars | url_vars, key)

    async def _post(self, path: str, data: Mapping[str, Any], **url_vars: Any) -> Any:
        return await self._client.post(_URL + path, self._vars | url_vars, data=data)

    async def _patch(self, path: str, data: Mapping[str, Any], **url_vars: Any) -> Any:
        return await self._client.patch(_URL + path, self._vars | url_vars, data=data)

    async def _put(self, path: str, data: Mapping[str, Any], **url_vars: Any) -> Any:
        return await self._client.put(_URL + path, self._vars | url_vars, data=data)

    async def _delete(self, path: str, **url_vars: Any) -> None:
        await self._client.delete(_URL + path, self._vars | url_vars)
