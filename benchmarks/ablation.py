"""Whether memory helps: the same small issues worked on with it and without, by the model that AURORA_MODEL names.

Each issue is one task, done by the code-generation graph with the stores, git, checkpoints and the local GitHub that
a worker has; there is no plan and no review around it. Both sides begin at the same commit. They differ in what is
recalled, and in that the side with memory has had the earlier issues.
"""

import json
import os
import subprocess
import tempfile
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from app.domain.ports import Forgetful, ModelCall
from app.domain.project import Phase, Project, ProjectStatus, Repository
from app.domain.repository_settings import RepositorySettings
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskStatus
from app.errors import AuroraError
from app.settings import read_settings
from app.storage import projects
from app.storage.leases import Leases
from app.storage.projects import ProjectReader
from workers.local.stack import Import, Options, Stack
from workers.wiring import Bench, Worker, open_worker

CASES = Path(__file__).with_suffix(".toml")
ATTEMPTS, EARLIER_ATTEMPTS = 1, 2
WITHOUT, WITH, EARLIER = "without", "with", "earlier"
STORES = ("AURORA_DATABASE_URL", "AURORA_REDIS_URL", "AURORA_MEMORY_REDIS_URL")  # always its own: they start empty
TOLD = "SELECT m.content FROM memory_uses u JOIN working_memory m ON m.id = u.memory_id WHERE u.project_id = $1"
USED = "SELECT count(*) AS told, count(*) FILTER (WHERE cited) AS cited FROM memory_uses WHERE project_id = $1"


@dataclass(frozen=True)
class Issue:
    """What is asked for, and whether the side with memory has it before anything is compared."""

    name: str  # of the function
    file: str
    text: str
    golden: tuple[dict[str, Any], ...]
    earlier: bool = False


@dataclass(frozen=True)
class Cases:
    """A repository and its issues."""

    files: dict[str, str]
    protected: tuple[str, ...]
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class Row:
    """What became of an issue on one side."""

    issue: str
    side: str
    solved: bool
    attempts: int
    calls: int
    tokens: int
    told: int = 0
    cited: int = 0
    why: str = ""  # it isn't solved
    words: tuple[str, ...] = ()  # what was told, and by earlier issues: what was learned

    def line(self) -> str:
        """Return it for people."""
        end = "solved" if self.solved else "not solved"
        counts = f"{self.attempts} attempts, {self.calls} model calls, {self.tokens} tokens"
        memory = f", told {self.told}, cited {self.cited}" if self.side == WITH else ""
        why = f" ({self.why})" if self.why else ""
        return "\n".join(
            [f"{self.issue}, {self.side}: {end}{why}, {counts}{memory}", *(f"    {w}" for w in self.words)]
        )


def cases(path: Path = CASES) -> Cases:
    """Read the repository and the issues."""
    found = tomllib.loads(path.read_text())
    issues = tuple(Issue(**{**issue, "golden": tuple(issue["golden"])}) for issue in found["issue"])
    golden = [
        *found["known"],
        *({"module": one.file.removesuffix(".py").replace("/", "."), "call": one.name, **case}
          for one in issues for case in one.golden),
    ]  # fmt: skip
    files = {name: text.lstrip() for name, text in found["files"].items()}
    files["tests/golden.json"] = json.dumps(golden, indent=1) + "\n"
    return Cases(files, tuple(found["protected"]), issues)


def make_repository(folder: Path, files: dict[str, str]) -> str:
    """Make a git repository of the files and return its commit."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    for arguments in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "Start"]):
        subprocess.run([*git, *arguments], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Side:
    """One side: a repository of its own, and what a worker works with there."""

    name: str
    bench: Bench
    repository: Repository
    base: str
    protected: tuple[str, ...]
    leases: Leases
    numbers: int = 0

    async def work_on(self, issue: Issue, attempts: int, side: str = "") -> Row:
        """Do an issue, as the one task of its project, and return what became of it."""
        project, task = await self._begin(issue, attempts)
        why = ""
        async with self.leases.hold(task.id, "task") as lease:
            assert lease is not None
            records = self.bench.records(lease, project.id)
            try:
                await self.bench.build(lease, records, project, task)
            except AuroraError as error:
                why = str(error)
        reader = ProjectReader(self.bench.pool)
        (task,) = await reader.tasks(project.id)
        return await self._row(issue, task, await reader.calls(project.id), side or self.name, why)

    async def _begin(self, issue: Issue, attempts: int) -> tuple[Project, Task]:
        """Write the project and its task, as Maestro leaves them when the task may be taken."""
        self.numbers += 1
        title, now = f"Add {issue.name}", datetime.now(UTC)
        async with self.bench.pool.acquire() as connection:
            identity = await projects.start(
                connection, uuid4(), self.repository, self.numbers,
                title=title, requested_by="benchmark", budget_usd=100.0, at=now,
            )  # fmt: skip
        assert identity is not None
        async with self.leases.hold(identity, "project") as lease:
            assert lease is not None
            records = self.bench.records(lease, identity)
            settings = RepositorySettings(max_attempts=attempts, protected_paths=self.protected)
            changes = {"status": ProjectStatus.building, "phase": Phase.dispatch, "base_branch": "main",
                       "base_sha": self.base, "request": issue.text, "settings": settings}  # fmt: skip
            project = (await records.project()).model_copy(update=changes)
            task = Task(
                id=uuid4(), project_id=identity, key="t1", title=title, description=issue.text,
                assigned_agent=AgentRole.backend, status=TaskStatus.running, footprint=(issue.file,),
                branch=project.branch, base_sha=self.base, created_at=now, started_at=now,
            )  # fmt: skip
            await records.write(project, task)
        return project, task

    async def _row(self, issue: Issue, task: Task, calls: Sequence[ModelCall], side: str, why: str) -> Row:
        pool = self.bench.pool
        solved = task.status is TaskStatus.completed and await self._defines(issue, task)
        failure = (task.result.failure if task.result else "") or f"{issue.name} is not in {issue.file}"
        used = await pool.fetchrow(USED, task.project_id) or {"told": 0, "cited": 0}
        told = [row["content"] for row in await pool.fetch(TOLD, task.project_id)]
        learned = task.result.lessons if task.result and side == EARLIER else ()
        return Row(
            issue.name, side, solved, task.attempts, len(calls),
            sum(call.input_tokens + call.output_tokens for call in calls), used["told"], used["cited"],
            "" if solved else (why or " ".join(failure.split())[:200]),
            (*(f"told: {text}" for text in told), *(f"learned: {text}" for text in learned)),
        )  # fmt: skip

    async def _defines(self, issue: Issue, task: Task) -> bool:
        """Tell whether the function is there: the tests judge only what is."""
        clone = await self.bench.clones.of(self.repository)
        commit = task.result.commit if task.result else None
        text = await clone.read(commit, issue.file) if commit else None
        return f"def {issue.name}(" in (text or b"").decode()


@asynccontextmanager
async def sides(found: Cases) -> AsyncIterator[tuple[Side, Side]]:
    """Start everything but a worker process, and yield the sides without and with memory."""
    with tempfile.TemporaryDirectory(prefix="aurora-benchmark-") as folder:
        source = Path(folder) / "till"
        base = make_repository(source, found.files)
        names = {side: f"{side}/till" for side in (WITHOUT, WITH)}
        imports = tuple(Import(source, name) for name in names.values())
        given = {key: value for key, value in os.environ.items() if key not in STORES}
        options = Options(Path(folder) / "data", workers=0, imports=imports, durable=False)
        async with Stack(options, given) as stack:
            with patch.dict(os.environ, stack.environment):
                settings = read_settings()
            async with open_worker(settings) as worker:
                forgetful, remembering = _benches(worker)
                leases = Leases(worker.pool, "benchmark")
                await remembering.memories.settle(names[WITH])  # loads the embedder, as Maestro does
                of = worker.forges.find
                yield (
                    Side(WITHOUT, forgetful, await of(names[WITHOUT]), base, found.protected, leases),
                    Side(WITH, remembering, await of(names[WITH]), base, found.protected, leases),
                )


def _benches(worker: Worker) -> tuple[Bench, Bench]:
    """Return what a worker works with, without its memory and as it is."""
    bench = worker.jobs.workshop
    if not isinstance(bench, Bench):
        raise TypeError(f"a worker works with {type(bench).__name__}")
    return replace(bench, memories=Forgetful()), bench


async def measure(found: Cases | None = None) -> AsyncIterator[Row]:
    """Work on the earlier issues, then on each other one without memory and with it; yield what became of each."""
    found = found or cases()
    async with sides(found) as (without, with_):
        for issue in found.issues:
            if issue.earlier:
                yield await with_.work_on(issue, EARLIER_ATTEMPTS, EARLIER)
            else:
                yield await without.work_on(issue, ATTEMPTS)
                yield await with_.work_on(issue, ATTEMPTS)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the comparison, for people: one line for each issue, then the totals."""
    pairs: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row.side != EARLIER:
            pairs.setdefault(row.issue, {})[row.side] = row
    complete = {issue: pair for issue, pair in pairs.items() if len(pair) == len((WITHOUT, WITH))}
    lines = [f"{'issue':<16}{WITHOUT + ': solved, attempts, calls, tokens':<42}{WITH}: the same"]
    for issue, pair in complete.items():
        lines.append(f"{issue:<16}{_cells(pair[WITHOUT]):<42}{_cells(pair[WITH])}")
    for side in (WITHOUT, WITH):
        own = [pair[side] for pair in complete.values()]
        lines.append(
            f"{side}: {sum(row.solved for row in own)} of {len(own)} solved, "
            f"{sum(row.calls for row in own)} model calls, {sum(row.tokens for row in own)} tokens, "
            f"told {sum(row.told for row in own)} memories, "
            f"of which {sum(row.cited for row in own)} were cited"
        )
    return lines


def _cells(row: Row) -> str:
    return f"{'yes' if row.solved else 'no':<5}{row.attempts:<4}{row.calls:<4}{row.tokens}"
