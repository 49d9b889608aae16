"""What was kept for long enough goes, nothing else does, quickly, and however often or badly the job is ended."""

import asyncio
import logging
import os
import signal
import sys
import time
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from app import metrics
from app.domain.artifacts import Periods
from app.settings import read_settings
from app.storage.artifacts import Artifacts
from app.storage.leases import Leases
from app.storage.lookout import Lookout
from app.storage.pool import connect
from app.storage.retention import rules, sweep
from workers.archive import Archive
from workers.checkpoints.suite import Checkers
from workers.retention import MARK, RETENTION, tidy
from workers.sandbox.detect import Refusal
from workers.wiring import utc_now
from workers.workspace.mirror import Clones

ROOT = Path(__file__).parents[3]
MANY = 2_500
SUBJECT = "00000000-0000-0000-0000-00000000feed"
COUNTED = {
    "saved_state": "SELECT count(DISTINCT thread_id) FROM checkpoints",
    "journal": "SELECT count(*) FROM journal",
    "events": "SELECT count(*) FROM events",
    "agent_logs": "SELECT count(*) FROM artifacts WHERE kind = 'agent_log'",
    "build_logs": "SELECT count(*) FROM artifacts WHERE kind = 'build_log'",
    "test_results": "SELECT count(*) FROM test_results",
    "working_memory": "SELECT count(*) FROM working_memory",
    "deliveries": "SELECT count(*) FROM deliveries",
    "task_history": "SELECT count(*) FROM projects",
    "requests": "SELECT count(*) FROM requests",
    "purses": "SELECT count(*) FROM purses",
    "leases": f"SELECT count(*) FROM leases WHERE subject <> '{SUBJECT}'",
    "hosts": "SELECT count(*) FROM artifact_hosts",
}

# $1: how many; $2: days since it ended or came; $3: the projects' status.
FILL = (
    """CREATE TEMP TABLE made AS
       SELECT gen_random_uuid() AS id, n, $2::float8 AS days, $3 AS status FROM generate_series(1, $1) n""",
    """INSERT INTO projects (id, repository, installation_id, issue_number, run, title, requested_by, status, phase,
                             budget_usd, created_at, finished_at)
       SELECT id, 'o/' || status || days, 1, n, 1, 't', 'ann', status, 'done', 5, now() - (days + 1) * interval '1 day',
              CASE WHEN status = 'merged' THEN now() - days * interval '1 day' END FROM made""",
    """INSERT INTO tasks (id, project_id, key, title, description, assigned_agent, status, branch, created_at)
       SELECT id, id, 't1', 't', 'd', 'backend', 'completed', 'b', now() FROM made""",
    """INSERT INTO agent_messages (id, sender, recipient, message_type, payload, timestamp, correlation_id, subject,
                                   due_at, handled_at)
       SELECT id, 'maestro', 'backend', 'TASK', '{}', now(), id, id, now(), now() FROM made""",
    """INSERT INTO agent_errors SELECT id, id, id, 'backend', 'tests', 'm', NULL, now(), 0, 0 FROM made""",
    """INSERT INTO effects (project_id, key, intent, outcome, epoch) SELECT id, 'k', '{}', '{}', 1 FROM made""",
    """INSERT INTO token_usage (id, project_id, role, step, attempt, scope, position, model, status,
                                reserved_usd, epoch)
       SELECT id, id, 'backend', 'plan', 1, 's', 0, 'm', 'settled', 0, 1 FROM made""",
    """INSERT INTO test_results SELECT id, id, id, 1, 'c', 'lint', 'passed', 't', 's', '[]', 'log',
       now() - days * interval '1 day', now() - days * interval '1 day' FROM made""",
    """INSERT INTO journal (subject, scope, position, project_id, kind, content, patch, epoch)
       SELECT id, 's', 0, id, 'model', '{}', 'patch', 1 FROM made""",
    """INSERT INTO artifacts (id, project_id, kind, location, created_at, expires_at, store, title, size, digest)
       SELECT gen_random_uuid(), id, kind, 'l', now() - days * interval '1 day', now(), id, 't', 1, 'd'
       FROM made, unnest(ARRAY['build_log', 'agent_log']) kind""",
    """INSERT INTO working_memory (id, project_id, repository, kind, content, source, created_at, expires_at)
       SELECT id, id, 'o/r', 'decision', 'c', '{"file": "a", "commit": "b", "project": "c"}', now(),
              now() - (days - 10) * interval '1 day' FROM made""",
    """INSERT INTO memory_uses SELECT id, id, id, 0, 'backend', true, now() FROM made""",
    """INSERT INTO deliveries (guid, event, payload, handled_at)
       SELECT id::text, 'issues', '', CASE WHEN status = 'merged' THEN now() - days * interval '1 day' END FROM made""",
    """INSERT INTO requests (id, repository, title, text, requested_by, created_at, adopted_at)
       SELECT id, 'o/r', 't', 't', 'ann', now() - days * interval '1 day',
              CASE WHEN status = 'merged' THEN now() END FROM made""",
    """INSERT INTO purses (key, created_at) SELECT 'task:' || id, now() - days * interval '1 day' FROM made""",
    """INSERT INTO leases (subject, owner, epoch, expires_at, moved_at)
       SELECT id, 'w', 1, '-infinity', now() - days * interval '1 day' FROM made""",
    """INSERT INTO artifact_hosts SELECT id::text, id, 'http://h:1', now() - (days - 20) * interval '1 day'
       FROM made""",
    """INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) SELECT id || ':0', 'c', '{}' FROM made""",
    """INSERT INTO checkpoint_blobs (thread_id, channel, version, type)
       SELECT id || ':0', 'c', '1', 'empty' FROM made""",
    """INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)
       SELECT id || ':0', 'c', 't', 0, 'c', '' FROM made""",
    "DROP TABLE made",
)  # fmt: skip


@pytest.fixture
async def fill(pool, database_url):
    """Make rows of every kind: `await fill(number, days, status="merged")`."""
    from workers.saver import prepare_saver

    await prepare_saver(database_url)

    async def make(number: int, days: float, status: str = "merged") -> None:
        async with pool.acquire() as connection:
            await connection.execute(FILL[0], number, days, status)
            for statement in FILL[1:]:
                await connection.execute(statement, timeout=120)

    return make


async def counts(pool) -> dict[str, int]:
    return {name: await pool.fetchval(query) for name, query in COUNTED.items()}


async def swept(pool, worker: str = "one", taken_by=None) -> dict[str, int]:
    async with Leases(pool, worker).hold(SUBJECT) as lease:
        if taken_by:
            await taken_by.execute("UPDATE leases SET epoch = epoch + 1 WHERE subject = $1", SUBJECT)
        return dict(await sweep(pool, lease, Periods()))


def test_every_period_has_a_rule_or_a_place():
    by_rule = {rule.period for rule in rules(Periods(*(timedelta(days=2000 + n) for n in range(len(fields(Periods))))))}
    assert {timedelta(days=2000 + n) for n in range(len(fields(Periods)) - 2)} <= by_rule  # the last two: disks, Redis


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (400.0, set()),
        # Old enough for nothing that hangs on the end of a project but what a month and a quarter take.
        (100.0, {"task_history", "requests", "purses", "leases"}),
        (31.0, {"task_history", "requests", "purses", "leases", "test_results"}),
        (5.0, set(COUNTED)),
    ],
)
async def test_what_goes_depends_on_its_age(pool, fill, days, left):
    await fill(3, days)
    await swept(pool)
    assert {name for name, number in (await counts(pool)).items() if number} == left


async def test_nothing_of_a_project_under_way_goes(pool, fill):
    await fill(3, 4000.0, status="open")
    before = await counts(pool)
    await swept(pool)
    after = await counts(pool)
    of_its_own = {"working_memory", "hosts"}  # these say themselves when they end
    assert {name: after[name] for name in COUNTED if name not in of_its_own} == {
        name: before[name] for name in COUNTED if name not in of_its_own
    }
    assert after["working_memory"] == after["hosts"] == 0


@pytest.mark.timeout(300)
async def test_thousands_of_old_rows_of_every_kind_go_in_small_transactions_and_the_new_ones_stay(pool, fill):
    await fill(MANY, 400.0)
    await fill(7, 1.0)
    await fill(7, 400.0, status="building")
    events = await pool.fetchval(COUNTED["events"])
    longest = asyncio.create_task(_longest_wait(pool))
    began = time.monotonic()
    removed = await swept(pool)
    seconds = time.monotonic() - began
    longest.cancel()
    waited = (await asyncio.gather(longest, return_exceptions=True))[0]
    print(f"{sum(removed.values())} rows in {seconds:.1f} s: {removed}; a writer waited {waited} s at most")
    kept = await counts(pool)
    assert {name: kept[name] for name in kept if name not in {"events", "working_memory", "hosts"}} == dict.fromkeys(
        set(kept) - {"events", "working_memory", "hosts"}, 14
    )
    assert kept["events"] > 0
    assert events > kept["events"]
    for name in set(COUNTED) - {"events"}:
        assert removed[name] >= MANY, name
    for table in ("agent_messages", "agent_errors", "effects", "token_usage", "tasks", "memory_uses"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 14, table
    assert await pool.fetchval("SELECT count(*) FROM checkpoint_writes") == 14
    assert await pool.fetchval("SELECT count(*) FROM checkpoint_blobs") == 14
    assert seconds < 60  # half of it resting; with 10,000 rows of every kind it was 32 s on two busy cores
    assert await swept(pool) == dict.fromkeys(removed, 0)


async def _longest_wait(pool) -> float:
    """Write to live rows all the time; return the longest that it took, when cancelled."""
    longest = 0.0
    try:
        while True:
            began = time.monotonic()
            await pool.execute("UPDATE tasks SET priority = priority + 1 WHERE project_id IN "
                               "(SELECT id FROM projects WHERE status = 'building')")  # fmt: skip
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        return round(longest, 3)


SWEEPER = """
import asyncio, sys
from app.domain.artifacts import Periods
from app.storage import retention
from app.storage.leases import Leases
from app.storage.pool import connect

retention.BATCH = 100

async def main():
    pool = await connect(sys.argv[1])
    async with Leases(pool, "killed").hold(sys.argv[2]) as lease:
        print("began", flush=True)
        await retention.sweep(pool, lease, Periods())

asyncio.run(main())
"""


async def test_a_sweep_that_is_killed_is_finished_by_the_next_one(pool, fill, database_url):
    await fill(2000, 400.0)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SWEEPER, database_url, SUBJECT, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    await process.stdout.readline()
    async with asyncio.timeout(30):
        while await pool.fetchval(COUNTED["journal"]) > 1000:
            await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    left = await counts(pool)
    assert left["task_history"] == 2000
    await pool.execute("UPDATE leases SET expires_at = '-infinity'")  # its lease expires in ten seconds
    await swept(pool, "two")
    assert set((await counts(pool)).values()) == {0}


async def test_a_sweep_that_lost_its_lease_removes_nothing_more(database_url, pool, fill):
    from app.errors import LeaseLost

    await fill(3, 400.0)
    second = await connect(database_url, size=2)
    try:
        with pytest.raises(LeaseLost):
            await swept(pool, taken_by=second)
    finally:
        await second.close()
    assert (await counts(pool))["task_history"] == 3


HOUR = timedelta(hours=1)


@pytest.fixture
def employ(pool, database_url, tmp_path):
    """Make workers with disks of their own, on which everything is too old: `employ("one")`."""

    def long_ago(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        os.utime(path, (time.time() - 40 * 86_400,) * 2)

    def worker(name: str) -> SimpleNamespace:
        home = tmp_path / name
        settings = read_settings(database_url=database_url, data_dir=home)
        for number in range(2):
            long_ago(home / f"artifacts/ab/{uuid4()}.log")
            long_ago(home / f"results/ab/{number}.json")
        mirror = home / "mirrors/octo/sample.git"
        long_ago(mirror / "HEAD")
        os.utime(mirror, (time.time() - 40 * 86_400,) * 2)
        return SimpleNamespace(
            pool=pool,
            settings=settings,
            jobs=SimpleNamespace(leases=Leases(pool, name)),
            files=Archive(home, Artifacts(pool), utc_now, settings.periods()),
            checkers=Checkers(Refusal("nothing is run here"), home, utc_now),
            clones=Clones(home, SimpleNamespace()),
        )

    return worker


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, int]]:
    """Return what the log says was removed."""
    records = [record for record in caplog.records if record.name == "workers.retention"]
    assert {record.getMessage() for record in records} <= {"removed what was kept long enough"}
    return [record.removed for record in records]


def removed_so_far() -> dict[str, float]:
    samples = [sample for metric in metrics.RETENTION_REMOVED.collect() for sample in metric.samples]
    return {s.labels["kind"]: s.value for s in samples if s.name.endswith("_total")}


OWN = {"files": 2, "workspaces": 2, "mirrors": 1}


async def test_the_job_removes_rows_once_and_each_worker_its_own_files(pool, fill, employ, caplog):
    """Run by two workers, one of them twice: what there is to remove is removed and told once."""
    caplog.set_level(logging.INFO)
    before = removed_so_far()
    await fill(3, 400.0)
    await fill(2, 1.0)
    one, two = employ("one"), employ("two")
    await tidy(one, HOUR)
    kept = await counts(pool)
    assert kept["task_history"] == kept["test_results"] == kept["deliveries"] == 2
    rows, own = told(caplog)
    assert rows.keys() == COUNTED.keys()
    assert rows["task_history"] == rows["journal"] == 3
    assert own == OWN

    await tidy(one, HOUR)
    assert len(told(caplog)) == 2
    assert await counts(pool) == kept

    await fill(3, 400.0)
    mark = await Lookout(pool).mark(MARK)
    await tidy(two, HOUR)  # the rows were swept a moment ago: only its disk
    assert told(caplog)[2:] == [OWN]
    assert (await counts(pool))["task_history"] == 5
    assert await Lookout(pool).mark(MARK) == mark

    grown = {kind: number - before.get(kind, 0) for kind, number in removed_so_far().items()}
    assert {kind: number for kind, number in grown.items() if number} == rows | {k: 2 * n for k, n in OWN.items()}


async def test_the_job_removes_rows_again_half_a_period_later(pool, fill, employ, caplog):
    """Whoever comes first; the mark says when."""
    caplog.set_level(logging.INFO)
    await tidy(employ("one"), HOUR)
    await fill(3, 400.0)
    await Lookout(pool).set_mark(MARK, utc_now() - 0.51 * HOUR)
    await tidy(employ("two"), HOUR)
    assert [line.get("task_history") for line in told(caplog)] == [None, 3, None]
    assert utc_now() - await Lookout(pool).mark(MARK) < timedelta(minutes=1)


async def test_while_one_worker_removes_rows_the_others_tidy_only_their_disks(pool, fill, employ, caplog):
    """No mark yet, and the lease is held."""
    caplog.set_level(logging.INFO)
    await fill(3, 400.0)
    async with Leases(pool, "at it").hold(RETENTION):
        await tidy(employ("two"), HOUR)
    assert told(caplog) == [OWN]
    assert (await counts(pool))["task_history"] == 3
    assert await Lookout(pool).mark(MARK) is None
