"""Commit what an agent made: as one commit, or one for each concern where the change splits by file."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.concerns import Concern, narrative, title, verdicts
from app.domain.ports import Change, Worktree
from app.domain.project import Project
from app.domain.task import Task
from app.domain.ways import subject
from app.github.markdown import plain

TITLE_LENGTH = 72  # as git's own tools expect
SUMMARY_LENGTH = 2000


@dataclass(frozen=True)
class Group:
    """The changed files that answer some concerns, and nothing else does."""

    concerns: tuple[Concern, ...]
    paths: tuple[str, ...]


def split(task: Task, summary: str, changes: Sequence[Change]) -> list[Group]:
    """Return a group for each file that concerns are about, where several are and all of these were only edited."""
    said = verdicts(summary, task.concerns)
    status = {change.path: change.status for change in changes}
    by_path: dict[str, list[Concern]] = {}
    for concern in task.concerns:
        if said[concern.key].done and concern.path in status:
            by_path.setdefault(concern.path, []).append(concern)
    if len(by_path) < 2 or any(status[path] != "M" for path in by_path):
        return []
    return [Group(tuple(concerns), (path,)) for path, concerns in by_path.items()]


async def commit_all(worktree: Worktree, task: Task, summary: str, project: Project) -> tuple[str, dict[str, str]]:
    """Commit the whole tree onto its base; return the last commit, and those of concerns that have their own."""
    changes, issue = await worktree.changes(), project.issue_number
    groups = split(task, summary, changes)
    grouped = {path for group in groups for path in group.paths}
    rest = any(change.path not in grouped for change in changes)
    parent, commits = worktree.base, dict[str, str]()
    for number, group in enumerate(groups, 1):
        message = written(subject(title(group.concerns, TITLE_LENGTH), project.ways, group.paths), "", issue)
        whole = number == len(groups) and not rest
        parent = await worktree.commit(message, [parent], None if whole else group.paths)
        commits |= {concern.key: parent for concern in group.concerns}
    if rest or not groups:
        named = subject(task.title, project.ways, [change.path for change in changes])
        parent = await worktree.commit(written(named, narrative(summary), issue), [parent])
    return parent, commits


def written(title_: str, body: str, issue: int) -> str:
    """Return a commit's message: a title, what the agent says, the issue."""
    # Once merged, a commit closes issues and notifies people by its message, as comments do.
    filled = textwrap.fill(plain(body, SUMMARY_LENGTH), width=72)
    return "\n\n".join(part for part in (plain(title_, TITLE_LENGTH), filled, f"Refs #{issue}") if part)
