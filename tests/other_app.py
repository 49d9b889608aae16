"""Another GitHub App on a hub: what GitHub Actions or a service that checks pull requests is to ours."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt

PERMISSIONS = {"checks": "write", "contents": "read", "issues": "write", "pull_requests": "write", "statuses": "write"}


@dataclass(frozen=True)
class OtherApp:
    """An app registered by its manifest and installed on the owner of a repository."""

    session: aiohttp.ClientSession
    url: str
    full_name: str
    id: int
    slug: str
    token: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Do something in the repository with the app's token."""
        return await _answer(self.session, method, f"{self.url}/repos/{self.full_name}{path}", body, self.token)

    async def check(self, sha: str, name: str, conclusion: str | None = "failure", **more: Any) -> dict[str, Any]:
        """Report a check of a commit; without a conclusion it is still running."""
        ended = {"status": "in_progress"} if conclusion is None else {"conclusion": conclusion}
        made: dict[str, Any] = await self.ask("POST", "/check-runs", {"name": name, "head_sha": sha, **ended, **more})
        return made

    async def finish(self, run_id: int, conclusion: str, **more: Any) -> dict[str, Any]:
        """End a check that is running."""
        done: dict[str, Any] = await self.ask("PATCH", f"/check-runs/{run_id}", {"conclusion": conclusion, **more})
        return done


async def register(
    session: aiohttp.ClientSession,
    url: str,
    full_name: str,
    name: str = "Builder",
    events: Sequence[str] = (),
    webhook: str | None = None,
) -> OtherApp:
    """Register an app as its maker would, by the manifest flow; the hub installs it everywhere."""
    manifest = {"name": name, "url": "https://builder.example", "default_permissions": PERMISSIONS}
    manifest |= {"default_events": list(events), "hook_attributes": {"url": webhook or "", "active": bool(webhook)}}
    form = {"manifest": json.dumps(manifest)}
    async with session.post(f"{url}/settings/apps/new", data=form, allow_redirects=False) as answer:
        code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    made = await _answer(session, "POST", f"{url}/app-manifests/{code}/conversions", None, None)
    now = int(time.time())
    signed = jwt.encode({"iat": now - 60, "exp": now + 500, "iss": str(made["id"])}, made["pem"], algorithm="RS256")
    installed = await _answer(session, "GET", f"{url}/repos/{full_name}/installation", None, signed)
    path = f"/app/installations/{installed['id']}/access_tokens"
    token = (await _answer(session, "POST", url + path, {}, signed))["token"]
    return OtherApp(session, url, full_name, made["id"], made["slug"], token)


async def _answer(session: aiohttp.ClientSession, method: str, url: str, body: Any, token: str | None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.request(method, url, json=body, headers=headers) as answer:
        text = await answer.text()
        assert answer.status < 300, f"{method} {url}: {answer.status} {text}"
        return json.loads(text) if text else None
