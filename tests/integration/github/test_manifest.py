"""Every line of `app.yml` is needed: without it, something that the app does fails by name."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from app.domain.ports import CheckRun
from app.errors import ForgeError
from app.github.forge import GitHubForge
from app.github.forges import GitHubForges
from hub.main import Import, Options, Running, serving

ROOT = Path(__file__).parents[3]
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "app.yml").read_text())
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHECK = CheckRun("aurora / tests", "", "tests", "success", "12 tests passed", "All of them.", NOW, NOW)


async def read_a_persons_permission(forge: GitHubForge, _: str) -> None:
    await forge.permission("you")


async def delete_a_branch(forge: GitHubForge, _: str) -> None:
    await forge.delete_branch("work")


async def comment_on_an_issue(forge: GitHubForge, _: str) -> None:
    await forge.comment(1, "Hello.")


async def open_a_pull_request(forge: GitHubForge, _: str) -> None:
    await forge.open_pull_request("Work", "", "work", "main")


async def show_a_check(forge: GitHubForge, head: str) -> None:
    await forge.create_check(replace(CHECK, head_sha=head))


async def read_a_status(forge: GitHubForge, head: str) -> None:
    if "ci" not in {check.name for check in await forge.foreign_checks(head)}:
        raise ForgeError("The status was not seen.")


PROOFS: dict[str, Callable[[GitHubForge, str], Awaitable[None]]] = {
    "metadata": read_a_persons_permission,
    "contents": delete_a_branch,
    "issues": comment_on_an_issue,
    "pull_requests": open_a_pull_request,
    "checks": show_a_check,
    "statuses": read_a_status,
}


async def label(person: "Person") -> None:
    await person.post("/issues/1/labels", {"labels": ["aurora"]})


async def comment(person: "Person") -> None:
    await person.post("/issues/1/comments", {"body": "Please."})


async def close(person: "Person") -> None:
    await person.patch("/pulls/2", {"state": "closed"})


async def review(person: "Person") -> None:
    await person.post("/pulls/2/reviews", {"event": "COMMENT", "body": "Why?"})


async def judge(person: "Person") -> None:
    await person.post(f"/statuses/{(await person.get('/commits/main'))['sha']}", {"state": "success", "context": "ci"})


EVENTS: dict[str, Callable[["Person"], Awaitable[None]]] = {
    "issues": label,
    "issue_comment": comment,
    "pull_request": close,
    "pull_request_review": review,
    "status": judge,
}


class Person:
    """Somebody with write permission at the hub."""

    def __init__(self, session: aiohttp.ClientSession, running: Running) -> None:
        self._session, self._url = session, f"{running.url}/repos/octo/sample"
        self._headers = {"Authorization": f"Bearer {running.description['users']['you']}"}

    async def post(self, path: str, body: Any) -> Any:
        return await self._send("POST", path, body)

    async def patch(self, path: str, body: Any) -> Any:
        return await self._send("PATCH", path, body)

    async def get(self, path: str) -> Any:
        return await self._send("GET", path, None)

    async def _send(self, method: str, path: str, body: Any) -> Any:
        url = self._url + path
        async with self._session.request(method, url, json=body, headers=self._headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()


@asynccontextmanager
async def app_with(
    manifest: dict[str, Any], folder: Path, origin: Path, session: aiohttp.ClientSession
) -> AsyncIterator[tuple[Running, GitHubForges, Person, str]]:
    """Run a hub with an app of this manifest, an issue, a branch `work` and an open pull request from another."""
    file = folder / "manifest.yml"
    file.write_text(yaml.safe_dump(manifest))
    imports = (Import(origin, "octo", "sample"),)
    async with serving(
        Options(folder / "hub", imports=imports, manifest=file, webhook_url="http://127.0.0.1:9/")
    ) as hub:
        person = Person(session, hub)
        await person.post("/issues", {"title": "An issue"})
        head = (await person.get("/commits/main"))["sha"]
        await judge(person)
        for branch in ("work", "other"):
            await person.post("/git/refs", {"ref": f"refs/heads/{branch}", "sha": head})
            content = {"message": "Change", "content": "eA==", "branch": branch}
            async with session.put(
                f"{hub.url}/repos/octo/sample/contents/{branch}.txt", json=content, headers=person._headers
            ) as answer:
                assert answer.status == 201, await answer.text()
        await person.post("/pulls", {"title": "Other", "head": "other", "base": "main"})
        forges = GitHubForges(
            session,
            app_id=hub.description["app"]["id"],
            private_key=_read(hub.description["app"]["private_key_file"]),
            api_url=hub.url,
            web_url=hub.url,
            clock=lambda: datetime.now(UTC),
        )
        yield hub, forges, person, head


def _read(path: str) -> str:
    return Path(path).read_text()


def without(section: str, line: str) -> dict[str, Any]:
    """Return the manifest without one line."""
    lines = MANIFEST[section]
    kept: Any = (
        {name: level for name, level in lines.items() if name != line}
        if isinstance(lines, dict)
        else [name for name in lines if name != line]
    )
    return {**MANIFEST, section: kept}


def test_every_line_has_its_proof():
    """A permission or an event that is added to the manifest needs a reason here."""
    assert set(PROOFS) == set(MANIFEST["default_permissions"])
    assert set(EVENTS) == set(MANIFEST["default_events"])


@pytest.mark.parametrize("permission", PROOFS)
async def test_without_a_permission_what_needs_it_is_refused(
    permission: str, tmp_path: Path, git_repository: Any, session: aiohttp.ClientSession
):
    """With the whole manifest it works; without the line, or with reading only, GitHub refuses."""
    origin = git_repository({"a.py": "x = 1\n"})
    async with app_with(MANIFEST, tmp_path, origin, session) as (_, forges, _person, head):
        await PROOFS[permission](forges.of(await forges.find("octo/sample")), head)
    if permission == "metadata":
        return  # GitHub gives it to every app, named or not
    (tmp_path / "less").mkdir()
    less = without("default_permissions", permission)
    async with app_with(less, tmp_path / "less", origin, session) as (_, forges, _person, head):
        with pytest.raises(ForgeError):
            await PROOFS[permission](forges.of(await forges.find("octo/sample")), head)


@pytest.mark.parametrize("event", EVENTS)
async def test_without_an_event_the_app_hears_nothing_of_it(
    event: str, tmp_path: Path, git_repository: Any, session: aiohttp.ClientSession
):
    """With the whole manifest the delivery is made; without the line it isn't."""
    origin = git_repository({"a.py": "x = 1\n"})
    heard = {}
    for name, manifest in (("whole", MANIFEST), ("less", without("default_events", event))):
        (tmp_path / name).mkdir()
        async with app_with(manifest, tmp_path / name, origin, session) as (hub, forges, person, _head):
            await EVENTS[event](person)
            await hub.hub.outbox.idle()
            deliveries = await forges.app.list("/app/hook/deliveries?per_page=100", {})
            heard[name] = event in {delivery["event"] for delivery in deliveries}
    assert heard == {"whole": True, "less": False}
