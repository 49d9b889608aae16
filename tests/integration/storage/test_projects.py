"""An issue has one run at a time, and a run is found again by its issue and its pull request."""

import asyncio
from uuid import UUID

from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef, Repository
from app.domain.repository_settings import RepositorySettings
from app.domain.requirements import Requirement
from app.domain.ways import Ways
from app.storage import projects
from app.storage.leases import Leases
from app.storage.pool import Pool
from app.storage.records import LeasedRecords
from app.storage.repositories import Repositories


async def no_ring(message: object) -> None:
    """Announce nothing."""


async def save(pool: Pool, leases: Leases, project: Project) -> None:
    async with leases.hold(project.id) as lease:
        assert lease is not None
        await LeasedRecords(pool, lease, project.id, no_ring).write(project)


async def get(pool: Pool, identity: UUID) -> Project:
    project = await projects.ProjectReader(pool).get(identity)
    assert project is not None
    return project


async def test_of_eight_starts_at_once_one_begins_a_run(pool: Pool, start):
    begun = await asyncio.gather(*(start() for _ in range(8)))
    assert len([identity for identity in begun if identity]) == 1
    assert await pool.fetchval("SELECT count(*) FROM projects") == 1


async def test_issues_have_runs_of_their_own(start):
    assert all(await asyncio.gather(*(start(issue=number) for number in range(1, 5))))


async def test_the_next_run_begins_after_the_end_of_the_last(pool: Pool, leases: Leases, start):
    runs = []
    for status in (ProjectStatus.merged, ProjectStatus.escalated, ProjectStatus.cancelled):
        project = await get(pool, await start())
        assert await start() is None
        runs.append(project.run)
        await save(pool, leases, project.model_copy(update={"status": status}))
    assert runs == [1, 2, 3]
    latest = await projects.latest_of_issue(pool, "o/r", 1)
    assert latest is not None
    assert latest.run == 3


async def test_a_project_is_read_as_it_was_written(pool: Pool, leases: Leases, project_id: UUID):
    project = await get(pool, project_id)
    assert (project.status, project.phase, project.run) == (ProjectStatus.parsing, Phase.parse, 1)
    written = project.model_copy(
        update={
            "status": ProjectStatus.open, "phase": Phase.deliver, "base_branch": "main", "base_sha": "a" * 40,
            "requirements": (Requirement(id="REQ-001", title="One", criteria=("It is", "It was")),),
            "settings": RepositorySettings(max_attempts=3, protected_paths=("LICENSE",)),
            "pull_request": PullRequestRef(number=4, url="https://x/4", head_sha="b" * 40),
            "ways": Ways(sign_off=True, template="## Summary", mistakes="It is wrong."),
            "reason": "Because", "notes": ("One", "Two"), "rounds": 2, "budget_usd": 2.25,
        }
    )  # fmt: skip
    await save(pool, leases, written)
    assert await get(pool, project_id) == written


async def test_a_run_is_found_by_its_issue_and_its_pull_request_while_it_lives(
    pool: Pool, leases: Leases, project_id: UUID
):
    ref = PullRequestRef(number=4, url="https://x/4", head_sha="b" * 40)
    opened = (await get(pool, project_id)).model_copy(update={"pull_request": ref})
    await save(pool, leases, opened)
    async with pool.acquire() as connection:
        assert await projects.live_of_issue(connection, "o/r", 1) == opened
        assert await projects.live_of_pull_request(connection, "o/r", 4) == opened
        assert await projects.live_of_pull_request(connection, "o/r", 5) is None
    await save(pool, leases, opened.model_copy(update={"status": ProjectStatus.merged}))
    async with pool.acquire() as connection:
        assert await projects.live_of_issue(connection, "o/r", 1) is None
        assert await projects.live_of_pull_request(connection, "o/r", 4) is None


async def test_projects_are_paged_the_newest_first(pool: Pool, start):
    for number in range(1, 6):
        await start(issue=number)
    reader = projects.ProjectReader(pool)
    pages = [await reader.page(2, offset) for offset in (0, 2, 4)]
    assert sorted(project.issue_number for page in pages for project in page) == [1, 2, 3, 4, 5]


async def test_settings_in_force_go_with_a_renamed_repository(pool: Pool, project_id: UUID):
    """What is read under the new name first stays."""
    del project_id  # of the repository o/r
    insert = "INSERT INTO repository_settings VALUES ($1, $2, '{}')"
    await pool.execute(insert, "o/r", "a" * 40)
    repositories = Repositories(pool)
    for name in ("o/r", "o/new"):
        await repositories.learn(1, Repository(full_name=name, installation_id=5))
    await pool.execute(insert, "o/newest", "b" * 40)
    await repositories.learn(1, Repository(full_name="o/newest", installation_id=5))
    kept = await pool.fetch("SELECT repository, commit_sha FROM repository_settings ORDER BY 1")
    assert [tuple(row) for row in kept] == [("o/new", "a" * 40), ("o/newest", "b" * 40)]
