"""The composition root of a worker: everything is made here, once, from the settings."""

import asyncio
import logging
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from uuid import UUID

import aiohttp
from redis.exceptions import RedisError

from app.domain.budget import Caps
from app.domain.messages import AgentMessage
from app.domain.ports import Clock, Forges, Memories, Records
from app.domain.project import Project
from app.domain.roles import Tier
from app.domain.task import Task
from app.errors import ModelError
from app.github.client import GitHubClient
from app.github.forges import GitHubForges
from app.github.identity import AppIdentity
from app.queue import Queue
from app.queue import connect as connect_queue
from app.settings import Settings, SetupNetwork, TaskBranches
from app.storage.artifacts import Artifacts
from app.storage.deliveries import Inbox
from app.storage.effects import LeasedEffects
from app.storage.journal import LeasedJournal
from app.storage.leases import Leases
from app.storage.memory import WorkingMemory
from app.storage.messages import Mailbox
from app.storage.pace import SharedTurns
from app.storage.pool import Lease, Pool, connect
from app.storage.projects import ProjectReader
from app.storage.records import LeasedRecords, subject_of
from app.storage.repositories import Repositories
from app.storage.requests import Requests
from app.web.events import Reading
from workers.agents.crew import Agents
from workers.archive import Archive
from workers.checkpoints.suite import Checkers
from workers.codegen import graph as codegen
from workers.codegen.state import Context as TaskContext
from workers.exposition import expose
from workers.intake.desk import Desk, Rules
from workers.intake.intake import Intake
from workers.intake.replies import Replies
from workers.jobs import Jobs
from workers.llm.ledger import Ledger
from workers.llm.models import Models
from workers.llm.thinker import StructuredThinker
from workers.maestro.context import Context as MaestroContext
from workers.maestro.context import Policy
from workers.maestro.dispatch import bring_base
from workers.memory.coordinator import Coordinator
from workers.memory.long_term import LongTerm
from workers.memory.meaning import Meaning
from workers.memory.short_term import OWN_BYTES, SHARED_BYTES, ShortTerm
from workers.memory.working import Working
from workers.renames import Renames
from workers.requests import Opener
from workers.sandbox.detect import detect
from workers.saver import open_saver
from workers.tempo import TEMPO, Tempo
from workers.workspace.command import Identity
from workers.workspace.mirror import Clones

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass
class Worker:
    """A worker's jobs, and what the reconciler looks at."""

    jobs: Jobs
    intake: Intake
    inbox: Inbox
    mailbox: Mailbox
    queue: Queue
    app: GitHubClient  # speaks as the app itself
    opener: Opener
    forges: GitHubForges
    pool: Pool
    settings: Settings
    files: Archive
    artifacts: Artifacts
    checkers: Checkers
    clones: Clones
    url: str  # at which others find what it serves


@dataclass(frozen=True)
class Bench:
    """Makes what a job works with."""

    pool: Pool
    queue: Queue
    forges: Forges
    clones: Clones
    checkers: Checkers
    agents: Agents
    thinker: StructuredThinker
    graph: codegen.Graph
    policy: Policy
    clock: Clock
    memories: Memories
    caps: Caps
    archive: Archive

    def records(self, lease: Lease, project_id: UUID) -> Records:
        """Return the rows of a project, writable under the lease."""
        return LeasedRecords(self.pool, lease, project_id, self.ring, self.memories)

    async def ring(self, message: AgentMessage, after: float = 0.0) -> None:
        """Announce a message; what is written is safe, and the reconciler announces what this could not."""
        try:
            await self.queue.message(message, subject_of(message), after=after)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("a message could not be announced", extra={"message_id": str(message.id), "why": str(error)})

    def maestro(self, lease: Lease, records: Records, project: Project) -> MaestroContext:
        """Return what Maestro's nodes work with."""
        return MaestroContext(
            project_id=project.id,
            records=records,
            effects=LeasedEffects(self.pool, lease, project.id),
            journal=LeasedJournal(self.pool, lease, project.id, self.caps),
            forge=self.forges.of(project.repository),
            clones=self.clones,
            checkers=self.checkers,
            thinker=self.thinker,
            clock=self.clock,
            policy=self.policy,
            memories=self.memories,
            archive=self.archive,
        )

    async def build(self, lease: Lease, records: Records, project: Project, task: Task) -> None:
        """Do a round of a task in a worktree of its own."""
        clone = await self.clones.of(project.repository, sign_off=project.ways.sign_off)
        base = await bring_base(clone, project, task, await records.tasks())
        async with clone.worktree(f"{task.id.hex[:12]}-{task.round}", base) as tree:
            settings = project.settings.concerning(task.footprint)
            bench = self.checkers.bench(clone, tree, settings.checkpoints, settings.setup)
            context = TaskContext(
                project=project,
                task=task,
                worktree=tree,
                bench=bench,
                clone=clone,
                agent=self.agents.of(task.assigned_agent, settings.protected),
                thinker=self.thinker,
                journal=LeasedJournal(self.pool, lease, project.id, self.caps),
                records=records,
                effects=LeasedEffects(self.pool, lease, project.id),
                forge=self.forges.of(project.repository),
                clock=self.clock,
                memories=self.memories,
                push=self.policy.push_task_branches or task.branch == project.branch,
                public_url=self.policy.public_url,
                archive=self.archive,
            )
            try:
                await codegen.run(self.graph, context)
            finally:
                await bench.calm()


def _committer(identity: AppIdentity) -> Identity:
    """Return the author that GitHub shows as the app."""
    return Identity(identity.login, f"{identity.id}+{identity.login}@users.noreply.github.com")


def models_of(settings: Settings) -> Models:
    """Return the models that the settings name; nothing is checked or loaded yet."""
    named = {
        Tier.planner: settings.model_planner,
        Tier.coder: settings.model_coder,
        Tier.reviewer: settings.model_reviewer,
    }
    tiers = {tier: name for tier, name in named.items() if name}
    return Models(settings.model or "", tiers, settings.model_prices, settings.model_protocol)


def memories_of(settings: Settings, pool: Pool) -> Coordinator:
    """Return the memory of all three tiers; nothing is connected or loaded yet."""
    own = settings.memory_redis_url
    url, limit = (own.get_secret_value(), OWN_BYTES) if own else (settings.redis(), SHARED_BYTES)
    short = ShortTerm(url, limit, settings.periods().session)
    meaning = Meaning(settings.embedder)
    working = Working(WorkingMemory(pool), meaning)
    long = LongTerm(settings.database(), pool, settings.data_dir / "mem0", meaning.embedder)
    return Coordinator(short, working, long, meaning, utc_now)


async def load_ahead(models: Models) -> None:
    """Load what the first task would wait seconds for; what is wrong with a model is told where it is asked."""
    await asyncio.to_thread(import_module, "workers.agents.loop")
    for tier in Tier:
        with suppress(ModelError):
            await models.of(tier).chat()


def forges_of(settings: Settings, session: aiohttp.ClientSession, turns: SharedTurns | None = None) -> GitHubForges:
    """Return where forges come from; raises `ConfigurationError` naming what is missing."""
    return GitHubForges(
        session,
        app_id=settings.app_id(),
        private_key=settings.private_key(),
        api_url=settings.github_api_url,
        web_url=settings.github_web_url,
        clock=utc_now,
        turns=turns,
    )


@asynccontextmanager
async def open_worker(settings: Settings, tempo: Tempo = TEMPO) -> AsyncIterator[Worker]:
    """Connect everything that a worker needs; raises `ConfigurationError` naming what is missing."""
    async with AsyncExitStack() as stack:
        pool = await connect(settings.database(), size=settings.task_slots + 4)
        stack.push_async_callback(pool.close)
        queue = connect_queue(settings.redis())
        stack.push_async_callback(queue.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        forges = forges_of(settings, session, SharedTurns(pool))
        identity = await forges.identity()
        clones = Clones(settings.data_dir, forges, _committer(identity))
        models = models_of(settings)
        stack.push_async_callback(models.close)
        ledger = Ledger(random.random)
        thinker = StructuredThinker(models, ledger)
        saver = await stack.enter_async_context(open_saver(settings.database(), settings.task_slots))
        checkers = Checkers(
            await detect(settings.sandbox),
            settings.data_dir,
            utc_now,
            network_allowed=settings.setup_network is SetupNetwork.allow,
        )
        policy = Policy(
            merge=settings.merge,
            push_task_branches=settings.task_branches is TaskBranches.pushed,
            most_budget_usd=max(settings.budget, settings.budget_most or 0.0),
            label=settings.trigger_label,
            public_url=settings.public_url,
            web_url=settings.github_web_url,
            show_every=tempo.show,
            allowed_bots=frozenset(settings.allowed_bots),
        )
        agents = Agents(models, ledger)
        artifacts = Artifacts(pool)
        archive = Archive(settings.data_dir, artifacts, utc_now, settings.periods())
        url = await stack.enter_async_context(expose(settings, archive))
        memories = memories_of(settings, pool)
        stack.push_async_callback(memories.close)
        bench = Bench(
            pool, queue, forges, clones, checkers, agents, thinker, codegen.build(saver), policy, utc_now, memories,
            settings.caps(), archive,
        )  # fmt: skip
        inbox, mailbox = Inbox(pool), Mailbox(pool)
        leases = Leases(pool, f"{socket.gethostname()}:{os.getpid()}", tempo.lease, tempo.beat, tempo.stuck)
        rules = Rules(
            Reading(settings.trigger_label, settings.repositories),
            frozenset(settings.allowed_bots),
            settings.budget,
            settings.paused,
        )
        jobs = Jobs(bench, leases, mailbox, queue, utc_now, random.random, settings.repository_tasks or None)
        renames = Renames(Repositories(pool), forges)
        reader = ProjectReader(pool)
        desk = Desk(reader, forges, forges.identity, utc_now, rules)
        replies = Replies(reader, leases, utc_now, settings.trigger_label, settings.github_web_url)
        intake = Intake(desk, inbox, renames, replies, bench.ring)
        opener = Opener(Requests(pool), leases, forges, settings.trigger_label, random.random)
        await load_ahead(models)
        yield Worker(
            jobs, intake, inbox, mailbox, queue, forges.app, opener, forges, pool, settings,
            archive, artifacts, checkers, clones, url,
        )  # fmt: skip
