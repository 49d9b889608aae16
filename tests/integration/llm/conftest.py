"""A model server on a port of its own, a journal in memory, and a small git repository to work in."""

import ast
import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from app.domain.checks import Finding
from app.domain.ports import Call, Change, Entry, Execution, Step, Usage
from app.domain.roles import AgentRole
from app.errors import BudgetExceeded

Responder = Callable[[dict[str, Any]], web.StreamResponse]


def said(
    content: str | None = "",
    calls: list[tuple[str, Any]] | None = None,
    finish: str = "stop",
    usage: bool = True,
    **message: Any,
) -> Responder:
    """Answer as chat completions do."""
    tool_calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": args if isinstance(args, str) else json.dumps(args)},
        }
        for number, (name, args) in enumerate(calls or [])
    ]
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "test",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls" if tool_calls else finish,
                "message": {
                    "role": "assistant",
                    "content": content,
                    **({"tool_calls": tool_calls} if tool_calls else {}),
                    **message,
                },
            }
        ],
    }
    if usage:
        body["usage"] = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return lambda _: web.json_response(body)


def failed(status: int, message: str, **headers: str) -> Responder:
    """Answer with an error."""
    return lambda _: web.json_response({"error": {"message": message, "type": "e"}}, status=status, headers=headers)


@dataclass
class ModelServer:
    """Chat completions over HTTP: plays `answers` one by one, or asks `respond`."""

    url: str = ""
    answers: list[Responder] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        if not self.answers:
            return web.json_response({"error": {"message": "no answer left in the test"}}, status=404)
        return self.answers.pop(0)(body)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    double = ModelServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", double.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield double
    await runner.cleanup()


class MemoryJournal:
    """A journal that forgets nothing, and can lose its lease at a position."""

    def __init__(self, budget: float = 100.0) -> None:
        self.entries: dict[str, dict[int, Entry]] = {}
        self.open: dict[UUID, tuple[str, int, float]] = {}
        self.spent = 0.0
        self.budget = budget
        self.usages: list[Usage] = []
        self.forfeits: list[bool] = []
        self.fail_at: tuple[int, BaseException] | None = None

    async def read(self, scope: str) -> list[Entry]:
        return [entry for _, entry in sorted(self.entries.get(scope, {}).items())]

    async def append(self, scope: str, position: int, entry: Entry) -> None:
        if self.fail_at and self.fail_at[0] == position:
            error, self.fail_at = self.fail_at[1], None
            raise error
        there = self.entries.setdefault(scope, {})
        assert position == len(there), f"{position} is not the next position after {len(there)} entries"
        json.dumps(entry.content)
        there[position] = entry

    async def reserve(self, call: Call, position: int, model: str, usd: float) -> UUID:
        if self.spent + sum(amount for _, _, amount in self.open.values()) + usd > self.budget:
            raise BudgetExceeded("The budget is used up.")
        identity = uuid4()
        self.open[identity] = (call.scope, position, usd)
        return identity

    async def settle(self, reservation: UUID, usage: Usage, entry: Entry) -> None:
        scope, position, _ = self.open[reservation]
        await self.append(scope, position, entry)
        del self.open[reservation]
        self.usages.append(usage)
        self.spent += usage.usd

    async def forfeit(self, reservation: UUID, *, sent: bool) -> None:
        _, _, usd = self.open.pop(reservation)
        self.forfeits.append(sent)
        self.spent += usd if sent else 0.0


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


class GitTree:
    """A worktree with real git and nothing around it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.restored = 0

    @property
    def path(self) -> Path:
        return self._path

    @property
    def base(self) -> str:
        return "HEAD"

    def git(self, *args: str, data: bytes | None = None) -> bytes:
        return subprocess.run(["git", *args], cwd=self._path, input=data, check=True, capture_output=True).stdout

    async def changes(self) -> list[Change]:
        self.git("add", "-AN")
        lines = self.git("diff", "--name-status", "HEAD").decode().splitlines()
        return [Change(line.split("\t")[-1], line[0]) for line in lines]

    async def patch(self) -> bytes:
        self.git("add", "-AN")
        return self.git("diff", "--binary", "HEAD")

    async def restore(self, patch: bytes) -> None:
        self.restored += 1
        self.git("reset", "--hard", "-q", "HEAD")
        self.git("clean", "-fdq")
        if patch:
            self.git("apply", "-", data=patch)

    async def tree(self) -> str:
        return ""

    async def commit(self, message: str, parents: Any) -> str:
        return ""


class Bench:
    """A workbench that knows Python's syntax and runs commands unconfined; the commands are the test's own."""

    def __init__(self, tree: GitTree) -> None:
        self.tree = tree
        self.ran: list[str] = []

    async def run(self, command: str, seconds: float) -> Execution:
        self.ran.append(command)
        process = await asyncio.create_subprocess_shell(
            command, cwd=self.tree.path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return Execution(process.returncode, output.decode())

    def anticipate(self) -> None:
        """Judge nothing ahead."""

    async def calm(self) -> None:
        """End nothing."""

    def syntax_error(self, path: str, text: str) -> Finding | None:
        if not path.endswith(".py"):
            return None
        try:
            ast.parse(text)
        except SyntaxError as error:
            return Finding(path=path, line=error.lineno or 1, message=error.msg)
        return None

    async def syntax(self) -> Any: ...
    async def types(self) -> Any: ...
    async def lint(self) -> Any: ...
    async def tests(self) -> Any: ...
    async def format(self) -> list[str]:
        return []


SOURCE = '''"""Sums."""

import math


def total(values):
    result = 0
    for value in values:
        result -= value
    return result


def root(value):
    return math.sqrt(value)
'''


@pytest.fixture
def tree(tmp_path: Path) -> GitTree:
    path = tmp_path / "repository"
    (path / "src").mkdir(parents=True)
    (path / "src" / "sums.py").write_text(SOURCE)
    (path / "README.md").write_text("# Sums\n")
    tree = GitTree(path)
    tree.git("init", "-q", "-b", "main")
    tree.git("add", "-A")
    tree.git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start")
    return tree


@pytest.fixture
def bench(tree: GitTree) -> Bench:
    return Bench(tree)


@pytest.fixture
def call() -> Call:
    return Call(uuid4(), uuid4(), AgentRole.backend, Step.generate, 1, "r0.a1.v1")


class Saying:
    """How tests put words into the server's mouth."""

    said = staticmethod(said)
    failed = staticmethod(failed)


@pytest.fixture
def saying() -> Saying:
    return Saying()
