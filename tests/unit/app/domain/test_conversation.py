"""The table of events and stages: it is whole, and its words can be read."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.commands import COMMANDS, Name
from app.domain.conversation import TABLE, Effect, Event, Happening, Stage, cell, questions, stage
from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef, Repository

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


def test_nothing_but_commands_and_what_becomes_of_the_pull_request_moves_what_has_ended():
    may = {Effect.recheck, Effect.reopen, Effect.settle_if_merged, Effect.unmute}
    for event in Happening:
        for at in (Stage.merged, Stage.cancelled):
            assert set(cell(event, at).effects) <= may, (event, at)
            assert cell(event, at).next is None, (event, at)


def test_words_name_only_commands_that_exist():
    said = {one.words for row in TABLE.values() for one in (row.other, *row.cells.values()) if one.words}
    named = {name for words in said for name in re.findall(r"/aurora (\w+)", words)}
    assert named <= {name.value for name in COMMANDS}
    assert all(words[0].isupper() and words.endswith(".") for words in said)


def test_work_on_an_open_pull_request_is_a_stage_of_its_own():
    pull = PullRequestRef(number=2, url="u", head_sha="a")
    for status in (ProjectStatus.building, ProjectStatus.verifying):
        assert stage(PROJECT.model_copy(update={"status": status, "pull_request": pull})) is Stage.changing


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
