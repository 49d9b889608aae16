"""What the app answers to commands: short, and with what can be written next."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.checks import CheckResult
from app.domain.commands import COMMANDS, TABLE, WORD, Name
from app.domain.project import Project, ProjectStatus
from app.domain.task import Task, TaskStatus
from app.github.markdown import code, inline
from app.github.render import account, graph, headline, requirements, task_table

SEEN_BEFORE = "That was written before this plan was shown. Please look at the plan, and approve it again."
NO_RUN = "I am not working on this issue. Put the label {label} on it, and I start."
NOT_MINE = "I don't work on this pull request: I only change those that I opened."
NO_PLAN = "There is no plan yet."


def spoken(words: str, project: Project, label: str) -> str:
    """Return words of the table with the project's own numbers and names in them."""
    pull = f"#{project.pull_request.number}" if project.pull_request else "the pull request"
    return words.replace("#{pull}", pull).replace("`{label}`", code(label, 60))


def help_(label: str) -> str:
    """Return all commands, from the table that they are read by."""
    rows = "\n".join(f"| {code(one.usage)} | {one.help} |" for one in TABLE)
    return (
        "### What I listen to\n\n"
        f"Put the label {code(label, 60)} on an issue, and I work on it. In comments on the issue or on its "
        "pull request, at the start of a line:\n\n"
        f"| Command | |\n|---|---|\n{rows}\n\n"
        "In your own words works too, to my name with an @: “how far are you?”, “merge it”, or what you want changed. "
        "A review of my pull request is worked on remark by remark. I listen to people with write permission."
    )


def status(project: Project, tasks: Sequence[Task], now: datetime, *, repository_url: str) -> str:
    """Return how far a project is and what it has cost."""
    parts = [
        f"### {headline(project, tasks)}",
        inline(project.reason, 500) if project.reason and project.status is not ProjectStatus.merged else "",
        task_table(tasks, repository_url) if tasks else "",
        f"<sub>{account(project, now)}</sub>",
    ]
    return "\n\n".join(part for part in parts if part)


def plan(project: Project, tasks: Sequence[Task]) -> str:
    """Return the plan as it stands."""
    if not tasks:
        return NO_PLAN
    return "\n\n".join(["### The plan", requirements(project.requirements), graph(tasks)])


def no_such_task(name: str, tasks: Sequence[Task]) -> str:
    """Say that no such task can be tried again, and which can."""
    could = ", ".join(code(f"{WORD} retry {task.key}") for task in tasks)
    said = f"Task {code(name, 20)} hasn't failed."
    return f"{said} To try again: {could}." if could else f"{said} No task has."


def nothing_failed(tasks: Sequence[Task]) -> str:
    """Say that the work goes on."""
    done = sum(task.status is TaskStatus.completed for task in tasks)
    return f"Nothing has failed: {done} of {len(tasks)} tasks are done, and the rest is under way."


def not_merged(blocking: Sequence[CheckResult]) -> str:
    """Say which checkpoints stand in the way of a merge."""
    listed = "\n".join(f"- {code(one.checkpoint.check_name)}: {inline(one.title, 200)}" for one in blocking)
    return (
        f"I don't merge what didn't pass:\n\n{listed}\n\n"
        f"{code(COMMANDS[Name.explain].usage)} says what was found, {code(COMMANDS[Name.fix].usage)} has it changed."
    )


def runs_already(last: Project) -> str:
    """Say that another run of the issue is under way, beside which this one can't be taken up."""
    where = f"#{last.pull_request.number}" if last.pull_request else f"run {last.run} of #{last.issue_number}"
    return f"Another run of the issue is under way, {where}: what you want belongs there."


def not_taken_back(project: Project, last: Project) -> str:
    """Say that another run of the issue comes first, or takes it back already."""
    where = f"#{last.pull_request.number}" if last.pull_request else f"run {last.run} of #{last.issue_number}"
    if last.reverts == project.id:
        return f"Taking it back was begun already, with {where}: what there is to say about that belongs there."
    return f"Another run of the issue is under way, {where}. Let it end, or cancel it; then this can be taken back."


def up_to_date(project: Project) -> str:
    """Say that there is nothing to bring in."""
    return f"The branch has everything that is in {code(project.base_branch or '', 100)} already."


def base_conflicts(project: Project, paths: Sequence[str]) -> str:
    """Say that the base can't be brought in."""
    base, shown = code(project.base_branch or "", 100), ", ".join(code(path, 160) for path in paths[:20])
    return (
        f"{base} conflicts with the work in {shown}, and I found no way to keep what both sides changed. Merge {base} "
        f"into {code(project.branch, 100)} yourself and push: I go on from your commit."
    )
