"""The adapter shows checks on a GitHub as they come along, offers buttons, and reads what other apps say."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.ports import CheckRun
from app.github.check_runs import MOST_READ
from app.github.checks import check_run
from app.github.forge import GitHubForge
from tests.integration.github.test_against_the_hub import push

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NAME = "aurora / lint"


def failing(sha: str, findings: int, occurrence: str = "m1") -> CheckRun:
    """Return a failing check run with so many annotations."""
    found = tuple(Finding(path="a.py", line=1, code="E1", message=f"wrong {n}") for n in range(findings))
    result = CheckResult(
        checkpoint=Checkpoint.lint, conclusion=Conclusion.failed, title="Ugly", summary="It is.", findings=found,
        started_at=NOW, completed_at=NOW,
    )  # fmt: skip
    return check_run(result, sha, f"lint.{occurrence}", "https://example.org/log")


@pytest.fixture
async def head(forge: GitHubForge, hub: Any) -> str:
    return await push(forge, hub.origin)


async def shown(hub: Any, session: aiohttp.ClientSession, number: int) -> dict[str, Any]:
    """Return a check run as anybody sees it."""
    async with session.get(f"{hub.url}/repos/octo/sample/check-runs/{number}", headers=hub.person()) as answer:
        run: dict[str, Any] = await answer.json()
        return run


@pytest.mark.parametrize("findings", [0, 1, 120])
async def test_a_check_that_is_under_way_is_seen_and_ended_once(
    forge: GitHubForge, hub: Any, session: aiohttp.ClientSession, head: str, findings: int
):
    """Ending it twice adds nothing."""
    check = failing(head, findings)
    number = await forge.begin_check(NAME, head, check.external_id, NOW)
    assert (await shown(hub, session, number))["status"] == "in_progress"
    assert await forge.find_check(head, NAME, check.external_id, ended=False) == number
    assert await forge.create_check(check, number) == number
    assert await forge.create_check(check, number) == number
    assert await forge.find_check(head, NAME, check.external_id) == number
    run = await shown(hub, session, number)
    assert (run["status"], run["conclusion"], run["details_url"]) == ("completed", "failure", check.details_url)
    assert run["output"]["annotations_count"] == findings


async def test_the_latest_run_of_a_name_is_what_counts(
    forge: GitHubForge, hub: Any, session: aiohttp.ClientSession, head: str
):
    """A check that was run again and passes is green, whatever the first run said."""
    await forge.create_check(failing(head, 1))
    again = replace(failing(head, 0, "m2"), conclusion="success", actions=())
    number = await forge.begin_check(NAME, head, again.external_id, NOW)
    await forge.create_check(again, number)
    url = f"{hub.url}/repos/octo/sample/commits/{head}/check-runs?filter=latest"
    async with session.get(url, headers=hub.person()) as answer:
        runs = (await answer.json())["check_runs"]
    assert [(run["id"], run["conclusion"]) for run in runs] == [(number, "success")]


async def test_a_failing_check_offers_its_buttons(forge: GitHubForge, hub: Any, head: str, tmp_path: Path):
    """Whether it is written at once or ended later."""
    at_once = await forge.create_check(failing(head, 1, "m1"))
    later = await forge.begin_check(NAME, head, "lint.m2", NOW)
    await forge.create_check(failing(head, 60, "m2"), later)
    with closing(sqlite3.connect(tmp_path / "hub" / "hub.sqlite3")) as store:
        rows = store.execute("SELECT actions FROM check_runs WHERE id IN (?, ?)", (at_once, later)).fetchall()
    for (actions,) in rows:
        assert [one["identifier"] for one in json.loads(actions)] == ["format", "retry"]


def another_app(path: Path, sha: str) -> None:
    """Have another app say something of a commit: a failing run with an annotation, one that runs."""
    with closing(sqlite3.connect(path, timeout=20)) as store, store:
        store.row_factory = sqlite3.Row
        app = dict(store.execute("SELECT * FROM apps").fetchone())
        app |= {"id": 999, "slug": "ci", "name": "CI", "client_id": "other", "webhook_url": None}
        repository = store.execute("SELECT id FROM repositories").fetchone()["id"]
        run = {
            "suite_id": 5,
            "repository_id": repository,
            "app_id": 999,
            "head_sha": sha,
            "started_at": "2026-11-01T00:00:00Z",
        }

        def insert(table: str, **values: Any) -> None:
            marks = ", ".join("?" * len(values))
            store.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))

        insert("apps", **app)
        times = {"created_at": "2026-11-01T00:00:00Z", "updated_at": "2026-11-01T00:00:00Z"}
        insert("check_suites", id=5, repository_id=repository, app_id=999, head_sha=sha, **times)
        ended = {"status": "completed", "conclusion": "failure", "completed_at": "2026-11-01T00:01:00Z"}
        insert("check_runs", id=6, name="build", title="1 error", summary="Broken.", **run, **ended)
        insert("check_runs", id=7, name="slow", status="in_progress", **run)
        insert(
            "annotations", run_id=6, path="a.py", start_line=1, end_line=1, annotation_level="failure", message="no x"
        )


async def test_what_another_app_says_is_read(forge: GitHubForge, head: str, tmp_path: Path):
    """Its own checks aren't among them; annotations are those of what failed."""
    await forge.create_check(failing(head, 1))
    another_app(tmp_path / "hub" / "hub.sqlite3", head)
    build, slow = sorted(await forge.foreign_checks(head), key=lambda check: check.name)
    assert (build.id, build.app, build.failed, build.title, build.summary) == (6, "ci", True, "1 error", "Broken.")
    assert [(note.path, note.line, note.message) for note in build.annotations] == [("a.py", 1, "no x")]
    assert (slow.running, slow.failed) == (True, False)
    assert [one.annotations for one in await forge.foreign_checks(head, annotated=False)] == [(), ()]


async def test_suites_are_there_from_the_push_on(forge: GitHubForge, head: str, tmp_path: Path):
    """The app's own tells when the commit was pushed; another's, whether anything is to come."""
    (own,) = await forge.check_suites(head)
    assert (own.own, own.runs, own.running) == (True, 0, True)
    assert own.created_at.tzinfo
    another_app(tmp_path / "hub" / "hub.sqlite3", head)
    other = next(one for one in await forge.check_suites(head) if not one.own)
    assert (other.app, other.running, other.runs) == ("ci", True, 2)


async def test_what_is_read_of_another_app_is_bounded(forge: GitHubForge, head: str, tmp_path: Path):
    """It may write a thousand failing checks with a thousand annotations each."""
    store_path = tmp_path / "hub" / "hub.sqlite3"
    another_app(store_path, head)
    with closing(sqlite3.connect(store_path, timeout=20)) as store, store:
        row = [one[1] for one in store.execute("PRAGMA table_info(check_runs)")]
        names = ", ".join(name for name in row if name not in {"id", "name"})
        for number in range(100, 140):
            store.execute(
                f"INSERT INTO check_runs (id, name, {names}) SELECT ?, ?, {names} FROM check_runs WHERE id = 6",
                (number, f"build {number}"),
            )
            store.executemany(
                "INSERT INTO annotations (run_id, path, start_line, end_line, annotation_level, message)"
                " VALUES (?, 'a.py', 1, 1, 'failure', 'no')",
                [(number,)] * 60,
            )
    found = [check for check in await forge.foreign_checks(head) if check.failed]
    assert len(found) == 41
    assert sum(bool(check.annotations) for check in found) == MOST_READ
    assert max(len(check.annotations) for check in found) == 50
