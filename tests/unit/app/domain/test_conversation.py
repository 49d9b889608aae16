"""The table of events and stages: it is whole, and its words can be read."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.commands import COMMANDS, Asked, Name, read
from app.domain.conversation import TABLE, Effect, Event, Happening, Stage, cell, questions, stage
from app.domain.project import Phase, Project, ProjectStatus, Repository

EVERY = [*Name, *Happening]
PROJECT = Project(
    id=UUID(int=1), repository=Repository(full_name="o/r", installation_id=5), issue_number=3, run=1, title="T",
    requested_by="ann", status=ProjectStatus.parsing, phase=Phase.parse, budget_usd=1.0,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def test_every_event_has_a_row_and_no_row_is_left_over():
    assert set(TABLE) == set(EVERY)


@pytest.mark.parametrize("event", EVERY)
def test_a_command_is_obeyed_or_answered_in_every_stage(event: Event):
    """Silence is no answer to a person; what merely happens may change nothing."""
    for at in Stage:
        found = cell(event, at)
        assert not isinstance(event, Name) or found.effects or found.next or found.words, at


def test_nothing_but_commands_and_a_new_opening_moves_what_has_ended():
    for event in Happening:
        for at in (Stage.merged, Stage.cancelled):
            assert set(cell(event, at).effects) <= {Effect.recheck, Effect.reopen, Effect.unmute}, (event, at)
            assert cell(event, at).next is None, (event, at)


def test_words_name_only_commands_that_exist():
    said = {one.words for row in TABLE.values() for one in (row.other, *row.cells.values()) if one.words}
    named = {name for words in said for name in re.findall(r"/aurora (\w+)", words)}
    assert named <= {name.value for name in COMMANDS}
    assert all(words[0].isupper() and words.endswith(".") for words in said)


def test_questions_are_those_that_change_nothing():
    assert questions() == {Name.help, Name.status, Name.plan, Name.explain}


@pytest.mark.parametrize(
    ("status", "phase", "expected"),
    [
        (ProjectStatus.parsing, Phase.parse, Stage.reading),
        (ProjectStatus.waiting, Phase.parse, Stage.asking),
        (ProjectStatus.waiting, Phase.approve, Stage.approving),
        (ProjectStatus.planning, Phase.plan, Stage.planning),
        (ProjectStatus.building, Phase.dispatch, Stage.building),
        (ProjectStatus.verifying, Phase.review, Stage.verifying),
        (ProjectStatus.open, Phase.deliver, Stage.open),
        (ProjectStatus.paused, Phase.dispatch, Stage.paused),
        (ProjectStatus.merged, Phase.done, Stage.merged),
        (ProjectStatus.escalated, Phase.done, Stage.escalated),
        (ProjectStatus.cancelled, Phase.done, Stage.cancelled),
    ],
)
def test_a_stage_is_what_people_see(status: ProjectStatus, phase: Phase, expected: Stage):
    assert stage(PROJECT.model_copy(update={"status": status, "phase": phase})) is expected


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("@aurora-dev please stop.", Asked(Name.cancel)),
        ("@aurora-dev: how far are you?", Asked(Name.status)),
        ("Thanks @aurora-dev, go ahead!", Asked(Name.approve)),
        ("@aurora-dev why did the tests fail?", Asked(Name.explain)),
        ("@aurora-dev merge this pull request please", Asked(Name.merge)),
        ("@aurora-dev merge the two helpers into one", Asked(Name.fix, "merge the two helpers into one")),
        ("@aurora-dev[bot] budget $12", Asked(Name.budget, "12")),
        ("@Aurora-Dev fix the typo in README", Asked(Name.fix, "the typo in README")),
        ("Nice. @aurora-dev handle the empty list too", Asked(Name.fix, "Nice.   handle the empty list too")),
        ("/aurora status\n@aurora-dev merge", Asked(Name.status)),
    ],
)
def test_words_to_the_app_do_what_a_reader_would_expect(said: str, meant: Asked):
    """A whole sentence that stands for a command is one; anything else is a wish, never a merge or an end."""
    assert read(said, "aurora-dev") == [meant]


@pytest.mark.parametrize(
    "said",
    ["> @aurora-dev merge", "`@aurora-dev merge` does it", "```\n@aurora-dev stop\n```", "mail@aurora-dev stop",
     "@aurora-device stop", "@someone/@aurora-dev-x stop", "Let the bot do it."],
)  # fmt: skip
def test_what_isn_t_said_to_the_app_is_nothing(said: str):
    assert read(said, "aurora-dev") == []
