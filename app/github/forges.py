"""Where forges come from: one client and one token for each installation of the app."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

import aiohttp

from app.domain.ports import Clock, Sight
from app.domain.project import Repository
from app.errors import NotFound
from app.github import reading
from app.github.auth import AppCredentials, Credentials, InstallationCredentials, Sleep
from app.github.client import GitHubClient
from app.github.forge import GitHubForge
from app.github.identity import AppIdentity
from app.github.pace import Pace, Turns
from app.github.rest import Surroundings

THE_APP = 0  # stands for the app itself where installations have their number


class GitHubForges:
    """Makes forges; one client and one token for each installation, whatever number of repositories."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        app_id: int,
        private_key: str,
        api_url: str,
        web_url: str,
        clock: Clock,
        turns: Turns | None = None,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take addresses without a slash at their end; nothing is requested yet.

        `turns` is the budget that is shared with all other processes; only who writes nothing goes without.
        """
        self._turns = turns
        self._jitter = jitter
        self._shared = Surroundings(self.identity, web_url, sleep)
        self._session = session
        self._api_url = api_url
        self._clock = clock
        self.app = self._client(THE_APP, AppCredentials(app_id, private_key))
        self._identity: AppIdentity | None = None
        self._installations: dict[int, tuple[GitHubClient, InstallationCredentials]] = {}

    def of(self, repository: Repository) -> GitHubForge:
        """Return the forge of a repository."""
        return GitHubForge(repository, *self._installation(repository.installation_id), self._shared)

    def client(self, repository: Repository) -> GitHubClient:
        """Return the client of a repository's installation."""
        return self._installation(repository.installation_id)[0]

    async def identity(self) -> AppIdentity:
        """Return who the app is; asked of GitHub once."""
        if self._identity is None:
            data = await self.app.getitem("/app")
            self._identity = AppIdentity(data["id"], data["slug"])
        return self._identity

    async def find(self, full_name: str) -> Repository:
        """Return a repository by its name with the installation that covers it; raises `NotFound`."""
        owner, repo = full_name.split("/", 1)
        data = await self.app.getitem("/repos/{owner}/{repo}/installation", {"owner": owner, "repo": repo})
        return Repository(full_name=full_name, installation_id=data["id"])

    async def sight(self, installation_id: int) -> Sight:
        """Return how an installation stands now."""
        try:
            data = await self.app.getitem("/app/installations/{id}", {"id": str(installation_id)})
        except NotFound:
            return Sight.gone
        return Sight.suspended if data.get("suspended_at") else Sight.whole

    async def called(self, number: int, installation_id: int) -> str | None:
        """Return the full name that a repository has now, by its number; None when the app doesn't see it."""
        client, _ = self._installation(installation_id)
        try:
            data = await client.getitem("/repositories/{id}", {"id": str(number)})
        except NotFound:
            return None
        return str(data["full_name"])

    async def all(self) -> dict[int, Repository]:
        """Return every repository that the app is installed in, by its number."""
        found = {}
        for installation in await self.app.list("/app/installations?per_page=100", {}):
            if installation.get("suspended_at"):
                continue
            client, _ = self._installation(installation["id"])
            for data in await client.list("/installation/repositories?per_page=100", {}, "repositories"):
                found[data["id"]] = Repository(full_name=data["full_name"], installation_id=installation["id"])
        return found

    def _installation(self, number: int) -> tuple[GitHubClient, InstallationCredentials]:
        if number not in self._installations:
            credentials = InstallationCredentials(lambda: self._new_token(number), self._clock, self._shared.sleep)
            client = self._client(number, credentials)
            self._installations[number] = client, credentials
        return self._installations[number]

    def _client(self, number: int, credentials: Credentials) -> GitHubClient:
        sleep = self._shared.sleep
        pace = Pace(number, self._turns, sleep=sleep, now=lambda: self._clock().timestamp())
        return GitHubClient(self._session, credentials, self._api_url, pace=pace, sleep=sleep, jitter=self._jitter)

    async def _new_token(self, installation: int) -> tuple[str, datetime]:
        url = "/app/installations/{id}/access_tokens"
        data = await self.app.post(url, {"id": str(installation)}, data=b"")
        return data["token"], reading.moment(data["expires_at"])
