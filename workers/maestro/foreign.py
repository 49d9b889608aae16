"""What other apps, GitHub Actions among them, say of the pull request's head: awaited, read, and fixed in bounds."""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid5

from app.domain.concerns import Concern, ConcernKind
from app.domain.conversation import Happening
from app.domain.messages import notice
from app.domain.ports import Clone, Fact, ForeignCheck, Postponed
from app.domain.project import Project
from app.github.markdown import code
from app.logs import redact
from workers.maestro.context import Context
from workers.maestro.pull_request import retell

MOST_FIXES = 2  # how often a project works on other apps' failing checks before a person has to
FIXABLE = frozenset({"failure", "timed_out"})  # what else is wrong is for a person
UNPROVEN = frozenset({"failure", "timed_out", "action_required", "startup_failure", "cancelled", "stale"})

APPEARING = timedelta(minutes=2)  # after a push: until then an app's checks may be about to appear
BEGINNING = timedelta(minutes=30)  # after a push: until then an app with a suite may be about to begin
ACTIONS = "github-actions"  # whose suites appear some seconds after a push, with their first runs
WORKFLOWS = ".github/workflows/"
ABOUT_CHECKS = re.compile(r"\bchecks?\b|\bstatus(es)?\b|\bworkflow", re.IGNORECASE)  # in GitHub's words

FIRST_LOOK = 60.0  # seconds after the push; then after twice as long each time, up to an hour
LONGEST = 3600.0  # seconds between looks
MARGIN = 5.0  # seconds by which clocks may differ
GIVEN_UP = timedelta(days=14)  # GitHub itself calls a check stale then

MOST_CHECKS = 20  # of one follow-up
MOST_NOTES = 30  # annotations of one check
MOST_SUMMARY = 3000  # characters
MOST_NOTE = 500
MOST_NAME = 100


@dataclass(frozen=True)
class Foreign:
    """How other apps' checks of a commit stand."""

    pending: Sequence[str] = ()  # names of those that haven't ended
    failed: Sequence[str] = ()  # and of those that failed or were cancelled, and didn't fail before the change
    concerns: Sequence[Concern] = ()  # what is to be fixed, where it may still be tried
    apps: Collection[str] = ()  # that have said something of it


@dataclass(frozen=True)
class Awaited:
    """What other apps are still to say of a commit."""

    names: Sequence[str]  # of checks, and of apps that have not begun
    since: datetime  # when the commit was pushed, as GitHub tells


async def look(ctx: Context, project: Project) -> tuple[Project, Foreign]:
    """Return how other apps' checks of the head stand, and the project, which notes what failed before the change."""
    checks = await ctx.forge.foreign_checks(project.head_sha or "")
    unproven = [check for check in checks if check.conclusion in UNPROVEN]
    if unproven:
        project, unproven = await _of_this_change(ctx, project, unproven)
    pending = [check.name for check in checks if check.running]
    busy = {check.app for check in checks if check.running}  # what it says is read when it has said all
    wrong = [check for check in unproven if check.conclusion in FIXABLE and check.app not in busy]
    concerns = await _concerns(ctx, project, wrong)
    return project, Foreign(pending, [one.name for one in unproven], concerns, {check.app for check in checks})


async def _of_this_change(
    ctx: Context, project: Project, unproven: Sequence[ForeignCheck]
) -> tuple[Project, list[ForeignCheck]]:
    """Leave out the checks that fail on the base too, and say so in the pull request."""
    before = await ctx.forge.foreign_checks(project.base_sha or "", annotated=False)
    red = {(check.app, check.name) for check in before if check.failed}
    notes = [
        f"The check {code(check.name, MOST_NAME)} failed before this change too, so it wasn't worked on here."
        for check in unproven
        if (check.app, check.name) in red
    ]
    if new := [note for note in notes if note not in project.notes]:
        project = await ctx.move(project, project.phase, notes=(*project.notes, *new))
        await retell(ctx, project)
    return project, [check for check in unproven if (check.app, check.name) not in red]


async def _concerns(ctx: Context, project: Project, wrong: Sequence[ForeignCheck]) -> list[Concern]:
    """Return what is to be fixed and no task has taken up, while it may be tried."""
    if not wrong or project.check_fixes >= MOST_FIXES:
        return []
    known = {concern.key for task in await ctx.records.tasks() for concern in task.concerns}
    return [one for one in map(_concern, wrong[:MOST_CHECKS]) if one.key not in known]


def _concern(check: ForeignCheck) -> Concern:
    first = next((note for note in check.annotations if note.path), None)
    return Concern(
        kind=ConcernKind.check,
        id=check.id,
        author=check.app,
        text=_text(check),
        path=_clean(first.path, MOST_NOTE) if first else "",
        line=first.line if first else None,
    )


def _text(check: ForeignCheck) -> str:
    """Return what a failing check says, for an agent."""
    title = f": {_clean(check.title, MOST_NOTE)}" if check.title.strip() else ""
    by = f" ({_clean(check.app, MOST_NAME)})" if check.app != check.name else ""
    lines = [f"The check {_clean(check.name, MOST_NAME)}{by} failed{title}"]
    if check.summary.strip():
        lines.append(_clean(check.summary, MOST_SUMMARY))
    for note in check.annotations[:MOST_NOTES]:
        lines.append(f"- {_clean(note.path, MOST_NOTE)}:{note.line}: {_clean(note.message, MOST_NOTE)}")
    if len(check.annotations) > MOST_NOTES:
        lines.append(f"- and {len(check.annotations) - MOST_NOTES} more")
    return "\n".join(lines)


def _clean(text: str, limit: int) -> str:
    """Return text without what can't be seen and without credentials, in bounds."""
    seen = "".join(one if one.isprintable() or one in "\n\t" else " " if one.isspace() else "" for one in text)
    whole = redact(seen).strip()
    return whole if len(whole) <= limit else f"{whole[: limit - 2].rstrip()} …"


# --- before a merge


async def awaited(ctx: Context, project: Project, clone: Clone, others: Foreign) -> Awaited:
    """Return what has to be awaited before the head is merged: checks that run, and those that are about to.

    Just after a push nothing may be there yet, which isn't green: apps that checked the base are expected to check
    the head, and where there are workflows, GitHub Actions is.
    """
    now, suites = ctx.clock(), await ctx.forge.check_suites(project.head_sha or "")
    since = min((suite.created_at for suite in suites), default=now)
    theirs = [suite for suite in suites if not suite.own]
    begun = {suite.app for suite in theirs if suite.runs}.union(others.apps)
    about = {suite.app for suite in theirs if not suite.runs and suite.running}
    running = {suite.app for suite in theirs if suite.runs and suite.running}  # a job may wait for another, unseen
    missing = await _expected(ctx, project, clone) - begun if now - since < BEGINNING else set()
    late = {app for app in missing if now - since < (BEGINNING if app in about else APPEARING)}
    return Awaited((*others.pending, *sorted(late | (set() if others.pending else running))), since)


async def _expected(ctx: Context, project: Project, clone: Clone) -> set[str]:
    found = {check.app for check in await ctx.forge.foreign_checks(project.base_sha or "", annotated=False)}
    files = await clone.files(project.head_sha or "")
    return found | ({ACTIONS} if any(path.startswith(WORKFLOWS) for path in files) else set())


def look_again(ctx: Context, project: Project, since: datetime) -> tuple[Fact, ...]:
    """Have Maestro look again after a while, should nothing wake it: not everything that is awaited is announced.

    That an app has nothing to say isn't, for one. One message for each look, however often it is
    woken meanwhile.
    """
    age = max((ctx.clock() - since).total_seconds(), 0.0)
    if age > GIVEN_UP.total_seconds():
        return ()
    number, due = _next_look(age)
    identity = uuid5(project.id, f"look:{project.head_sha}:{number}")
    message = notice(identity, project.id, ctx.clock(), Happening.checks_completed, head=project.head_sha)
    return message, Postponed((message.id,), due - age + MARGIN, counted=False)


def _next_look(age: float) -> tuple[int, float]:
    """Return number and age, in seconds, of the next look at a commit that was pushed `age` seconds ago."""
    doublings = int(math.log2(LONGEST / FIRST_LOOK)) + 1
    last = FIRST_LOOK * 2**doublings  # after this they are equally far apart
    if age < last:
        number = max(0, math.floor(math.log2(max(age, 1.0) / FIRST_LOOK)) + 1)
        return number, FIRST_LOOK * 2**number
    number = int((age - last) // LONGEST) + 1
    return doublings + number, last + LONGEST * number
