"""What a call may cost at most, and what a project used in money and time."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.account import account
from app.domain.budget import FREE, Price, worst_case
from app.domain.ports import ModelCall
from app.domain.roles import AgentRole
from app.domain.task import Task

AMOUNTS = st.floats(0, 100)
TOKENS = st.integers(0, 10**7)
SECONDS = st.floats(0, 1000)


def task(number: int, needs: tuple[int, ...] = ()) -> Task:
    return Task(
        id=UUID(int=number), project_id=UUID(int=999), key=f"t{number}", title="Do", description="",
        assigned_agent=AgentRole.backend, dependencies=tuple(UUID(int=need) for need in needs),
        branch=f"b{number}", created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def call(number: int | None, seconds: float) -> ModelCall:
    return ModelCall(UUID(int=number) if number else None, "generate", "m", 0.5, 10, 5, seconds)


@given(AMOUNTS, AMOUNTS, TOKENS, TOKENS, st.data())
def test_no_call_costs_more_than_its_worst_case(dear: float, dearer: float, size: int, most: int, data):
    """Whatever part of the prompt's bytes were tokens, and however much of the limit was used."""
    price = Price(dear, dearer)
    used = price.cost(data.draw(st.integers(0, size)), data.draw(st.integers(0, most)))
    assert 0 <= used <= worst_case(price, size, most)


@given(TOKENS, TOKENS)
def test_what_is_free_costs_nothing(size: int, most: int):
    """A local model needs no budget."""
    assert worst_case(FREE, size, most) == 0


@st.composite
def work(draw: st.DrawFn) -> tuple[list[Task], list[ModelCall]]:
    """Tasks that depend on earlier ones, and calls for some of them and for Maestro."""
    tasks = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        needs = draw(st.sets(st.integers(1, number - 1))) if number > 1 else set()
        tasks.append(task(number, tuple(sorted(needs))))
    whose = st.sampled_from([None, *range(1, len(tasks) + 1)])
    return tasks, [call(draw(whose), draw(SECONDS)) for _ in range(draw(st.integers(0, 10)))]


@given(work())
def test_the_critical_path_is_no_longer_than_all_work_and_no_shorter_than_any_task(done):
    """What could have run at the same time makes it shorter, nothing makes it longer."""
    tasks, calls = done
    sums = account(tasks, calls)
    assert sums.critical_path_seconds <= sums.model_seconds + 1e-6
    for one in tasks:
        own = sum(made.seconds for made in calls if made.task_id in {one.id, None})
        assert sums.critical_path_seconds >= own - 1e-6


@given(work())
def test_sums_are_over_all_calls(done):
    """Calls, tokens, money and seconds."""
    tasks, calls = done
    sums = account(tasks, calls)
    assert (sums.calls, sums.tokens, sums.usd) == (len(calls), 15 * len(calls), pytest.approx(0.5 * len(calls)))
    assert sums.model_seconds == pytest.approx(sum(made.seconds for made in calls))


@given(st.lists(SECONDS, min_size=1, max_size=8))
def test_a_chain_of_tasks_is_its_own_critical_path(seconds: list[float]):
    """Nothing of it could have run at the same time."""
    tasks = [task(number, (number - 1,) if number > 1 else ()) for number in range(1, len(seconds) + 1)]
    sums = account(tasks, [call(number, took) for number, took in enumerate(seconds, 1)])
    assert sums.critical_path_seconds == pytest.approx(sum(seconds))


@given(st.lists(SECONDS, min_size=1, max_size=8))
def test_of_independent_tasks_the_longest_is_the_critical_path(seconds: list[float]):
    """With as many slots as tasks."""
    tasks = [task(number) for number in range(1, len(seconds) + 1)]
    sums = account(tasks, [call(number, took) for number, took in enumerate(seconds, 1)])
    assert sums.critical_path_seconds == pytest.approx(max(seconds))
