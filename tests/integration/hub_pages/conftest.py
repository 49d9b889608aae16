"""A hub with an app that hears of things, people at plain browsers, and a real browser where there is one."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import yaml
from aiohttp import web

from hub.main import Import, Options, Running, serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
EVENTS = ["check_run", "check_suite", "issue_comment", "issues", "pull_request", "pull_request_review",
          "pull_request_review_comment", "push"]  # fmt: skip
PERMISSIONS = {"checks": "write", "contents": "write", "issues": "write", "pull_requests": "write"}


@dataclass
class Page:
    """What a plain browser was shown."""

    status: int
    text: str
    headers: Any
    path: str

    @property
    def words(self) -> str:
        """The text without tags, as a reader sees it."""
        return html.unescape(re.sub(r"<[^>]*>", "", self.text))

    def tag(self, pattern: str) -> bool:
        """Tell whether there is a start tag like this."""
        return re.search(rf"<{pattern}[\s/>]", self.text, re.I) is not None


@dataclass
class Person:
    """A person at a plain browser: cookies, links and forms, no scripts."""

    url: str
    session: aiohttp.ClientSession

    async def see(self, path: str, **headers: str) -> Page:
        return await self._ask("GET", path, None, {"Accept": "text/html", **headers})

    async def send(self, path: str, fields: dict[str, Any], *, seen: str, **headers: str) -> Page:
        """Fill in a form of the page `seen` and send it; what is shown after redirects comes back."""
        token = re.search(r'name="form_token" value="(\w+)"', (await self.see(seen)).text)
        data = {"form_token": token[1] if token else "", **fields}
        return await self._ask("POST", path, data, {"Accept": "text/html", "Origin": self.url, **headers})

    async def post(self, path: str, fields: dict[str, Any], **headers: str) -> Page:
        """Send a form without having seen it."""
        return await self._ask("POST", path, fields, {"Accept": "text/html", **headers})

    async def _ask(self, method: str, path: str, data: Any, headers: dict[str, str]) -> Page:
        async with self.session.request(method, self.url + path, data=data, headers=headers) as answer:
            return Page(answer.status, await answer.text(), answer.headers, answer.url.raw_path)


@dataclass
class Site:
    """A hub with a repository and an app; `heard` is what the app was told, `app_answers` its status."""

    running: Running
    session: aiohttp.ClientSession
    stack: AsyncExitStack
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    app_answers: int = 202

    @property
    def url(self) -> str:
        return self.running.url

    def token(self, login: str = "you") -> str:
        return str(self.running.description["users"][login])

    async def rest(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        sent = None if body is None else io.BytesIO(json.dumps(body).encode())
        async with self.session.request(method, self.url + path, data=sent, headers=headers) as answer:
            text = await answer.text()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
            return json.loads(text) if text else None

    async def bot(self) -> str:
        """Give the app's token."""
        app, now = self.running.description["app"], int(time.time())
        claims = {"iat": now - 60, "exp": now + 500, "iss": str(app["id"])}
        key = await asyncio.to_thread(Path(app["private_key_file"]).read_text)
        signed = jwt.encode(claims, key, algorithm="RS256")
        installation = (await self.rest("GET", "/app/installations", token=signed))[0]["id"]
        made = await self.rest("POST", f"/app/installations/{installation}/access_tokens", {}, signed)
        return str(made["token"])

    async def names(self) -> list[str]:
        """Name what the app has heard of, in order."""
        await self.running.hub.outbox.idle()
        return [f"{event}.{payload['action']}" if "action" in payload else event for event, payload in self.heard]

    async def visitor(self) -> Person:
        """Somebody who isn't signed in."""
        jar = aiohttp.CookieJar(unsafe=True)  # keeps cookies of 127.0.0.1
        return Person(self.url, await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar)))

    async def person(self, login: str = "you") -> Person:
        """Somebody who signed in with a token."""
        person = await self.visitor()
        page = await person.send("/login", {"token": self.token(login), "next": "/"}, seen="/login")
        assert page.path == "/"
        assert login in page.words
        return person

    async def commit(self, branch: str, path: str, content: str, token: str | None = None) -> str:
        """Write a file to a branch, which begins where main is; return the commit."""
        heads = await self.rest("GET", "/repos/acme/shop/git/matching-refs/heads/")
        shas = {one["ref"].removeprefix("refs/heads/"): one["object"]["sha"] for one in heads}
        if branch not in shas:
            made = {"ref": f"refs/heads/{branch}", "sha": shas["main"]}
            await self.rest("POST", "/repos/acme/shop/git/refs", made, token)
        body = {"message": f"Write {path}", "branch": branch, "content": base64.b64encode(content.encode()).decode()}
        written = await self.rest("PUT", f"/repos/acme/shop/contents/{path}", body, token)
        return str(written["commit"]["sha"])

    async def pull(self, branch: str = "topic", **fields: str) -> dict[str, Any]:
        """Open a pull request as the app, with one new file."""
        bot = await self.bot()
        await self.commit(branch, "new.py", "first = 1\nsecond = 2\n", bot)
        data = {"title": "A change", "body": "It adds.", "head": branch, "base": "main", **fields}
        made: dict[str, Any] = await self.rest("POST", "/repos/acme/shop/pulls", data, bot)
        return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small repository."""
    path = tmp_path / "shop"
    (path / "docs").mkdir(parents=True)
    (path / "README.md").write_text("# Shop\n\nRead the [guide](docs/guide.md).\n")
    (path / "docs" / "guide.md").write_text("# Guide\n")
    (path / "prices.py").write_text("def total(items):\n    return sum(items)\n")
    git = ["git", "-C", str(path), "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for command in (["init", "-qb", "main"], ["add", "."], ["commit", "-qm", "Start"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return path


@pytest.fixture
async def site(tmp_path: Path, source: Path) -> AsyncIterator[Site]:
    manifest = tmp_path / "app.yml"
    described = {"name": "Helper", "url": "https://example.org", "hook_attributes": {"url": "https://example.org"}}
    manifest.write_text(yaml.safe_dump({**described, "default_permissions": PERMISSIONS, "default_events": EVENTS}))
    async with AsyncExitStack() as stack:
        made: list[Site] = []

        async def hear(request: web.Request) -> web.Response:
            site = made[0]
            site.heard.append((request.headers["X-GitHub-Event"], await request.json()))
            return web.Response(status=site.app_answers, text="thanks")

        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/hook", hear)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        options = Options(
            data=tmp_path / "hub",
            imports=(Import(source, "acme", "shop"),),
            users=("stranger",),
            manifest=manifest,
            webhook_url=f"http://127.0.0.1:{runner.addresses[0][1]}/hook",
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = await stack.enter_async_context(serving(options))
        made.append(Site(running, session, stack))
        yield made[0]


@dataclass
class Browser:
    """One tab of a real browser, driven over its DevTools protocol."""

    socket: aiohttp.ClientWebSocketResponse
    numbers: Any = field(default_factory=lambda: count(1))

    async def tell(self, method: str, **parameters: Any) -> Any:
        """Send a command and wait for its answer; events on the way are of no interest."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(30):
            while True:
                answer = await self.socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, answer["error"]
                    return answer["result"]

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page."""
        result = await self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait for something to become true in the page."""
        async with asyncio.timeout(20):
            while not await self._is(condition):
                await asyncio.sleep(0.05)

    async def _is(self, condition: str) -> bool:
        result = await self.tell("Runtime.evaluate", expression=condition, returnByValue=True)
        return result["result"].get("value") is True

    async def visit(self, address: str) -> None:
        """Go to a page and wait until it is there."""
        await self.run("window.left = true")
        await self.tell("Page.navigate", url=address)
        await self.arrived()

    async def arrived(self) -> None:
        await self.until("window.left === undefined && document.readyState === 'complete'")

    async def click(self, selector: str) -> None:
        """Press something that leads to another page."""
        await self.run(f"window.left = true; document.querySelector({json.dumps(selector)}).click()")
        await self.arrived()

    async def size(self, width: int, height: int = 844) -> None:
        mobile = width < 600
        await self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path / 'browser'}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_end, process)
        port = await _port(process)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            page = next(one for one in await answer.json() if one["type"] == "page")
        address = page["webSocketDebuggerUrl"]
        yield Browser(await stack.enter_async_context(session.ws_connect(address, max_msg_size=64 * 1024 * 1024)))


async def _port(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(60):
        async for line in process.stderr:
            found = re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
            if found:
                return found[1].decode()
    raise AssertionError("Chromium ended before it could be driven")


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    async with asyncio.timeout(20):
        await process.communicate()
