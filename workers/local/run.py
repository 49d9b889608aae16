"""Run an issue against a copy of a local repository, with everything on this machine."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from app.domain.project import Project
from app.errors import ConfigurationError
from app.storage.pool import STORE_AWAY, connect
from app.storage.projects import ProjectReader
from workers.local.report import Report, delivered, report, settled
from workers.local.show import Show
from workers.local.stack import Import, Options, Stack

LOOK = 0.1  # seconds between looks at the tables
OWNER = "local"
TRIGGER = "aurora"
DEFAULT_DATA = Path(".aurora")
NEEDS_A_PERSON = 2
LONGEST_ISSUE = 65_536  # characters


@dataclass(frozen=True)
class Request:
    """What to run."""

    repo: Path
    issue: Path
    model: str | None = None
    merge: str | None = None
    data: Path | None = None
    as_json: bool = False
    fresh: bool = False  # whether what an earlier run left in `data` is removed first


async def run(request: Request) -> int:
    """Run an issue to its end and say what came of it; return 0 when delivered, 2 when a person is needed."""
    title, body = _read_issue(request.issue)
    name = repository_name(request.repo)
    console = console_of(as_json=request.as_json)
    if not (request.model or os.environ.get("AURORA_MODEL")):
        raise ConfigurationError(
            "No model is named: set AURORA_MODEL or give --model, for example anthropic:claude-sonnet-4-5, or "
            "openai:MODEL with OPENAI_BASE_URL for a server of your own."
        )
    if not ((request.repo / ".git").exists() or (request.repo / "HEAD").is_file()):
        raise ConfigurationError(f"{request.repo} is no git repository: name the top directory of one, or `git init`.")
    given = {"AURORA_MODEL": request.model, "AURORA_MERGE": request.merge}
    environment = {**os.environ, **{key: value for key, value in given.items() if value}}
    data = request.data or DEFAULT_DATA
    if request.fresh:
        for part in ("hub", "postgres", "valkey", "mirrors", "worktrees"):
            shutil.rmtree(data / part, ignore_errors=True)
    options = Options(data, imports=(Import(request.repo.resolve(), name),))
    with Show(console) as show:
        show.doing("starting PostgreSQL, Redis, the local GitHub, web server and worker")
        async with Stack(options, environment) as stack:
            project, found = await follow(stack, name, title, body, show)
            if not request.as_json:
                tell(console, stack, name, project, found)
    if request.as_json:
        print(json.dumps(found), flush=True)
    return 0 if delivered(project) else NEEDS_A_PERSON


def console_of(*, as_json: bool) -> Console:
    """Return where people are told what happens: not where the JSON goes."""
    return Console(stderr=as_json)


async def follow(stack: Stack, repository: str, title: str, body: str, show: Show) -> tuple[Project, Report]:
    """Open the labelled issue and watch until nothing more happens by itself."""
    pool = await connect(stack.environment["AURORA_DATABASE_URL"], size=2)
    try:
        reader = ProjectReader(pool)
        issue = await stack.person.open_issue(repository, title, body, [TRIGGER])
        show.event("issue", f"issue #{issue['number']}  {issue['html_url']}")
        while True:
            try:
                project = await reader.of_issue(repository, issue["number"])
                tasks = await reader.tasks(project.id) if project else []
            except STORE_AWAY:  # it is started again, and the work goes on
                project = None
            if project is not None:
                show.look(project, tasks)
                if settled(project) and await reader.resting(project.id):
                    break  # the last edit of the progress comment may have had to wait
            await asyncio.sleep(LOOK)
        commits = [task.result.commit for task in tasks if task.result and task.result.commit]
        checks = await _checks(stack, repository, project, commits)
        return project, report(project, tasks, await reader.calls(project.id), checks)
    finally:
        await pool.close()


async def _checks(stack: Stack, repository: str, project: Project, commits: list[str]) -> list[Report]:
    """Return the check runs as GitHub shows them, on the pull request's head or else on the last work."""
    heads = [*commits, *([project.pull_request.head_sha] if project.pull_request else [])]
    if not heads:
        return []
    head = heads[-1]
    answer = await stack.person.get(f"/repos/{repository}/commits/{head}/check-runs", per_page="100")
    return [await _check(stack, repository, run) for run in answer["check_runs"]]


async def _check(stack: Stack, repository: str, check: Mapping[str, Any]) -> Report:
    path = f"/repos/{repository}/check-runs/{check['id']}/annotations"
    count, found = check["output"]["annotations_count"], []
    for page in range(1, count // 100 + 2) if count else ():
        found += await stack.person.get(path, per_page="100", page=str(page))
    return {
        "name": check["name"],
        "conclusion": check["conclusion"],
        "title": check["output"]["title"],
        "annotations": [
            {"path": item["path"], "line": item["start_line"], "message": item["message"]} for item in found
        ],
    }


def tell(console: Console, stack: Stack, repository: str, project: Project, found: Report) -> None:
    """Print where to look and what it cost."""
    pull, seconds = project.pull_request, found["seconds"]
    console.print()
    console.print(f"[bold]{project.status}[/]: {found['model_calls']} model calls, {found['tokens']} tokens, "
                  f"${found['cost_usd']:.4f}, {seconds['wall']:.1f} s", highlight=False)  # fmt: skip
    if project.reason:
        console.print(project.reason, markup=False, highlight=False)
    console.print(f"  issue         {stack.hub_url}/{repository}/issues/{project.issue_number}", highlight=False)
    if pull:
        console.print(f"  pull request  {pull.url}", highlight=False)
    console.print(f"  repository    git clone {stack.hub_url}/{repository}.git", highlight=False)
    console.print(f"  logs          {stack.log('work-1').parent}", highlight=False)


async def local(data: Path | None) -> int:
    """Start everything, print where it is, and stay until SIGTERM or SIGINT."""
    console = Console()
    async with Stack(Options(data or DEFAULT_DATA)) as stack:
        console.print(f"  local GitHub  {stack.hub_url}", highlight=False)
        console.print(f"  dashboard     {stack.web_url}", highlight=False)
        console.print(f"  to sign in    {stack.api_token}", markup=False, highlight=False)
        console.print(f"  logs          {stack.log('serve').parent}", highlight=False)
        await _until_stopped()
    return 0


async def hub(data: Path | None, port: int, path: Path | None, name: str | None, faults: str | None) -> int:
    """Run only the local GitHub in the place of this process."""
    argv = [sys.executable, "-m", "hub", "--port", str(port), "--data", str((data or DEFAULT_DATA) / "hub")]
    if path is not None:
        argv += ["--import", str(path), "--as", name or repository_name(path)]
    if faults is not None:
        argv += ["--faults", faults]
    os.execv(sys.executable, argv)  # noqa: S606 - our own interpreter and module


def repository_name(path: Path) -> str:
    """Return the name under which a local repository is published; raises `ConfigurationError` if it is none."""
    if not path.is_dir():
        raise ConfigurationError(f"There is no directory {path}: name a git repository on this machine.")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name.removesuffix(".git")).strip("-.") or "repository"
    return f"{OWNER}/{plain}"


def _read_issue(path: Path) -> tuple[str, str]:
    """Return title and body: the first line that says something, without its heading mark, and the rest."""
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise ConfigurationError(f"The issue {path} can't be read: {error.strerror}.") from None
    title, _, body = text.strip().partition("\n")
    title = title.lstrip("#").strip()
    if not title:
        raise ConfigurationError(f"{path} is empty: write the issue's title in the first line, then its text.")
    if len(body) > LONGEST_ISSUE:
        raise ConfigurationError(
            f"{path} has {len(body)} characters, and GitHub takes {LONGEST_ISSUE} in an issue: shorten it."
        )
    return title[:256], body.strip()


async def _until_stopped() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
