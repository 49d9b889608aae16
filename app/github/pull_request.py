"""What the app says in a pull request: its title, and everything that a reviewer wants to know."""

from collections.abc import Mapping, Sequence

from app.domain.checks import CheckResult, Conclusion
from app.domain.concerns import narrative
from app.domain.outputs import apart
from app.domain.project import Project
from app.domain.requirements import Requirement
from app.domain.task import Task
from app.domain.ways import subject
from app.github.markdown import COMMENT_LIMIT, code, fit, inline, plain, quote
from app.github.render import count, duration, fold, graph, marker, usd
from app.github.template import Part, Topic, fill

CONVENTIONAL_TITLE = 92  # characters; tools that check such titles take 100, and GitHub adds the number
MOST_KNOWN = 50  # findings that were there before
MOST_NOTES = 20
MOST_PATHS = 20  # of each output

VERDICTS = {
    Conclusion.passed: "passed",
    Conclusion.failed: "**failed**",
    Conclusion.not_run: "**not run**",
    Conclusion.skipped: "nothing to check",
}


def title(project: Project, changed: Sequence[str] = ()) -> str:
    """Return the title, which becomes a commit's subject too."""
    limit = CONVENTIONAL_TITLE if project.ways.conventional else 120
    return plain(subject(project.title, project.ways, changed), limit) or f"Issue {project.issue_number}"


def body(
    project: Project,
    tasks: Sequence[Task],
    results: Sequence[CheckResult],
    *,
    evidence: Mapping[str, Sequence[str]],
    changed: Sequence[str] = (),
) -> str:
    """Return the text of the pull request.

    `results` are of its head; `evidence` gives, by requirement id, what shows that it is met (tests, files);
    `changed` are the paths of the whole change. A template of the repository's own keeps its headings.
    """
    purpose = _purpose(project)
    asked = "" if project.reverts else _requirements(project.requirements, tasks, evidence)
    found = [
        Part(Topic.issue, "", purpose),
        Part(Topic.description, "Requirements", asked),
        Part(Topic.changes, "What was made", _outputs(changed)),
        Part(Topic.tests, "Checkpoints", _checkpoints(results) if results else ""),
        Part(Topic.tests, "", _known(results)),
        Part(Topic.notes, "What a reviewer should know", _notes(project.notes)),
        Part(None, "Tasks", _tasks(tasks) if tasks else ""),
        Part(None, "", f"<sub>{_account(project, tasks)}</sub>"),
    ]
    head = marker("pull-request", project.id)
    text = fit(f"{head}\n\n{fill(project.ways.template, [part for part in found if part.text])}", COMMENT_LIMIT)
    # A long text may have been cut before the place that the template has for this.
    return text if purpose in text else fit(text.replace(head, f"{head}\n\n{purpose}", 1), COMMENT_LIMIT)


def _purpose(project: Project) -> str:
    """Say what the pull request is for."""
    if project.reverts:
        return (
            f"Takes back what was merged for #{project.issue_number}, as asked for by {code(project.requested_by)}. "
            "What was changed since stays as it is."
        )
    return f"Closes #{project.issue_number}, as asked for by {code(project.requested_by)}."


def _requirements(found: Sequence[Requirement], tasks: Sequence[Task], evidence: Mapping[str, Sequence[str]]) -> str:
    lines = []
    for one in found:
        lines.append(f"- **{one.id}** {inline(one.title, 300)}")
        lines += [f"  - {inline(criterion, 300)}" for criterion in one.criteria]
        shown = [inline(what, 300) for what in evidence.get(one.id, ())]
        shown = shown or [f"task {inline(task.key, 12)}" for task in tasks if one.id in task.requirements]
        if shown:
            lines.append(f"  - *Shown by:* {'; '.join(shown[:8])}")
    return "\n".join(lines) or "None were written down."


def _outputs(changed: Sequence[str]) -> str:
    """Return the outputs apart: who reviews code, documentation and deployment may be three people."""
    lines = []
    for output, paths in apart(changed).items():
        more = [f"and {len(paths) - MOST_PATHS} more"] if len(paths) > MOST_PATHS else []
        listed = ", ".join([*(code(path, 160) for path in paths[:MOST_PATHS]), *more])
        lines.append(f"- **{output.value}** ({count(len(paths), 'file')}): {listed}")
    return "\n".join(lines)


def _checkpoints(results: Sequence[CheckResult]) -> str:
    rows = [
        f"| {code(result.checkpoint.check_name)} | {VERDICTS[result.conclusion]} | {inline(result.title, 200)} "
        f"| {duration((result.completed_at - result.started_at).total_seconds())} |"
        for result in results
    ]
    return "\n".join(["| Checkpoint | | Result | Time |", "|---|---|---|---:|", *rows])


def _known(results: Sequence[CheckResult]) -> str:
    """Return what was red before, so that nobody takes it for this change's doing."""
    known = [
        f"- {code(result.checkpoint.value)} {code(f'{one.path}:{one.line}', 160) if one.path else ''} "
        f"{inline(one.message, 200)}"
        for result in results
        for one in result.findings
        if not one.is_new
    ]
    if not known:
        return ""
    more = [f"- and {len(known) - MOST_KNOWN} more"] if len(known) > MOST_KNOWN else []
    return fold(f"What was red before this change ({len(known)})", "\n".join(known[:MOST_KNOWN] + more))


def _notes(notes: Sequence[str]) -> str:
    return "\n\n".join(quote(note, 2000) for note in notes[:MOST_NOTES])


def _tasks(tasks: Sequence[Task]) -> str:
    rows = [
        f"| {inline(task.key, 12)} | {inline(task.title, 120)} | {task.assigned_agent.value.replace('_', ' ')} "
        f"| {task.attempts or '-'} | {inline(narrative(task.result.summary), 200) if task.result else ''} |"
        for task in tasks
    ]
    table = "\n".join(["| | Task | Agent | Attempts | Summary |", "|---|---|---|---:|---|", *rows])
    return f"{graph(tasks)}\n\n{table}" if len(tasks) > 1 else table


def _account(project: Project, tasks: Sequence[Task]) -> str:
    attempts = count(sum(task.attempts for task in tasks), "attempt")
    sent_back = f" · sent back {count(project.rounds, 'time')}" if project.rounds else ""
    return f"{usd(project.spent_usd)} · {attempts}{sent_back} · run {project.run}"
