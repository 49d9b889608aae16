"""What a run came to, as one JSON object (a contract) and as a few lines for people."""

from collections.abc import Sequence
from typing import Any

from app.domain.account import account
from app.domain.ports import ModelCall
from app.domain.project import Project, ProjectStatus
from app.domain.task import Task

Report = dict[str, Any]


def report(project: Project, tasks: Sequence[Task], calls: Sequence[ModelCall], checks: list[Report]) -> Report:
    """Return the object that `aurora run --json` prints."""
    sums = account(tasks, calls)
    pull = project.pull_request
    wall = ((project.finished_at or project.created_at) - project.created_at).total_seconds()
    return {
        "project": str(project.id),
        "status": project.status.value,
        "reason": project.reason,
        "pull_request": pull
        and {"number": pull.number, "url": pull.url, "merged": pull.merged, "head_sha": pull.head_sha},
        "checks": checks,
        "tasks": [
            {
                "id": task.key,
                "title": task.title,
                "agent": task.assigned_agent.value,
                "status": task.status.value,
                "attempts": task.attempts,
                "branch": task.branch,
            }
            for task in tasks
        ],
        "model_calls": sums.calls,
        "tokens": sums.tokens,
        "cost_usd": round(sums.usd, 6),
        "seconds": {
            "wall": round(wall, 3),
            "model": round(sums.model_seconds, 3),
            "critical_path": round(sums.critical_path_seconds, 3),
        },
    }


def delivered(project: Project) -> bool:
    """Tell whether the run ended with a pull request that is merged or waits for its reviewers."""
    return project.status in {ProjectStatus.merged, ProjectStatus.open}


def settled(project: Project) -> bool:
    """Tell whether nothing more will happen by itself."""
    if project.status is ProjectStatus.merged:
        return project.finished_at is not None
    return project.status.ended or project.status in {ProjectStatus.open, ProjectStatus.waiting, ProjectStatus.paused}
