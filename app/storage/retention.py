"""Removes rows that were kept for long enough, one rule after the other, in small transactions."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.domain.artifacts import Periods
from app.storage.pool import Lease, Pool, fenced, sql

BATCH = 1000  # rows in one transaction: some tens of milliseconds
MOST_BATCHES = 10_000  # of one rule in one sweep
MOST_REST = 1.0  # seconds


@dataclass(frozen=True)
class Rule:
    """What goes after which period; `query` is in `retention.sql`."""

    name: str
    period: timedelta
    query: str
    parameters: tuple[str, ...] = ()


def rules(periods: Periods) -> tuple[Rule, ...]:
    """Return every rule, in an order in which one removal leaves nothing to another."""
    day, history = timedelta(days=1), periods.task_history
    return (
        Rule("saved_state", periods.agent_logs, "saved_state"),
        Rule("journal", periods.agent_logs, "journal"),
        Rule("events", periods.agent_logs, "events"),
        Rule("agent_logs", periods.agent_logs, "artifacts", ("agent_log",)),
        Rule("build_logs", periods.build_logs, "artifacts", ("build_log",)),
        Rule("test_results", periods.test_results, "test_results"),
        Rule("working_memory", timedelta(0), "working_memory"),  # each says when it ends
        Rule("deliveries", periods.deliveries, "deliveries"),
        Rule("task_history", history, "projects"),
        Rule("requests", history, "requests"),
        Rule("purses", history, "purses"),
        Rule("leases", history, "leases"),
        Rule("hosts", day, "hosts"),
    )


async def sweep(pool: Pool, lease: Lease, periods: Periods) -> Mapping[str, int]:
    """Remove all that is due and return how many rows of each rule; raises `LeaseLost`.

    Each batch is a transaction of its own. One that was broken off is done again by the next sweep.
    """
    removed = {}
    for rule in rules(periods):
        if rule.query == "saved_state" and not await pool.fetchval(sql("retention.saves_state")):
            continue
        removed[rule.name] = await _apply(pool, lease, rule)
    return removed


async def _apply(pool: Pool, lease: Lease, rule: Rule) -> int:
    total = 0
    for _ in range(MOST_BATCHES):
        began = time.monotonic()
        async with fenced(pool, lease, f"retention {rule.name}") as connection:
            status = await connection.execute(
                sql(f"retention.{rule.query}"), rule.period / timedelta(days=1), BATCH, *rule.parameters
            )
        count = int(status.rpartition(" ")[2])
        total += count
        if count == 0:
            break
        await asyncio.sleep(min(time.monotonic() - began, MOST_REST))  # half of the time belongs to everybody else
    return total
