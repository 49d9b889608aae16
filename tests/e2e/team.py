"""What the end-to-end tests share: a model that each test scripts over HTTP, and people who look at what happens."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from workers.local.stack import Stack

MODEL = "openai:double"
TESTED = "def twice(n: int) -> int:\n    return n + n\n"

Answer = Callable[["Asked"], Awaitable[Any] | Any]


@dataclass(frozen=True)
class Asked:
    """One request to the model."""

    step: str
    task: str
    attempt: int
    turn: int  # how many answers the conversation holds already
    text: str  # everything that was said
    project: str


@dataclass
class ModelDouble:
    """Speaks the chat completions API; `answers` gives, by step, what is said to a request."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    async def complete(self, request: web.Request) -> web.Response:
        """Answer one request; a tuple is a list of tool calls, a response itself, anything else JSON text."""
        body = await request.json()
        asked = Asked(
            request.headers["X-Aurora-Step"],
            request.headers["X-Aurora-Task"],
            int(request.headers["X-Aurora-Attempt"]),
            sum(message["role"] == "assistant" for message in body["messages"]),
            "\n".join(str(message.get("content")) for message in body["messages"]),
            request.headers["X-Aurora-Project"],
        )
        self.asked.append(asked)
        said = self.answers[asked.step](asked)
        if isinstance(said, Awaitable):
            said = await said
        if isinstance(said, web.Response):
            return said
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if isinstance(said, tuple):
            message["tool_calls"] = [
                {"id": f"call-{asked.turn}-{n}", "type": "function",
                 "function": {"name": name, "arguments": json.dumps(arguments)}}
                for n, (name, arguments) in enumerate(said)
            ]  # fmt: skip
        else:
            message["content"] = said if isinstance(said, str) else json.dumps(said)
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return web.json_response(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "double",
                "choices": [choice],
                "usage": usage,
            }
        )

    def steps(self, step: str) -> list[Asked]:
        """Return what was asked for in a step."""
        return [asked for asked in self.asked if asked.step == step]


def requirements(*titles: str) -> dict[str, Any]:
    """Return the answer of the parse step."""
    return {
        "requirements": [
            {"id": f"REQ-{n:03}", "title": title, "criteria": [f"{title} works"]} for n, title in enumerate(titles, 1)
        ],
        "questions": [],
    }


def planned(key: str, *footprint: str, after: tuple[str, ...] = (), requirement: str = "REQ-001") -> dict[str, Any]:
    """Return a task of the plan step's answer."""
    return {
        "key": key,
        "title": f"Do {key}",
        "description": f"The work of {key}.",
        "kind": "backend",
        "footprint": list(footprint),
        "dependencies": list(after),
        "requirements": [requirement],
    }


def writes(files: Mapping[str, str], summary: str = "It is done.") -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return tool calls that write files and are done."""
    calls = [("write_file", {"path": path, "content": content}) for path, content in files.items()]
    return (*calls, ("done", {"summary": summary}))


def approves(_: Asked) -> dict[str, Any]:
    """Answer the review step."""
    return {"approved": True, "findings": []}


def learns(_: Asked) -> dict[str, Any]:
    """Answer the reflect step."""
    return {"cause": "It returned the wrong number.", "lesson": "Return the right one."}


CONFIGURED = {"pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n'}
TEST = "from calc import twice\n\n\ndef test_twice():\n    assert twice(2) == {}\n"
REPOSITORIES: dict[str, dict[str, str]] = {
    "sound": {
        "calc.py": TESTED,
        "tests/test_calc.py": TEST.format(4),
        ".github/aurora.yml": "merge: auto\nmax_attempts: 2\n",
        **CONFIGURED,
    },
    "untested": {"calc.py": TESTED, ".github/aurora.yml": "merge: auto\n"},
    "red": {"calc.py": TESTED, "tests/test_calc.py": TEST.format(5), **CONFIGURED},
    "empty": {},
}


def make_repository(path: Path, files: Mapping[str, str]) -> Path:
    """Make a git repository with one commit of these files; without files it has none."""
    subprocess.run(["git", "init", "-q", "-b", "main", path], check=True)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    if files:
        git = ["git", "-C", str(path), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "Start"], check=True)
    return path


@dataclass
class Team:
    """People at the local GitHub, and what they see."""

    stack: Stack

    async def ask(self, repository: str, title: str, body: str = "Please.") -> int:
        """Open a labelled issue and return its number."""
        issue = await self.stack.person.open_issue(repository, title, body, ["aurora"])
        return int(issue["number"])

    async def see(self, path: str, **query: str) -> Any:
        """Return what the REST API shows."""
        return await self.stack.person.get(path, **query)

    async def labels(self, repository: str, number: int) -> set[str]:
        """Return the names of an issue's labels."""
        return {label["name"] for label in (await self.see(f"/repos/{repository}/issues/{number}"))["labels"]}

    async def comments(self, repository: str, number: int) -> list[str]:
        """Return the texts of an issue's comments."""
        return [item["body"] for item in await self.see(f"/repos/{repository}/issues/{number}/comments")]

    async def pull_request(self, repository: str, number: int) -> dict[str, Any]:
        """Return the pull request of an issue's run."""
        pulls = await self.see(f"/repos/{repository}/pulls", state="all")
        return next(pull for pull in pulls if pull["head"]["ref"] == f"aurora/{number}.1")

    async def checks(self, repository: str, sha: str) -> dict[str, dict[str, Any]]:
        """Return the check runs of a commit by name."""
        found = await self.see(f"/repos/{repository}/commits/{sha}/check-runs")
        return {check["name"]: check for check in found["check_runs"]}

    async def label(self, repository: str, number: int, wanted: str) -> None:
        """Wait until the issue bears a label."""
        async with asyncio.timeout(60):
            while wanted not in await self.labels(repository, number):
                await asyncio.sleep(0.1)

    async def settled(self, repository: str, number: int) -> str:
        """Wait until the progress comment tells of an end, and return its headline."""
        async with asyncio.timeout(90):
            while True:
                for body in await self.comments(repository, number):
                    for end in ("Merged in", "Ready for review", "This needs a person", "Waiting for", "Cancelled"):
                        if f"### {end}" in body and "aurora:progress" in body:
                            return end
                await asyncio.sleep(0.1)
