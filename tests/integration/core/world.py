"""One issue on a small GitHub in memory, real PostgreSQL, and every job of the core run twice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from langgraph.checkpoint.memory import InMemorySaver

from app.domain.messages import AgentMessage, MessageType, notice
from app.domain.ports import Fact, Forgetful, Issue, Memories, Outcome, Permission, Records, Step
from app.domain.project import Project, Repository
from app.domain.task import Task
from app.errors import BadAnswer
from app.storage import projects, rows
from app.storage.effects import LeasedEffects
from app.storage.journal import LeasedJournal
from app.storage.leases import Leases
from app.storage.messages import Mailbox
from app.storage.pool import Lease, Pool, sql
from app.storage.records import LeasedRecords, send, subject_of
from tests.fakes import (
    MAIN,
    START,
    Deed,
    FakeAgent,
    FakeCheckers,
    FakeClock,
    FakeClone,
    FakeClones,
    FakeForge,
    FakeGit,
    FakeThinker,
    write,
)
from workers.codegen import graph as codegen
from workers.codegen.state import Context as TaskContext
from workers.jobs import Jobs
from workers.maestro.context import Context as MaestroContext
from workers.maestro.context import Policy

ISSUE = 1
REPOSITORY = Repository(full_name="acme/sample", installation_id=5)
APPROVING = {"approved": True, "findings": []}


class Killed(BaseException):
    """The process died here: no handler of the program may see it."""


def requirement(*numbers: int) -> dict[str, Any]:
    """Return what the parse step answers for these requirements."""
    listed = [{"id": f"REQ-{number:03}", "title": f"Wish {number}", "criteria": ["it holds"]} for number in numbers]
    return {"requirements": listed}


def planned(key: str, *footprint: str, after: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """Return one task of a plan."""
    return {
        "key": key, "title": f"Do {key}", "footprint": list(footprint), "dependencies": list(after),
        "requirements": ["REQ-001"], **more,
    }  # fmt: skip


def plan(*tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the plan step answers."""
    return {"tasks": list(tasks)}


class CrashingEffects(LeasedEffects):
    """Effects of a process that dies after one of them was done, before that is recorded."""

    def __init__(self, pool: Pool, lease: Lease, project_id: UUID, world: "World") -> None:
        super().__init__(pool, lease, project_id)
        self._world = world

    async def once(
        self,
        key: str,
        act: Callable[[], Awaitable[Outcome]],
        find: Callable[[], Awaitable[Outcome | None]],
    ) -> Outcome:
        async def and_die() -> Outcome:
            outcome = await act()
            self._world.effects.append(key)
            self._world.dead |= len(self._world.effects) == self._world.dies_after  # the dead stay dead
            self._world.breathe()
            return outcome

        self._world.breathe()
        return await super().once(key, and_die, find)


class CrashingRecords(LeasedRecords):
    """Records of a process that writes nothing more once it is dead."""

    def __init__(self, pool: Pool, lease: Lease, project_id: UUID, world: "World") -> None:
        super().__init__(pool, lease, project_id, world.ring, world.memories)
        self._world = world

    async def write(self, *facts: Fact) -> None:
        self._world.breathe()
        await super().write(*facts)


@dataclass
class World:
    """Everything around the core, and ways to let time pass in it."""

    pool: Pool
    git: FakeGit = field(default_factory=FakeGit)
    thinker: FakeThinker = field(default_factory=FakeThinker)
    checkers: FakeCheckers = field(default_factory=FakeCheckers)
    clock: FakeClock = field(default_factory=FakeClock)
    policy: Policy = field(default_factory=Policy)
    memories: Memories = field(default_factory=Forgetful)
    deeds: dict[str, Deed] = field(default_factory=dict)  # by the title of the task, or "" for every other
    agents: dict[str, FakeAgent] = field(default_factory=dict)
    rings: list[tuple[UUID, MessageType]] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)  # those that were done, in order
    dies_after: int | None = None  # how many effects
    dead: bool = False
    tampered: bool = False  # whether a test changed rows behind the core's back
    building: bool = False  # whether a task is being done at the moment
    times: int = 2  # how often each job runs

    def __post_init__(self) -> None:
        self.git.remote[MAIN] = self.git.commit({"README.md": "# Sample\n", "base.py": "BASE = 1\n"}, (), "Start")
        self.forge = FakeForge(self.git)
        self.forge.issues[ISSUE] = Issue(ISSUE, "Add the wished for thing", "Please.", "ann", "open", ("aurora",))
        self.forge.permissions = {"ann": Permission.write, "rea": Permission.read, "ada": Permission.admin}
        self.clone = FakeClone(self.git)
        self.leases = Leases(self.pool, "worker")
        self.mailbox = Mailbox(self.pool)
        self.saver = InMemorySaver()
        self.graph = codegen.build(self.saver)
        self.jobs = Jobs(self, self.leases, self.mailbox, self, self.clock, lambda: 0.0)  # type: ignore[arg-type]
        self.thinker.answers = {
            Step.parse: requirement(1),
            Step.plan: plan(planned("one", "one.py")),
            Step.review: APPROVING,
            Step.merge: BadAnswer("No idea how they fit together."),
            Step.reflect: {"cause": "It was wrong.", "lesson": "Do it right."},
        }
        self.deeds[""] = lambda call, prompt, tree: write({f"{self._name(call.task_id)}.py": "X = 1\n"})(
            call, prompt, tree
        )

    def breathe(self) -> None:
        """Raise `Killed` in a process that is dead."""
        if self.dead:
            raise Killed

    # --- what jobs are made of

    def records(self, lease: Lease, project_id: UUID) -> Records:
        return CrashingRecords(self.pool, lease, project_id, self)

    async def ring(self, message: AgentMessage, after: float = 0.0) -> None:
        if after:
            return  # `later` rings for it
        self.rings.append((subject_of(message), message.message_type))

    async def message(self, message: AgentMessage, subject: UUID, ring: int = 0) -> None:
        self.rings.append((subject, message.message_type))

    def maestro(self, lease: Lease, records: Records, project: Project) -> MaestroContext:
        return MaestroContext(
            project_id=project.id, records=records, effects=CrashingEffects(self.pool, lease, project.id, self),
            journal=LeasedJournal(self.pool, lease, project.id), forge=self.forge, clones=FakeClones(self.clone),
            checkers=self.checkers, thinker=self.thinker, clock=self.clock, policy=self.policy, memories=self.memories,
        )  # fmt: skip

    async def build(self, lease: Lease, records: Records, project: Project, task: Task) -> None:
        self._titles[task.id] = task.title
        agent = self.agents.setdefault(task.title, FakeAgent(self.deeds.get(task.title, self.deeds[""])))
        clone = self.clone.signing_off() if project.ways.sign_off else self.clone
        async with clone.worktree(task.key, task.base_sha or "") as tree:
            context = TaskContext(
                project=project, task=task, worktree=tree, clone=clone, agent=agent, thinker=self.thinker,
                bench=self.checkers.bench(
                    self.clone, tree, project.settings.concerning(task.footprint).checkpoints, None
                ),
                journal=LeasedJournal(self.pool, lease, project.id), records=records,
                effects=CrashingEffects(self.pool, lease, project.id, self), forge=self.forge, clock=self.clock,
                memories=self.memories,
                push=self.policy.push_task_branches or task.branch == project.branch,
            )  # fmt: skip
            self.building = True
            try:
                await codegen.run(self.graph, context)
            finally:
                self.building = False

    _titles: dict[UUID, str] = field(default_factory=dict)

    def _name(self, task: UUID | None) -> str:
        return self._titles[task].removeprefix("Do ") if task else ""

    # --- what happens

    def configure(self, text: str) -> None:
        """Put `.github/aurora.yml` on the default branch."""
        before = self.git.remote[MAIN]
        files = {**self.git.commits[before].files, ".github/aurora.yml": text}
        self.git.remote[MAIN] = self.git.commit(files, [before], "Configure")

    async def label(self, budget: float = 10.0) -> UUID:
        """Label the issue, and tell Maestro."""
        async with self.pool.acquire() as connection:
            started = await projects.start(
                connection, uuid4(), REPOSITORY, ISSUE,
                title=self.forge.issues[ISSUE].title, requested_by="ann", budget_usd=budget, at=START,
            )  # fmt: skip
        assert started
        self.project_id = started
        await self.tell("labelled")
        return started

    async def tell(self, event: str, **more: Any) -> None:
        """Write a message to Maestro, and ring."""
        message = notice(uuid4(), self.project_id, self.clock(), event, **more)
        async with self.pool.acquire() as connection:
            await send(connection, message)
        await self.ring(message)

    async def say(self, author: str, text: str) -> None:
        """Comment on the issue."""
        self.forge.say(ISSUE, author, text)
        await self.tell("said")

    async def run(self, *, tasks: bool = True) -> None:
        """Do all jobs that are rung for, each `times` times, until none is left."""
        self.dead = False
        while self.rings:
            subject, kind = self.rings.pop(0)
            if kind is MessageType.TASK and not tasks:
                continue
            for _ in range(self.times):
                await (self.jobs.run_tasks() if kind is MessageType.TASK else self.jobs.advance(subject))

    async def start(self, **more: Any) -> Project:
        """Label the issue and let everything happen."""
        await self.label(**more)
        await self.run()
        return await self.project()

    async def until_settled_from_start(self) -> Project:
        """Label the issue and let time pass until nothing is pending."""
        await self.start()
        return await self.until_settled()

    async def later(self) -> Project:
        """Let what was put off be due, ring for all that is pending, and run that."""
        rows_ = await self.pool.fetch(
            "UPDATE agent_messages SET due_at = now() - interval '1 second' WHERE handled_at IS NULL "
            "RETURNING subject, message_type"
        )
        self.rings = [(row["subject"], MessageType(row["message_type"])) for row in rows_]
        await self.run()
        return await self.project()

    async def until_settled(self) -> Project:
        """Let time pass until nothing is pending; a worker that died is followed by another."""
        for _ in range(20):
            try:
                project = await self.later()
            except Killed:
                continue
            if not await self.pending():
                return project
        raise AssertionError("it doesn't come to rest")

    # --- what can be seen

    async def project(self) -> Project:
        return rows.project(await self.pool.fetchrow(sql("projects.get"), self.project_id))

    async def tasks(self) -> dict[str, Task]:
        found = await self.pool.fetch(sql("tasks.of_project"), self.project_id)
        return {task.title.removeprefix("Do "): task for task in map(rows.task, found)}

    async def pending(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM agent_messages WHERE handled_at IS NULL"))

    async def errors(self) -> list[tuple[str, str, str]]:
        found = await self.pool.fetch("SELECT error_type, message, stack_trace FROM agent_errors ORDER BY timestamp")
        return [(row["error_type"], row["message"], row["stack_trace"]) for row in found]

    def comments(self, kind: str) -> list[str]:
        """Return the app's comments of a kind."""
        return [one.body for _, one in self.forge.said if one.by_this_app and f"<!-- aurora:{kind} " in one.body]

    @property
    def labels(self) -> set[str]:
        return set(self.forge.issues[ISSUE].labels) if ISSUE in self.forge.issues else set()

    @property
    def issue_state(self) -> str:
        return self.forge.issues[ISSUE].state if ISSUE in self.forge.issues else "gone"

    @property
    def branches(self) -> set[str]:
        return set(self.git.remote)

    @property
    def main(self) -> dict[str, str]:
        """The files on the default branch."""
        return dict(self.git.commits[self.git.remote[MAIN]].files)

    def visible(self) -> dict[str, Any]:
        """Return what others can see of the app, without the words of the progress comment."""
        said = [one.body for _, one in self.forge.said if one.by_this_app]
        return {
            "comments": sorted(body.partition("\n")[0] if "<!-- aurora:progress " in body else body for body in said),
            "checks": sorted((run.name, run.head_sha, run.external_id, run.conclusion) for run in self.forge.checks),
            "pulls": [(pull.head, pull.head_sha, pull.state, pull.title) for pull in self.forge.pulls.values()],
            "merges": list(self.forge.merges),
            "branches": dict(self.git.remote),
            "labels": sorted(self.labels),
            "issue": self.issue_state,
        }

    def assert_nothing_doubled(self) -> None:
        """No comment, check run, pull request or merge is there twice."""
        seen = self.visible()
        for kind in ("comments", "checks", "pulls", "merges"):
            assert len(seen[kind]) == len(set(seen[kind])), kind
        assert len(self.forge.pulls) == len({pull.head for pull in self.forge.pulls.values()})


async def advance_once_more(world: World) -> None:
    """Tell Maestro nothing new: what others can see must stay as it is."""
    before = world.visible()
    await world.tell("looked_at")
    await world.run()
    assert world.visible() == before


def reword(world: World, **changes: str) -> None:
    """Edit the issue."""
    world.forge.issues[ISSUE] = replace(world.forge.issues[ISSUE], **changes)
