"""Whatever agents do at once, and wherever they die, no cap is passed at any moment and nothing stays reserved."""

import asyncio
import os
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from langchain_core.messages import AIMessage

from app.domain.budget import Caps, exactly
from app.domain.ports import Call, Revoked, Step
from app.domain.project import Repository
from app.domain.roles import AgentRole, Tier
from app.errors import AuroraError, BudgetExceeded, LeaseLost, ModelError
from app.storage import projects
from app.storage.journal import LeasedJournal
from app.storage.pool import Lease, Pool, sql
from app.storage.records import LeasedRecords
from app.storage.usage import forfeit_abandoned
from tests.integration.storage.conftest import NOW
from workers.llm.ledger import Ledger, Question
from workers.llm.models import Model, Models

WORLDS = 14  # each with caps of its own
AGENTS = 8
CALLS = 20  # of each agent in each world: 2,240 lives of calls altogether
PRICES = '{"openai:m": {"input": 100, "output": 100, "max_output_tokens": 1000, "timeout": 5}}'
WORST = 0.25  # about what a call may cost by these prices
FATES = ["answered"] * 5 + ["refused", "died", "cancelled", "stopped", "stolen", "revoked"]

# What every committed state of a sum was, seen from outside: no trust in the code that is tried.
WATCH = """
DROP TRIGGER no_overdraft ON projects;
DROP TRIGGER no_overdraft ON purses;
DROP TRIGGER no_first_overdraft ON purses;
CREATE TABLE seen (what text, held numeric, cap numeric);
CREATE FUNCTION watch_project() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen VALUES ('project', NEW.spent_usd + NEW.reserved_usd, NEW.budget_usd); RETURN NULL; END $$;
CREATE FUNCTION watch_purse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen VALUES (NEW.key, NEW.spent_usd + NEW.reserved_usd, NEW.cap_usd); RETURN NULL; END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION watch_project();
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON purses FOR EACH ROW EXECUTE FUNCTION watch_purse();
"""
DIFFERENT = """
SELECT 'project', p.spent_usd, COALESCE(sum(u.usd), 0) FROM projects p LEFT JOIN token_usage u ON u.project_id = p.id
GROUP BY p.id HAVING p.spent_usd <> COALESCE(sum(u.usd), 0)
UNION ALL
SELECT key, p.spent_usd, COALESCE(sum(u.usd), 0) FROM purses p LEFT JOIN token_usage u ON p.key = ANY (u.purses)
GROUP BY key HAVING p.spent_usd <> COALESCE(sum(u.usd), 0)
"""
# Calls for which more was set aside than a single one may cost; none where there is no such cap.
DEAR = "SELECT id, reserved_usd FROM token_usage WHERE reserved_usd > $1"


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass
class World:
    """Two projects in one repository, eight tasks, caps that are soon reached, and agents that die."""

    pool: Pool
    model: Model
    chance: random.Random
    outcomes: Counter[str] = field(default_factory=Counter)
    projects: list[UUID] = field(default_factory=list)
    tasks: dict[UUID, UUID] = field(default_factory=dict)  # and the project of each

    async def begin(self) -> None:
        def cap(low: float, high: float) -> float | None:
            return self.chance.uniform(low, high) if self.chance.random() < 0.7 else None

        self.caps = Caps(call=cap(0.2, 0.6), task=cap(0.5, 4), repository_day=cap(2, 9), day=cap(2, 12))
        self.ledger = Ledger(lambda: 0.5, retries=1, patience=0.01, pace=0.0002)
        await self.pool.execute("TRUNCATE projects, purses, leases CASCADE")
        for issue in (1, 2):
            async with self.pool.acquire() as connection:
                project = await projects.start(
                    connection, uuid4(), Repository(full_name="o/r", installation_id=5), issue,
                    title="", requested_by="ann", budget_usd=self.chance.uniform(1, 6), at=NOW,
                )  # fmt: skip
            assert project
            self.projects.append(project)
            self.tasks |= {uuid4(): project for _ in range(4)}

    async def take(self, subject: UUID) -> Lease:
        """Take a lease that has run out as soon as it is taken: anybody may be the successor."""
        async with self.pool.acquire() as connection, connection.transaction():
            taken = await connection.fetchrow(sql("leases.acquire"), subject, "agent", -1.0)
            epoch = taken["epoch"]
            await forfeit_abandoned(connection, [subject], epoch)
            return Lease(subject, "agent", epoch)

    async def work(self, chance: random.Random) -> None:
        """Live through many calls, each with a fate of its own."""
        for _ in range(CALLS):
            task = chance.choice(list(self.tasks)) if chance.random() < 0.8 else None
            project = self.tasks[task] if task else chance.choice(self.projects)
            fate = chance.choice(FATES)
            self.outcomes[fate] += 1
            try:
                await self._call(chance, fate, task, project)
            except (AuroraError, Died, asyncio.CancelledError, asyncpg.DeadlockDetectedError) as end:
                self.outcomes[type(end).__name__] += 1

    async def _call(self, chance: random.Random, fate: str, task: UUID | None, project: UUID) -> None:
        lease = await self.take(task or project)
        journal = LeasedJournal(self.pool, lease, project, self.caps)
        call = Call(project, task, AgentRole.backend, Step.generate, 1, f"s{uuid4()}")

        async def send(_: object) -> AIMessage:
            await asyncio.sleep(chance.choice([0, 0.001]))
            if fate == "died":
                raise Died
            if fate == "refused":
                raise ModelError("no")
            if fate == "stolen":
                await self.take(lease.subject)
            if fate == "revoked" and task:
                await self._revoke(task, project)
            if fate == "cancelled":
                await asyncio.sleep(60)
            read, said = chance.randint(0, 500), chance.randint(0, 1000)
            used = {"input_tokens": read, "output_tokens": said, "total_tokens": read + said}
            return AIMessage("yes", usage_metadata=used)  # type: ignore[arg-type]  # a plain dictionary

        asking = asyncio.create_task(
            self.ledger.ask(call, journal, 0, self.model, Question(chance.randint(0, 1500), send))
        )
        if fate == "cancelled":
            await asyncio.wait([asking], timeout=0.004)
            asking.cancel()
        if fate == "stopped":  # at any point of reserving, sending or settling
            await asyncio.wait([asking], timeout=chance.uniform(0, 0.008))
            asking.cancel()
        await asking

    async def _revoke(self, task: UUID, project: UUID) -> None:
        async def ring(_: object) -> None: ...

        with suppress(LeaseLost):  # another agent takes the project meanwhile
            lease = await self.take(project)
            await LeasedRecords(self.pool, lease, project, ring).write(Revoked((task,)))

    async def rest(self) -> None:
        """Have every subject taken by somebody who does nothing, as the reconciler sees to it."""
        for subject in [*self.projects, *self.tasks]:
            await self.take(subject)


@pytest.fixture
def model() -> Model:
    return Models("openai:m", prices=PRICES).of(Tier.coder)


async def test_no_cap_is_passed_and_nothing_stays_reserved(pool: Pool, model: Model):
    """Eight agents at a time, with the tables' own refusal taken away: the statements alone have to hold."""
    seed = int(os.environ.get("CAPS_SEED", random.randrange(10**6)))
    print(f"CAPS_SEED={seed}")
    await pool.execute(WATCH)
    outcomes = Counter[str]()
    for number in range(WORLDS):
        world = World(pool, model, random.Random(seed + number))
        await world.begin()
        await asyncio.gather(*(world.work(random.Random(world.chance.random())) for _ in range(AGENTS)))
        assert await pool.fetch("SELECT * FROM seen WHERE held > cap") == []
        assert await pool.fetch(DEAR, world.caps.call and exactly(world.caps.call)) == []
        await world.rest()
        assert await pool.fetch("SELECT key FROM purses WHERE reserved_usd <> 0") == []
        assert await pool.fetch("SELECT id FROM projects WHERE reserved_usd <> 0") == []
        assert await pool.fetch("SELECT id FROM token_usage WHERE status = 'reserved'") == []
        assert await pool.fetch(DIFFERENT) == []
        outcomes += world.outcomes
    assert outcomes["DeadlockDetectedError"] == 0
    assert outcomes[BudgetExceeded.__name__] > WORLDS  # the caps were reached
    assert outcomes[LeaseLost.__name__] > WORLDS
    assert await pool.fetchval("SELECT count(*) FROM seen") > WORLDS * AGENTS  # the sums were watched
    print(dict(outcomes))


def test_prices_make_calls_cost_about_what_the_caps_are_made_for(model: Model):
    assert Decimal("0.1") < Decimal(model.spec.worst_case(1500)) < Decimal("0.4")
