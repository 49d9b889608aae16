"""How much longer a project of independent tasks takes than its longest chain of model calls."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

MODEL = "openai:steady"
FILES = {
    "base.py": "def base() -> int:\n    return 0\n",
    "tests/test_base.py": "from base import base\n\n\ndef test_base():\n    assert base() == 0\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
}


@dataclass(frozen=True)
class Found:
    """Seconds, from the delivery of the label to the merge, and along the critical path of model calls."""

    wall: float
    critical_path: float

    @property
    def ratio(self) -> float:
        """How much longer than at best."""
        return self.wall / self.critical_path


async def measure(tasks: int, seconds: float) -> Found:
    """Run `tasks` independent tasks with a model that takes `seconds` for each answer."""
    runner = web.AppRunner(_model(tasks, seconds), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with tempfile.TemporaryDirectory(prefix="aurora-benchmark-") as folder:
            return await _run(Path(folder), f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    finally:
        await runner.cleanup()


def _prepare(folder: Path) -> tuple[Path, Path]:
    """Make the repository and the issue."""
    repository, issue = folder / "repository", folder / "issue.md"
    for name, text in FILES.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git = ["git", "-C", str(repository), "-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    subprocess.run([*git, "init", "-qb", "main"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "Start"], check=True)
    issue.write_text("# Add the numbers\n\nA module for each number, with a test.\n")
    return repository, issue


async def _run(folder: Path, url: str) -> Found:
    repository, issue = await asyncio.to_thread(_prepare, folder)
    environment = {
        "AURORA_MODEL_PRICES": json.dumps({MODEL: "free"}),
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "none",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.cli", "run", "--repo", str(repository), "--issue", str(issue),
        "--model", MODEL, "--merge", "auto", "--data", str(folder / "data"), "--json",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    said, _ = await process.communicate()
    report = json.loads(said.splitlines()[-1])
    if report["status"] != "merged":
        raise SystemExit(f"The project ended as {report['status']}: {report['reason']}")
    return Found(report["seconds"]["wall"], report["seconds"]["critical_path"])


def _model(tasks: int, seconds: float) -> web.Application:
    async def complete(request: web.Request) -> web.Response:
        body, step = await request.json(), request.headers["X-Aurora-Step"]
        await asyncio.sleep(seconds)
        message = {"role": "assistant", "content": None, **_answer(step, body, tasks)}
        return web.json_response({
            "id": "x", "object": "chat.completion", "created": 1, "model": "steady",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        })  # fmt: skip

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    return app


def _answer(step: str, body: dict[str, Any], tasks: int) -> dict[str, Any]:
    numbers = range(1, tasks + 1)
    if step == "parse":
        found = [{"id": f"REQ-{n:03}", "title": f"Number {n}", "criteria": [f"f{n}() is {n}"]} for n in numbers]
        return {"content": json.dumps({"requirements": found, "questions": []})}
    if step == "plan":
        return {"content": json.dumps({"tasks": [_task(n) for n in numbers]})}
    if step == "generate":
        return _generate(body)
    return {"content": json.dumps({"approved": True, "findings": []})}


def _task(n: int) -> dict[str, Any]:
    return {
        "key": f"n{n}", "title": f"Add number {n}", "description": f"Write mod{n}.py for NUMBER={n}.",
        "kind": "backend", "footprint": [f"mod{n}.py", f"tests/test_mod{n}.py"], "requirements": [f"REQ-{n:03}"],
    }  # fmt: skip


def _generate(body: dict[str, Any]) -> dict[str, Any]:
    said = json.dumps(body["messages"])
    found = re.search(r"NUMBER=(\d+)", said)
    n = found.group(1) if found else "0"
    if any(message["role"] == "assistant" for message in body["messages"]):
        return _calls(("done", {"summary": f"Added number {n}."}))
    test = f"from mod{n} import f{n}\n\n\ndef test_f{n}():\n    assert f{n}() == {n}\n"
    return _calls(
        ("write_file", {"path": f"mod{n}.py", "content": f"def f{n}() -> int:\n    return {n}\n"}),
        ("write_file", {"path": f"tests/test_mod{n}.py", "content": test}),
    )


def _calls(*calls: tuple[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "tool_calls": [
            {"id": f"call-{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(calls)
        ]
    }
