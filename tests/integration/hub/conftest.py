"""A running hub, a receiver of its webhooks, and GitHub's description to hold both against."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
import jwt
import pytest
import yaml
from aiohttp import web

from hub.main import Import, Options, Running, serving

DESCRIPTION = Path(__file__).parents[4] / "shared" / "github" / "rest-and-webhooks.openapi.json"
# JSON Schema doesn't know the first three; the address of a bot (`x[bot]@…`) is no valid e-mail address, on GitHub too.
FORMATS_LEFT_OUT = ("uri-template", "repo.nwo", "timestamp", "email")
# GitHub answers null for a comment that is outdated; its description says integer.
NULL_WHEN_OUTDATED = {"pull-request-review-comment": ("line", "position"), "review-comment": ("line",)}
EVENTS = [
    "check_run", "check_suite", "create", "delete", "issue_comment", "issues", "pull_request",
    "pull_request_review", "pull_request_review_comment", "push", "repository", "status",
]  # fmt: skip
PERMISSIONS = {
    "actions": "read",
    "administration": "write",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}


class Conformance:
    """Hold answers and webhooks against GitHub's own description, where that is present."""

    def __init__(self) -> None:
        self.present = DESCRIPTION.exists()
        self.document = _json_schema(json.loads(DESCRIPTION.read_text())) if self.present else {}
        for schema, fields in NULL_WHEN_OUTDATED.items() if self.present else ():
            properties = self.document["components"]["schemas"][schema]["properties"]
            properties |= {name: {"anyOf": [properties[name], {"type": "null"}]} for name in fields}
        self._validators: dict[str, Any] = {}
        self.operations = [
            (method.upper(), path) for path, item in self.document.get("paths", {}).items() for method in item
            if method in {"get", "post", "put", "patch", "delete"}
        ]  # fmt: skip
        ordered = sorted(self.operations, key=lambda one: (one[1].count("{"), -len(one[1])))
        self._patterns = [(method, path, _pattern(path)) for method, path in ordered]
        self.seen: set[tuple[str, str, int]] = set()
        self.webhooks_seen: set[str] = set()

    def answer(self, method: str, path: str, status: int, body: Any) -> None:
        """Check one REST answer; an endpoint or status that the description doesn't know fails."""
        if not self.present or status == 304 or status >= 500:
            return
        operation = self.operation(method, path)
        if operation is None:
            return
        self.seen.add((method, operation, status))
        responses = self.document["paths"][operation][method.lower()]["responses"]
        response = responses.get(str(status))
        if response is None:
            assert status in {401, 403, 404, 400, 409, 422}, f"{method} {operation} never answers {status}"
            return
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rsplit("/", 1)[-1]]
        content = response.get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            return
        self._validate(f"{method} {operation} {status}", schema, body)

    def operation(self, method: str, path: str) -> str | None:
        path = path.removeprefix("/api/v3").partition("?")[0]
        for known, template, pattern in self._patterns:
            if known == method and pattern.fullmatch(path):
                return template
        return None

    def webhook(self, event: str, payload: Any) -> None:
        """Check a webhook's payload where the description knows its event and action."""
        name = event.replace("_", "-")
        if "action" in payload:
            name += "-" + payload["action"].replace("_", "-")
        item = self.document.get("x-webhooks", {}).get(name)
        if item is None:
            return
        self.webhooks_seen.add(name)
        schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        self._validate(f"webhook {name}", schema, payload)

    def _validate(self, name: str, schema: Any, body: Any) -> None:
        if name not in self._validators:
            root = {**schema, "components": self.document["components"]}
            self._validators[name] = jsonschema_rs.Draft7Validator(root, validate_formats=True)
        errors = [
            f"{'/'.join(map(str, e.instance_path))}: {e.message[:300]}"
            for e in self._validators[name].iter_errors(body)
        ]
        assert not errors, f"{name} is not as GitHub describes it: {errors[:8]}"


def _pattern(path: str) -> re.Pattern[str]:
    deep = {"ref", "path", "branch", "basehead"}
    parts = re.split(r"\{(\w+)\}", path)
    text = "".join(
        (".+" if part in deep else "[^/]+") if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(text)


def _json_schema(node: Any) -> Any:
    """Turn OpenAPI 3.0 into plain JSON Schema: only `nullable` differs."""
    if isinstance(node, list):
        return [_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _json_schema(value) for key, value in node.items() if key != "nullable"}
    if node.get("format") in FORMATS_LEFT_OUT:
        plain.pop("format")
    if node.get("nullable") is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


@pytest.fixture(scope="session")
def conformance() -> Conformance:
    return Conformance()


@dataclass
class Delivery:
    event: str
    action: str | None
    headers: dict[str, str]
    payload: dict[str, Any]
    raw: bytes

    @property
    def name(self) -> str:
        return f"{self.event}.{self.action}" if self.action else self.event


@dataclass
class Receiver:
    """An app's webhook endpoint that keeps what it gets; `answer` may be changed by a test."""

    conformance: Conformance
    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answer: Callable[[], Any] | None = None
    problems: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, name: str, count: int = 1) -> None:
        """Wait, ten seconds at most, until as many deliveries of a name have come."""
        async with asyncio.timeout(10):
            while self.names().count(name) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def receive(self, request: web.Request) -> web.Response:
        raw = await request.read()
        payload = json.loads(raw)
        event = request.headers["X-GitHub-Event"]
        self.deliveries.append(Delivery(event, payload.get("action"), dict(request.headers), payload, raw))
        self.arrived.set()
        try:
            self.conformance.webhook(event, payload)
        except AssertionError as error:
            self.problems.append(str(error))
        return web.Response(status=202) if self.answer is None else await self.answer()

    def names(self) -> list[str]:
        return [one.name for one in self.deliveries]

    def last(self, name: str) -> Delivery:
        return next(one for one in reversed(self.deliveries) if one.name == name)


@pytest.fixture
async def receiver(conformance: Conformance) -> AsyncIterator[Receiver]:
    receiver = Receiver(conformance)
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_post("/hook", receiver.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()
    assert not receiver.problems


def run_git(cwd: Path, *arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run git as a person would, with nothing of this machine's configuration."""
    settings = {
        "PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org",
        "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.org", **env,
    }  # fmt: skip
    done = subprocess.run(["git", *arguments], cwd=cwd, env=settings, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


Git = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def git() -> Git:
    """Run git while the hub, which lives in this process, goes on serving."""

    async def run(cwd: Path, *arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(run_git, cwd, *arguments, check=check, **env)

    return run


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A small repository on `main`, with a tag and another branch."""
    path = tmp_path / "sample"
    path.mkdir()
    run_git(path, "init", "--quiet", "--initial-branch=main")
    (path / "README.md").write_text("# Sample\n")
    (path / "src").mkdir()
    (path / "src" / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    run_git(path, "add", ".")
    run_git(path, "commit", "--quiet", "-m", "First")
    run_git(path, "tag", "v1")
    run_git(path, "branch", "old")
    return path


@dataclass
class Client:
    """Plain HTTP with one credential, every answer held against the description."""

    world: World
    token: str | None

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        answer = await self.whole(method, path, body, status=status, headers=headers)
        return answer.data

    async def whole(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        url = path if path.startswith("http") else self.world.url + path
        async with self.world.session.request(method, url, json=body, headers=sent, allow_redirects=False) as response:
            text = await response.text()
            data = json.loads(text) if text else None
            expected = status or {"POST": 201, "DELETE": 204}.get(method, 200)
            assert response.status == expected, f"{method} {path}: {response.status} {text[:600]}"
            self.world.conformance.answer(method, path.removeprefix(self.world.url), response.status, data)
            return Answer(response.status, data, {name.lower(): value for name, value in response.headers.items()})


@dataclass
class Answer:
    status: int
    data: Any
    headers: dict[str, str]


@dataclass
class World:
    """A hub with a repository, an app and people."""

    running: Running
    receiver: Receiver
    conformance: Conformance
    session: aiohttp.ClientSession
    repo: str = "acme/sample"

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def you(self) -> Client:
        return Client(self, self.running.description["users"]["you"])

    @property
    def stranger(self) -> Client:
        return Client(self, self.running.description["users"]["stranger"])

    @property
    def nobody(self) -> Client:
        return Client(self, None)

    @property
    def app(self) -> Client:
        return Client(self, self.jwt())

    @property
    def private_key(self) -> str:
        return Path(self.running.description["app"]["private_key_file"]).read_text()

    def jwt(self, **claims: Any) -> str:
        app = self.running.description["app"]
        now = int(time.time())
        whole = {"iat": now - 60, "exp": now + 540, "iss": str(app["id"]), **claims}
        return jwt.encode(whole, self.private_key, algorithm="RS256")

    async def token(self, **narrowed: Any) -> str:
        installation = (await self.app("GET", "/app/installations"))[0]
        path = f"/app/installations/{installation['id']}/access_tokens"
        return str((await self.app("POST", path, narrowed))["token"])

    async def bot(self, **narrowed: Any) -> Client:
        return Client(self, await self.token(**narrowed))

    def remote(self, token: str) -> str:
        return self.url.replace("http://", f"http://x-access-token:{token}@") + f"/{self.repo}.git"

    async def settle(self) -> list[str]:
        """Wait for every webhook and name what has arrived."""
        await self.running.hub.outbox.idle()
        return self.receiver.names()

    def signed(self, delivery: Delivery) -> bool:
        secret = self.running.description["app"]["webhook_secret"]
        digest = hmac.new(secret.encode(), delivery.raw, hashlib.sha256).hexdigest()
        return delivery.headers["X-Hub-Signature-256"] == f"sha256={digest}"

    async def branch(self, name: str, files: dict[str, str], base: str = "main") -> str:
        """Make a branch with one commit per file; return its head."""
        sha = (await self.you("GET", f"/repos/{self.repo}/git/ref/heads/{base}"))["object"]["sha"]
        await self.you("POST", f"/repos/{self.repo}/git/refs", {"ref": f"refs/heads/{name}", "sha": sha})
        for path, text in files.items():
            sha = await self.write(name, path, text)
        return sha

    async def write(self, branch: str, path: str, text: str) -> str:
        import base64

        body: dict[str, Any] = {"message": f"Write {path}", "branch": branch}
        body["content"] = base64.b64encode(text.encode()).decode()
        async with self.session.get(f"{self.url}/repos/{self.repo}/contents/{path}?ref={branch}") as response:
            known = (await response.json()).get("sha") if response.status == 200 else None
        if known:
            body["sha"] = known
        url = f"/repos/{self.repo}/contents/{path}"
        return str((await self.you("PUT", url, body, status=200 if known else 201))["commit"]["sha"])

    async def pull(self, branch: str, title: str = "A change", body: str = "", base: str = "main") -> dict[str, Any]:
        data = {"title": title, "head": branch, "base": base, "body": body}
        answer: dict[str, Any] = await self.you("POST", f"/repos/{self.repo}/pulls", data)
        return answer


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "app.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "Aurora Test",
                "url": "https://example.org/aurora",
                "hook_attributes": {"url": "https://example.org/hook"},
                "default_permissions": PERMISSIONS,
                "default_events": EVENTS,
            }
        )
    )
    return path


@pytest.fixture
def without(manifest: Path) -> Callable[[str], None]:
    """Take one line out of the app's manifest."""

    def remove(line: str) -> None:
        text = manifest.read_text()
        assert line in text
        manifest.write_text(text.replace(line, ""))

    return remove


@pytest.fixture
async def start(
    tmp_path: Path, sample: Path, manifest: Path, receiver: Receiver, conformance: Conformance
) -> AsyncIterator[Callable[..., Any]]:
    """Start a hub; the keywords change its options."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def begin(**changed: Any) -> World:
            given: dict[str, Any] = {
                "data": tmp_path / "hub",
                "imports": (Import(sample, "acme", "sample"),),
                "users": ("stranger",),
                "manifest": manifest,
                "webhook_url": receiver.url,
                **changed,
            }
            running = await stack.enter_async_context(serving(Options(**given)))
            return World(running, receiver, conformance, session)

        yield begin


@pytest.fixture
async def world(start: Callable[..., Any]) -> World:
    made: World = await start()
    return made
