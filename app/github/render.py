"""What the app says in comments of its own: progress, plan, questions and escalation.

What comes from people, repositories and models goes through `app.github.markdown` on its way in.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.domain.budget import SETTING, Cap, nearly_spent
from app.domain.commands import BOX, COMMANDS, Command, Name
from app.domain.ports import Usual
from app.domain.project import Pause, Project, ProjectStatus
from app.domain.requirements import Requirement
from app.domain.task import Task, TaskStatus
from app.github.markdown import COMMENT_LIMIT, code, fit, inline, label, mention, quote

MOST_NODES = 40  # a larger graph can't be read
MOST_LESSONS = 10  # of one task

NEXT = {
    ProjectStatus.parsing: "Next, the issue becomes requirements.",
    ProjectStatus.waiting: "It goes on when somebody with write permission has answered.",
    ProjectStatus.planning: "Next, the requirements become tasks.",
    ProjectStatus.building: "Next, the tasks that are left, and then a check of everything together.",
    ProjectStatus.verifying: "Next, a pull request.",
    ProjectStatus.open: "What a review of the pull request asks for is worked on.",
    ProjectStatus.merged: "Nothing is left to do.",
    ProjectStatus.escalated: "It needs a person now; the comment below says why.",
    ProjectStatus.cancelled: "For a new run, put the label on the open issue again; take it off first where it is on.",
}
TOMORROW = "It goes on by itself when the day is over, at 00:00 UTC."
REASONED = frozenset(  # an escalation gives its reason in a comment of its own
    {ProjectStatus.waiting, ProjectStatus.paused, ProjectStatus.open, ProjectStatus.cancelled}
)
GLYPHS = {
    TaskStatus.pending: "○",
    TaskStatus.ready: "○",
    TaskStatus.running: "◐",
    TaskStatus.blocked: "◌",
    TaskStatus.completed: "●",
    TaskStatus.failed: "✕",
    TaskStatus.cancelled: "⊘",
}
COLOURS = {  # fill, stroke: readable on light and dark pages, since the text is always dark
    TaskStatus.pending: ("#f6f8fa", "#8c959f"),
    TaskStatus.ready: ("#f6f8fa", "#57606a"),
    TaskStatus.running: ("#ddf4ff", "#0969da"),
    TaskStatus.blocked: ("#fff8c5", "#9a6700"),
    TaskStatus.completed: ("#dafbe1", "#1a7f37"),
    TaskStatus.failed: ("#ffebe9", "#cf222e"),
    TaskStatus.cancelled: ("#eaeef2", "#8c959f"),
}


def marker(kind: str, project_id: UUID, occurrence: str = "") -> str:
    """Return the hidden line by which a comment of this app is found again."""
    return f"<!-- aurora:{kind} {project_id}{f' {occurrence}' if occurrence else ''} -->"


def marked(text: str, kind: str, project_id: UUID, occurrence: str = "") -> str:
    """Return `text` under its hidden marker, within a comment's limit."""
    return fit(f"{marker(kind, project_id, occurrence)}\n{text}", COMMENT_LIMIT)


def progress(project: Project, tasks: Sequence[Task], now: datetime, *, repository_url: str) -> str:
    """Return the comment that is updated in place; its marker is `marker("progress", project.id)`."""
    parts = [f"### {headline(project, tasks)}"]
    if project.reason and project.status in REASONED:
        parts.append(quote(project.reason, 1000))
    if project.ways.mistakes:
        parts.append(quote(project.ways.mistakes, 1000))
    if tasks:
        parts += [graph(tasks), task_table(tasks, repository_url)]
    if project.requirements:
        parts.append(fold(f"Requirements ({len(project.requirements)})", requirements(project.requirements)))
    paused = project.status is ProjectStatus.paused
    if nearly_spent(project.spent_usd, project.budget_usd) and not project.status.ended and not paused:
        parts.append(_nearly(project))
    parts.append(_wakes(project.pause) if paused else NEXT[project.status])
    parts.append(f"<sub>{account(project, now)}</sub>")
    return marked("\n\n".join(parts), "progress", project.id)


def plan(project: Project, tasks: Sequence[Task], usual: Usual) -> str:
    """Return the plan as a comment that asks for approval; `usual` is what earlier tasks of the repository cost."""
    rows = [
        f"| {task.key} | {inline(task.title, 120)} | {_role(task)} | {', '.join(task.requirements) or '-'} "
        f"| {', '.join(code(path, 60) for path in task.footprint[:5]) or 'anywhere'} |"
        for task in tasks
    ]
    table = "\n".join(["| | Task | Agent | For | Expects to touch |", "|---|---|---|---|---|", *rows])
    return "\n\n".join(
        [
            "### The plan" if project.plans <= 1 else "### The plan, made anew",
            f"{mention(project.requested_by)}, this is how the issue would be worked on."
            + (" It takes the place of the plan before it, whose box does nothing any more." * (project.plans > 1)),
            requirements(project.requirements),
            graph(tasks),
            table,
            _expected(project, tasks, usual),
            f"Nothing starts before somebody with write permission approves. Tick the box, or write a command:\n\n"
            f"- [ ] {BOX}\n\n{offered([COMMANDS[Name.approve], COMMANDS[Name.revise], COMMANDS[Name.cancel]])}",
        ]
    )


def _expected(project: Project, tasks: Sequence[Task], usual: Usual) -> str:
    """Say what carrying out the plan is going to cost."""
    cap = f"It never costs more than {usd(project.budget_usd)}, of which {usd(project.spent_usd)} is spent."
    if not usual.tasks:
        return f"**Expected cost:** unknown, since no task of this repository has been completed yet. {cap}"
    expected = usd(usual.usd * len(tasks))
    each = f"{count(usual.tasks, 'task')} of this repository cost {usd(usual.usd)} each"
    return f"**Expected cost:** about {expected}, as the last {each}. {cap}"


def questions(project: Project, asked: Sequence[str]) -> str:
    """Return the comment that asks what the issue leaves open."""
    listed = "\n".join(f"{number}. {inline(one)}" for number, one in enumerate(asked, 1))
    return (
        f"### {'A question' if len(asked) == 1 else 'Questions'} before work starts\n\n"
        f"{mention(project.requested_by)}, the issue leaves this open:\n\n{listed}\n\n"
        "Answer in a comment, in your own words. Work goes on from there; nothing was changed so far."
    )


def _wakes(pause: Pause | None) -> str:
    """Say in a sentence what ends a pause."""
    refusal, resume = pause.refusal if pause else None, code(COMMANDS[Name.resume].usage)
    if refusal is None:
        return f"It goes on with {resume}."
    if refusal.ends_with_the_day:
        return TOMORROW
    if refusal.cap is Cap.project:
        return f"It goes on with {code(COMMANDS[Name.budget].usage)}; the comment below says how much it takes."
    return f"It goes on with {resume} once the operator has raised {code(SETTING[refusal.cap])}."


def offered(commands: Sequence[Command]) -> str:
    """Return commands as a list, each with what it does."""
    return "\n".join(f"- {code(one.usage)}: {one.help}" for one in commands)


def person(login: str | None) -> str:
    """Name somebody without calling them."""
    return code(login, 60) if login else "Somebody"


def escalation(
    project: Project,
    tasks: Sequence[Task],
    *,
    repository_url: str,
    logs: str | None = None,
) -> str:
    """Return the comment that asks a person to take over: what was tried, learned, and what goes on from here.

    `logs` is the address or path where the logs are.
    """
    parts = [
        "### This needs a person",
        f"{mention(project.requested_by)}, I could not finish this issue.",
        quote(project.reason, 3000) if project.reason else "",
        *(
            _tried(task, repository_url, project.reason or "")
            for task in tasks
            if task.attempts and not _succeeded(task)
        ),
        _done(tasks),
        f"What is recorded of this run: {logs} (with the operator's token)." if logs else "",
        _again(project),
        f"<sub>{_money(project)}</sub>",
    ]
    return "\n\n".join(part for part in parts if part)


def _again(project: Project) -> str:
    """Say what a person can do now."""
    return (
        "To go on from here, somebody with write permission writes one of these, or finishes the work by hand:\n\n"
        f"{offered([COMMANDS[Name.retry]])}\n"
        f"- {code(COMMANDS[Name.fix].usage)}: try again with your hint\n"
        f"{offered([COMMANDS[Name.revise], COMMANDS[Name.cancel]])}\n\n"
        f"For a new run, take the label off issue #{project.issue_number} and put it on again."
    )


def graph(tasks: Sequence[Task]) -> str:
    """Return the tasks and their dependencies as a Mermaid graph, coloured by status."""
    names = {task.id: f"n{number}" for number, task in enumerate(tasks[:MOST_NODES])}
    lines = ["```mermaid", "graph LR"]
    for task in tasks[:MOST_NODES]:
        text = f"{label(task.key, 12)}: {label(task.title, 48)}"
        lines.append(f'  {names[task.id]}["{text}"]:::{task.status.value}')
    before = _before(tasks[:MOST_NODES])
    for task in tasks[:MOST_NODES]:
        implied = frozenset().union(*(before[need] for need in task.dependencies if need in names))
        shown = [need for need in task.dependencies if need in names and need not in implied]
        lines += [f"  {names[need]} --> {names[task.id]}" for need in shown]
    for status in TaskStatus:
        if any(task.status is status for task in tasks[:MOST_NODES]):
            fill, stroke = COLOURS[status]
            lines.append(f"  classDef {status.value} fill:{fill},stroke:{stroke},color:#1f2328")
    lines.append("```")
    left_out = len(tasks) - MOST_NODES
    return "\n".join(lines) + (f"\n\n*and {left_out} more tasks*" if left_out > 0 else "")


def _before(tasks: Sequence[Task]) -> dict[UUID, frozenset[UUID]]:
    """Return for each task all that has to be done before it, directly or not."""
    found: dict[UUID, frozenset[UUID]] = {task.id: frozenset(task.dependencies) for task in tasks}
    for _ in tasks:
        found = {one: needs.union(*(found.get(need, ()) for need in needs)) for one, needs in found.items()}
    return found


def requirements(found: Sequence[Requirement]) -> str:
    """Return requirements with their criteria as a list."""
    lines = []
    for one in found:
        lines.append(f"- **{one.id}** {inline(one.title, 300)}")
        lines += [f"  - {inline(criterion, 300)}" for criterion in one.criteria]
    return "\n".join(lines)


def fold(title: str, text: str) -> str:
    """Return `text` behind a title that opens it."""
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 0.4 s, 42 s, 3 min 5 s, 2 h 10 min."""
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def usd(amount: float) -> str:
    """Return an amount of US dollars, with more digits where two would show nothing."""
    if 0 < amount < 0.00005:
        return "less than $0.0001"
    return f"${amount:.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.4f}"


def count(number: int, what: str) -> str:
    """Return a number of things: 1 attempt, 2 attempts."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def headline(project: Project, tasks: Sequence[Task]) -> str:
    """Return in a line how far a project is."""
    number = f"#{project.pull_request.number}" if project.pull_request else "the pull request"
    done = sum(task.status is TaskStatus.completed for task in tasks)
    return {
        ProjectStatus.parsing: "Reading the issue",
        ProjectStatus.waiting: "Waiting for a person",
        ProjectStatus.planning: "Planning",
        ProjectStatus.building: f"Building: {done} of {count(len(tasks), 'task')} done",
        ProjectStatus.verifying: "Checking everything together",
        ProjectStatus.open: f"Ready for review in {number}",
        ProjectStatus.merged: f"Merged in {number}",
        ProjectStatus.escalated: "This needs a person",
        ProjectStatus.paused: "Paused",
        ProjectStatus.cancelled: "Cancelled",
    }[project.status]


def task_table(tasks: Sequence[Task], repository_url: str) -> str:
    """Return the tasks with their state, agent, attempts and branch."""
    rows = [
        f"| {GLYPHS[task.status]} {task.status.value} | {inline(task.key, 12)} {inline(task.title, 120)} "
        f"| {_role(task)} | {task.attempts or '-'} | {_branch(task, repository_url)} |"
        for task in tasks
    ]
    return "\n".join(["| | Task | Agent | Attempts | Branch |", "|---|---|---|---:|---|", *rows])


def _branch(task: Task, repository_url: str) -> str:
    commit = task.result.commit if task.result else None
    shown = code(task.branch, 80)
    return f"[{shown}]({repository_url}/commit/{commit})" if commit and commit.isalnum() else shown


def _tried(task: Task, repository_url: str, said: str) -> str:
    """Return what became of a task, without what was `said` above."""
    result = task.result
    lines = [
        f"#### {inline(task.key, 12)}: {inline(task.title, 120)}",
        f"{count(task.attempts, 'attempt')} by the {_role(task)} agent; the last one is on "
        f"{_branch(task, repository_url)}.",
    ]
    if result and result.failure and result.failure not in said:
        lines.append(f"What stood in the way at the end:\n\n{quote(result.failure, 2000)}")
    if result and result.lessons:
        start = max(0, len(result.lessons) - MOST_LESSONS)
        learned = [
            f"After attempt {number}:\n\n{quote(lesson, 1200)}"
            for number, lesson in enumerate(result.lessons[start:], start + 1)
        ]
        lines.append(fold("What was learned", "\n\n".join(learned)))
    return "\n\n".join(lines)


def _done(tasks: Sequence[Task]) -> str:
    done = [task for task in tasks if _succeeded(task)]
    listed = "\n".join(f"- {inline(task.title, 120)}: {code(task.branch, 80)}" for task in done)
    return f"Done, and kept on their branches:\n\n{listed}" if done else ""


def _succeeded(task: Task) -> bool:
    return task.status is TaskStatus.completed


def account(project: Project, now: datetime) -> str:
    """Return what a project has cost, and how long it has taken."""
    elapsed = ((project.finished_at or now) - project.created_at).total_seconds()
    return f"{_money(project)} · {duration(elapsed)} · run {project.run}"


def _nearly(project: Project) -> str:
    share = min(100, math.floor(100 * project.spent_usd / project.budget_usd))
    return f"**{share} % of this run's cap is spent** ({_money(project)}). At the cap it pauses and asks."


def _money(project: Project) -> str:
    return f"{usd(project.spent_usd)} of {usd(project.budget_usd)}"


def _role(task: Task) -> str:
    return task.assigned_agent.value.replace("_", " ")
