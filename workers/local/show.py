"""Shows a project as it goes: one line for each thing that happened, and a live line for what is happening."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from app.domain.project import Project, ProjectStatus
from app.domain.task import Task, TaskStatus

DOING = {
    ProjectStatus.parsing: "reading the issue",
    ProjectStatus.planning: "planning",
    ProjectStatus.building: "agents are at work",
    ProjectStatus.verifying: "checking everything together, reviewing, opening the pull request",
}
TASK_WORDS = {
    TaskStatus.running: "[cyan]started[/]",
    TaskStatus.completed: "[green]passed its checkpoints[/]",
    TaskStatus.failed: "[red]failed[/]",
    TaskStatus.cancelled: "[yellow]cancelled[/]",
}


class Show:
    """Prints what changed since the last look."""

    def __init__(self, console: Console) -> None:
        """Print to the console; the clock starts now."""
        self._console = console
        self._status: Status = console.status("starting", spinner="dots")
        self._seen: set[str] = set()
        self._start = time.monotonic()

    def __enter__(self) -> "Show":
        """Show the live line."""
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the live line."""
        self._status.stop()

    def doing(self, text: str) -> None:
        """Say what is happening."""
        self._status.update(escape(text))

    def event(self, key: str, text: str) -> None:
        """Print a line, once for each key."""
        if key not in self._seen:
            self._seen.add(key)
            self._console.print(f"[dim]{time.monotonic() - self._start:6.1f} s[/]  {text}", highlight=False)

    def look(self, project: Project, tasks: Sequence[Task]) -> None:
        """Print what is new in the project."""
        self.doing(DOING.get(project.status, project.status.value))
        for requirement in project.requirements:
            self.event(requirement.id, f"[bold]{requirement.id}[/] {escape(requirement.title)}")
        for task in tasks:
            name = f"{task.key} [dim]{task.assigned_agent.value}[/] {escape(task.title)}"
            self.event(f"plan {task.key}", f"planned  {name}")
            if task.attempts > 1:
                self.event(f"{task.key} {task.attempts}", f"attempt {task.attempts}  {name}")
            if task.status in TASK_WORDS:
                self.event(f"{task.key} {task.round} {task.status}", f"{TASK_WORDS[task.status]}  {name}")
        if project.pull_request:
            self.event("pull request", f"pull request #{project.pull_request.number}  {project.pull_request.url}")
        if project.status not in DOING:
            self.event(f"status {project.status}", f"[bold]{project.status}[/]")
