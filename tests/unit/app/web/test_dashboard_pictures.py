"""What the dashboard draws: tasks in layers, time in lanes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.board import AttemptView, ProjectView, TaskView
from app.web.graph import Box, arranged, drawn
from app.web.timeline import SCALE, critical, timeline

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Draw tasks, each of which comes after some of the former ones."""
    keys = [f"t{number}" for number in range(draw(st.integers(1, 12)))]
    return {key: tuple(draw(st.sets(st.sampled_from(keys[:index])))) if index else () for index, key in enumerate(keys)}


@given(plans())
def test_every_task_stands_behind_all_that_it_comes_after(plan: dict[str, tuple[str, ...]]):
    layers = {name: index for index, layer in enumerate(arranged(plan).layers) for name in layer}
    assert all(layers[need] < layers[key] for key, needs in plan.items() for need in needs)
    assert {name for name in layers if isinstance(name, str)} == set(plan)


@given(plans())
def test_arrows_lead_from_layer_to_layer_and_say_all_that_the_plan_says(plan: dict[str, tuple[str, ...]]):
    picture = arranged(plan)
    layers = {name: index for index, layer in enumerate(picture.layers) for name in layer}
    assert all(layers[b] == layers[a] + 1 for way in picture.ways for a, b in pairwise(way))

    def behind(key: str, arrows: dict[str, set[str]]) -> set[str]:
        return set().union(*({need} | behind(need, arrows) for need in arrows[key])) if arrows[key] else set()

    arrows = {key: {str(way[0]) for way in picture.ways if way[-1] == key} for key in plan}
    whole = {key: set(needs) for key, needs in plan.items()}
    assert all(behind(key, arrows) == behind(key, whole) for key in plan)


def test_a_circle_is_drawn_rather_than_followed_for_ever():
    assert len(arranged({"a": ("b",), "b": ("a",)}).layers) >= 1


@pytest.mark.parametrize("across", [True, False])
def test_hostile_titles_stay_text(across: bool):
    picture = drawn([Box('"><script>', "</text><script>alert(1)</script>", "backend", "running")], across=across)
    assert "<script>" not in picture


def test_too_many_tasks_are_not_drawn():
    assert drawn([Box(f"t{number}", "x", "backend", "pending") for number in range(200)], across=True) == ""


def project(**changes: object) -> ProjectView:
    base = {
        "id": UUID(int=1), "repository": "o/r", "issue_number": 1, "run": 1, "title": "T", "requested_by": "ann",
        "status": "building", "reason": None, "pull_request": None, "budget_usd": 5, "spent_usd": 0, "reserved_usd": 0,
        "created_at": START, "finished_at": None, "phase": "dispatch", "branch": "b", "base_branch": None,
        "base_sha": None, "head_sha": None, "requirements": (), "review": None, "notes": (), "rounds": 0, "tasks": (),
        "attempts": (), "checks": (), "calls": (), "messages": (), "errors": (), "effects": (), "memories": (),
        "uses": (), "artifacts": (),
        "totals": dict.fromkeys(("checks", "calls", "messages", "errors", "effects", "memories", "uses"), 0),
        "sums": {"calls": 0, "tokens": 0, "usd": 0, "model_seconds": 0, "critical_path_seconds": 0}, "last_event": 0,
    }  # fmt: skip
    return ProjectView.model_validate({**base, **changes})


def task(number: int, *after: int, **changes: object) -> TaskView:
    base = {
        "id": UUID(int=number), "key": f"t{number}", "title": "x", "description": "", "assigned_agent": "backend",
        "dependencies": tuple(UUID(int=one) for one in after), "status": "running", "priority": 0, "footprint": (),
        "requirements": (), "branch": "b", "round": 0, "feedback": (), "attempts": 0, "created_at": START,
        "started_at": None, "completed_at": None, "result": None,
    }  # fmt: skip
    return TaskView.model_validate({**base, **changes})


def attempt(number: int | None, begin: float, end: float | None, which: int = 1) -> AttemptView:
    return AttemptView(
        task_id=None if number is None else UUID(int=number), step="plan" if number is None else None, round=0,
        attempt=which, started_at=START + timedelta(seconds=begin),
        ended_at=None if end is None else START + timedelta(seconds=end), calls=1, model_seconds=1, usd=0,
    )  # fmt: skip


def test_the_critical_chain_is_the_longest_not_the_one_with_most_tasks():
    tasks = [task(1), task(2, 1), task(3, 2), task(4)]
    seconds = {UUID(int=1): 1.0, UUID(int=2): 1.0, UUID(int=3): 1.0, UUID(int=4): 9.0, None: 5.0}
    assert critical(tasks, seconds) == (UUID(int=4),)
    assert critical(tasks, {}) == ()


def test_attempts_follow_each_other_and_the_last_one_shows_the_end():
    begun, ended, over = (START + timedelta(seconds=seconds) for seconds in (10, 50, 60))
    done = task(1, status="completed", started_at=begun, completed_at=ended)
    both = (attempt(1, 11, 20), attempt(1, 30, 45, 2))
    shown = timeline(project(tasks=(done,), attempts=both, finished_at=over), START + timedelta(days=9))
    (row,) = shown.rows
    assert [one.kind for one in row.segments] == ["waiting", "failed", "completed"]
    second = SCALE / shown.ticks[-1]
    places = [(one.start, one.start + one.width) for one in row.segments]
    assert places == [pytest.approx((a * second, b * second), abs=0.1) for a, b in ((0, 10), (10, 30), (30, 50))]
    assert row.is_critical


def test_time_in_which_nobody_works_doesnt_squeeze_the_picture():
    waiting = project(status="open", attempts=(attempt(None, 0, 30),))
    assert timeline(waiting, START + timedelta(days=30)).seconds == 30


@given(st.floats(0.1, 1e8))
def test_ticks_are_few_and_reach_the_end(seconds: float):
    shown = timeline(project(finished_at=START + timedelta(seconds=seconds)), START)
    assert len(shown.ticks) <= 8
    assert shown.ticks[-1] >= shown.seconds - 1e-6
