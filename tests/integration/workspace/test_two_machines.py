"""Two machines with data directories of their own work on one project."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from app.domain.project import Phase, Project, ProjectStatus, Repository
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus
from tests.integration.workspace.test_mirror import FILES, forges, git
from workers.maestro.dispatch import bring, bring_base, combine, in_order
from workers.workspace import Clones

REPOSITORY = Repository(full_name="octo/sample", installation_id=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_task_starts_from_a_merge_that_another_machine_made(git_repository, tmp_path: Path):
    """The merge was never pushed; made again here it is the very same commit."""
    origin = git_repository(FILES)
    git(origin, "config", "receive.denyCurrentBranch", "ignore")
    there, here, elsewhere = [
        await Clones(tmp_path / name, forges(str(origin))).of(REPOSITORY) for name in ("there", "here", "elsewhere")
    ]
    base = await there.head("main") or ""
    project = Project(
        id=uuid4(), repository=REPOSITORY, issue_number=1, run=1, title="Work", requested_by="you",
        status=ProjectStatus.building, phase=Phase.dispatch, base_sha=base, budget_usd=1, created_at=NOW,
    )  # fmt: skip
    tasks = []
    for key in ("t1", "t2"):
        async with there.worktree(key, base) as tree:
            (tree.path / f"{key}.py").write_text("x = 1\n")
            commit = await tree.commit(f"Do {key}", [base])
        await there.push(commit, f"aurora/1.1-{key}", None)
        tasks.append(_task(project, key, TaskResult(commit=commit)))
    merged, _ = await combine(there, base, tasks)
    last = _task(project, "t3", None).model_copy(
        update={"base_sha": merged, "dependencies": tuple(task.id for task in tasks)}
    )

    assert await bring_base(here, project, last, [*tasks, last]) == merged
    await bring(elsewhere, project, merged, in_order(tasks))  # as before all is verified
    assert await elsewhere.tree(merged) == await there.tree(merged)
    assert set(await here.files(merged)) == {*FILES, "t1.py", "t2.py"}


def _task(project: Project, key: str, result: TaskResult | None) -> Task:
    return Task(
        id=uuid4(), project_id=project.id, key=key, title=f"Do {key}", description="", branch=f"aurora/1.1-{key}",
        assigned_agent=AgentRole.backend, status=TaskStatus.completed, created_at=NOW, result=result,
    )  # fmt: skip
