"""A person at the local GitHub: opens issues and looks at what became of them."""

from collections.abc import Sequence
from typing import Any

import aiohttp

from app.errors import ForgeError, NotFound, Transient

SECONDS = 30.0


class HubPerson:
    """Speaks to the hub's REST API with a person's token."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, login: str, token: str) -> None:
        """Act as `login`; the session is the caller's to close."""
        self._session = session
        self._api_url = api_url.rstrip("/")
        self.login = login
        self._token = token

    async def open_issue(self, repository: str, title: str, body: str, labels: Sequence[str] = ()) -> dict[str, Any]:
        """Open an issue in OWNER/NAME and return it."""
        issue = {"title": title, "body": body, "labels": list(labels)}
        opened: dict[str, Any] = await self.post(f"/repos/{repository}/issues", issue)
        return opened

    async def comment(self, repository: str, number: int, body: str) -> dict[str, Any]:
        """Comment on an issue or pull request and return the comment."""
        made: dict[str, Any] = await self.post(f"/repos/{repository}/issues/{number}/comments", {"body": body})
        return made

    async def get(self, path: str, **query: str) -> Any:
        """Return the answer to a GET; raises `NotFound`, `ForgeError` or `Transient`."""
        return await self.request("GET", path, params=query)

    async def post(self, path: str, content: object) -> Any:
        """Return the answer to a POST of JSON; raises like `get`."""
        return await self.request("POST", path, json=content)

    async def patch(self, path: str, content: object) -> Any:
        """Change something."""
        return await self.request("PATCH", path, json=content)

    async def put(self, path: str, content: object) -> Any:
        """Make something so."""
        return await self.request("PUT", path, json=content)

    async def delete(self, path: str) -> Any:
        """Take something away."""
        return await self.request("DELETE", path)

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """Return the answer to a request, with aiohttp's options; raises like `get`."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/vnd.github+json"}
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with self._session.request(
                method, f"{self._api_url}{path}", headers=headers, timeout=timeout, **options
            ) as response:
                answer = await response.json(content_type=None)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Transient(f"The local GitHub didn't answer {method} {path}: {error}") from error
        if response.ok:
            return answer
        said = answer.get("message", "") if isinstance(answer, dict) else ""
        kind = NotFound if response.status == 404 else ForgeError
        raise kind(f"The local GitHub answered {method} {path} with {response.status} {said}", response.status)
