"""What an event does to a project, for each event and each stage: next phase, effects and wording, as one table. Pure.

Events are commands of people, what else happens on GitHub, and what the work itself reports. The table is read with
`cell`; `workers.maestro.steer` carries out what it says, and `workers.intake.replies` answers what only asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.commands import Name
from app.domain.project import Phase, Project, ProjectStatus


class Stage(StrEnum):
    """How far a project is, as people see it: the columns of the table."""

    reading = "reading"  # the issue becomes requirements
    asking = "asking"  # questions wait for an answer
    planning = "planning"
    approving = "approving"  # the plan waits for approval
    building = "building"
    verifying = "verifying"
    changing = "changing"  # building or verifying once more, with the pull request open
    open = "open"  # the pull request awaits people or checks
    paused = "paused"
    merged = "merged"
    escalated = "escalated"
    cancelled = "cancelled"


def stage(project: Project) -> Stage:
    """Return the stage of a project."""
    if project.status is ProjectStatus.waiting:
        return Stage.approving if project.phase is Phase.approve else Stage.asking
    if project.pull_request and project.status in {ProjectStatus.building, ProjectStatus.verifying}:
        return Stage.changing
    return Stage.reading if project.status is ProjectStatus.parsing else Stage(project.status.value)


class Happening(StrEnum):
    """What happens besides commands (the values stand in messages)."""

    labelled = "labelled"  # the run begins
    said = "said"  # a plain comment on the issue by somebody with write permission
    issue_edited = "issue_edited"  # title or text, by somebody with write permission
    stopped = "cancelled"  # the issue was closed, deleted or transferred, or lost its label
    uninstalled = "uninstalled"  # the app may no longer see the repository
    suspended = "suspended"
    restored = "restored"  # it may see it again
    ticked = "ticked"  # the box in the plan, by somebody with write permission
    looked_at = "looked_at"  # the pull request was reviewed or commented on in its threads
    pull_pushed = "pull_pushed"  # by somebody else
    pull_closed = "pull_closed"  # merged, or not, by somebody else
    pull_reopened = "pull_reopened"
    checks_completed = "checks_completed"  # another app's, on the head of the pull request
    rerun = "rerun"  # of one check run or the suite, asked for on GitHub's page
    action_format = "action_format"  # the button "Fix formatting" of a check run
    action_retry = "action_retry"  # the button "Try again"
    turn = "turn"  # the project may merge now
    show = "show"  # the progress comment is due
    nearly_spent = "nearly_spent"  # four fifths of the cap are gone
    blocked = "blocked"  # a task was refused a model call
    day_over = "day_over"  # a day's cap begins anew
    reported = "reported"  # a task has ended


Event = Name | Happening


class Effect(StrEnum):
    """What Maestro does at once, before its graph goes on from the next phase; `workers.maestro.steer` has the code."""

    answer = "answer"  # reads the tables and says what they hold; done by intake, at once
    approve = "approve"  # notes that the present plan is approved
    replan = "replan"  # notes the words, takes the tasks from their agents, and lets go of the plan
    reread = "reread"  # lets go of the plan unless work on it has begun
    mute = "mute"  # says nothing more on GitHub
    unmute = "unmute"
    pause = "pause"
    pause_at_cap = "pause_at_cap"  # unless it was known
    resume = "resume"
    resume_at_midnight = "resume_at_midnight"  # where the cap was a day's
    set_budget = "set_budget"
    retry = "retry"  # readies the tasks that failed or were stopped; without any, reads the issue anew
    follow_up = "follow_up"  # adds a task for what is wanted
    follow_check = "follow_check"  # adds a task for what the check found
    ask_merge = "ask_merge"  # notes that this very head is to be merged
    update = "update"  # merges the base into the head
    reformat = "reformat"  # commits what the repository's formatter makes of the head
    recheck = "recheck"  # runs checkpoints on the head once more
    revert = "revert"  # begins a run that takes the merged work back
    settle_if_merged = "settle_if_merged"  # where somebody merged the pull request after all
    reopen = "reopen"  # takes up the run that ended when its pull request was closed
    ask = "ask"  # asks in a comment, once for each text of the issue


@dataclass(frozen=True)
class Cell:
    """What an event does in a stage."""

    effects: tuple[Effect, ...] = ()
    next: Phase | None = None  # where the graph is entered after the effects; None: the effects decide, or it stays
    words: str = ""  # the answer; `#{pull}` and `{label}` in it stand for the pull request and the label


STAY = Cell()


@dataclass(frozen=True)
class Row:
    """An event's cells: one for each stage that is named, `other` for the rest."""

    cells: Mapping[Stage, Cell]
    other: Cell = STAY


def _say(words: str) -> Cell:
    return Cell(words=words)


def _row(other: Cell | str = STAY, **cells: Cell | str) -> Row:
    """Make a row; keyword `a_b=` names the stages a and b, and words alone are a cell that only says them."""
    found: dict[Stage, Cell] = {}
    for names, cell in cells.items():
        for name in names.split("_"):
            found[Stage(name)] = _say(cell) if isinstance(cell, str) else cell
    return Row(found, _say(other) if isinstance(other, str) else other)


def _do(*effects: Effect, to: Phase | None = None, words: str = "") -> Cell:
    return Cell(effects, to, words)


ANSWER = _row(_do(Effect.answer))
RESUME_FIRST = "This run is paused: write `/aurora resume` first, or `/aurora cancel`."
MERGED = (
    "This run is over: its work was merged with #{pull}. For more, open another issue; `/aurora revert` takes it back."
)
CANCELLED = "This run was cancelled. Take the label `{label}` off the issue and put it on again to start a new one."
ESCALATED = (
    "This run has stopped and needs a person: `/aurora retry` tries again, `/aurora fix <text>` does so with a hint."
)
NO_PULL_YET = "There is no pull request yet. It comes when the work has passed its checks."
CHANGING = "Work on #{pull} goes on. When it is checked, approve #{pull}, or write `/aurora merge`."
HAS_PULL = "There is a pull request already. Write `/aurora fix <text>` to have it changed, or review #{pull}."
NO_PLAN = "This run takes back what was merged: there is no plan to revise."
NO_MATTER = "If the edit makes no difference to the work, you don't have to do anything."
EDITED_LATE = (
    "The issue was edited after its work was done. To have #{pull} changed, write `/aurora fix` and what is missing. "
    + NO_MATTER
)
EDITED = (
    "The issue was edited after work on it had begun, and the work goes on with the old text. To start over with the "
    "new one, write `/aurora revise` and what has changed; to add to the work, `/aurora fix` and what is missing. "
    + NO_MATTER
)

TABLE: Mapping[Event, Row] = {
    # --- what people write
    Name.help: ANSWER,
    Name.status: ANSWER,
    Name.plan: ANSWER,
    Name.explain: ANSWER,
    Name.approve: _row(
        approving=_do(Effect.approve, to=Phase.approve),
        reading_asking_planning="There is no plan yet. It will be shown in a comment, and can be approved then.",
        building_verifying="The plan is being carried out already.",
        changing=CHANGING,
        open="The plan has been carried out. To accept the work, approve #{pull}, or write `/aurora merge`.",
        paused=RESUME_FIRST,
        merged=MERGED,
        escalated=ESCALATED,
        cancelled=CANCELLED,
    ),
    Name.revise: _row(
        reading_asking_planning_approving_building_verifying=_do(Effect.replan, to=Phase.parse),
        changing_open=HAS_PULL,
        paused=RESUME_FIRST,
        merged=MERGED,
        escalated=_do(Effect.replan, to=Phase.parse),
        cancelled=CANCELLED,
    ),
    Name.retry: _row(
        reading_planning="Nothing has failed: the work is being planned.",
        asking="Nothing has failed: I am waiting for an answer to my questions.",
        approving="Nothing has failed: the plan waits for `/aurora approve`.",
        building_changing=_do(Effect.retry),
        verifying="Nothing has failed: everything together is being checked.",
        open=_do(Effect.recheck, to=Phase.deliver),
        paused=RESUME_FIRST,
        merged=MERGED,
        escalated=_do(Effect.retry),
        cancelled=CANCELLED,
    ),
    Name.cancel: _row(
        _do(to=Phase.cancel),
        merged="There is nothing to cancel: this was merged with #{pull}. `/aurora revert` takes it back.",
        cancelled="This run is cancelled already.",
    ),
    Name.pause: _row(
        _do(Effect.pause),
        merged="Nothing is running: this was merged with #{pull}.",
        escalated="Nothing is running: this run has stopped and needs a person.",
        cancelled="Nothing is running: this run was cancelled.",
    ),
    Name.resume: _row(
        "This run isn't paused.",
        paused=_do(Effect.resume),
        merged=MERGED,
        escalated=ESCALATED,
        cancelled=CANCELLED,
    ),
    Name.budget: _row(_do(Effect.set_budget), merged=MERGED, cancelled=CANCELLED),
    Name.merge: _row(
        NO_PULL_YET,
        verifying="The work is being checked. When the pull request is ready, approve it or write this again.",
        changing=CHANGING,
        open=_do(Effect.ask_merge, to=Phase.deliver),
        paused=RESUME_FIRST,
        merged="This was merged already, with #{pull}.",
        escalated=ESCALATED,
        cancelled=CANCELLED,
    ),
    Name.rebase: _row(
        "There is no pull request to rebase yet. Before it is merged, the work is checked on the newest base anyway.",
        changing="Work on #{pull} goes on, and what comes of it is checked on the newest base anyway.",
        open=_do(Effect.update),
        paused=RESUME_FIRST,
        merged=MERGED,
        escalated=ESCALATED,
        cancelled=CANCELLED,
    ),
    Name.fix: _row(
        reading_asking_planning_approving=_do(Effect.replan, to=Phase.parse),
        building_verifying_changing_open=_do(Effect.follow_up, to=Phase.dispatch),
        paused=RESUME_FIRST,
        merged=MERGED,
        escalated=_do(Effect.retry),
        cancelled=CANCELLED,
    ),
    Name.revert: _row("Nothing of this run was merged, so there is nothing to take back.", merged=_do(Effect.revert)),
    # --- what else happens on GitHub
    Happening.labelled: _row(),
    Happening.said: _row(reading_asking=_do(to=Phase.parse)),
    Happening.issue_edited: _row(
        _do(Effect.reread),
        building_verifying=_do(Effect.ask, words=EDITED),
        changing_open=_do(Effect.ask, words=EDITED_LATE),
        merged_escalated_cancelled=STAY,
    ),
    Happening.stopped: _row(_do(to=Phase.cancel), merged=STAY, escalated=STAY, cancelled=STAY),
    Happening.uninstalled: _row(
        _do(Effect.mute, to=Phase.cancel), merged=STAY, escalated=_do(Effect.mute), cancelled=STAY
    ),
    Happening.suspended: _row(_do(Effect.mute, Effect.pause), merged=STAY, escalated=_do(Effect.mute), cancelled=STAY),
    Happening.restored: _row(_do(Effect.unmute)),
    Happening.ticked: _row(approving=_do(Effect.approve, to=Phase.approve)),
    Happening.looked_at: _row(open=_do(to=Phase.deliver)),
    Happening.pull_pushed: _row(open=_do(to=Phase.deliver)),
    Happening.pull_closed: _row(
        building_verifying_changing_open_paused=_do(to=Phase.cancel), escalated_cancelled=_do(Effect.settle_if_merged)
    ),
    Happening.pull_reopened: _row(cancelled=_do(Effect.reopen)),
    Happening.checks_completed: _row(open=_do(to=Phase.deliver)),
    Happening.rerun: _row(
        open=_do(Effect.recheck, to=Phase.deliver),
        building_verifying_changing_merged_escalated_cancelled=_do(Effect.recheck),
    ),
    Happening.action_format: _row(open=_do(Effect.reformat), escalated=_do(Effect.retry)),
    Happening.action_retry: _row(open=_do(Effect.follow_check), escalated=_do(Effect.retry)),
    # --- what the work itself reports
    Happening.turn: _row(open=_do(to=Phase.deliver)),
    Happening.show: _row(),
    Happening.nearly_spent: _row(),
    Happening.blocked: _row(_do(Effect.pause_at_cap), merged=STAY, escalated=STAY, cancelled=STAY),
    Happening.day_over: _row(paused=_do(Effect.resume_at_midnight)),
    Happening.reported: _row(),
}


def cell(event: Event, at: Stage) -> Cell:
    """Return what an event does in a stage."""
    row = TABLE[event]
    return row.cells.get(at, row.other)


def questions() -> frozenset[Name]:
    """Return the commands that only read: whoever hears them answers at once."""
    return frozenset(event for event, row in TABLE.items() if isinstance(event, Name) and row == ANSWER)
