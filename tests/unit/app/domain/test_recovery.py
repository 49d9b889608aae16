"""What follows an error: bounded retries with jitter, a lesson, or a person."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.recovery import (
    ESCALATED,
    FIRST_DELAY,
    LONGEST_DELAY,
    AgentError,
    ErrorType,
    Escalate,
    Reflect,
    Retry,
    backoff,
    decide,
)
from app.domain.roles import AgentRole

JITTER = st.floats(0, 1, exclude_max=True)


def error(kind: ErrorType, retries: int = 0, most: int = 3) -> AgentError:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return AgentError(UUID(int=1), AgentRole.backend, kind, "It went wrong.", None, at, retries, most)


@given(st.integers(0, 10_000), JITTER)
def test_a_wait_lies_in_the_upper_half_of_a_bounded_exponential(retry: int, jitter: float):
    """Never nothing, never more than the longest delay, however often it was tried."""
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(retry, 20))
    assert ceiling / 2 <= backoff(retry, jitter) <= ceiling


@given(st.integers(0, 100), JITTER, JITTER)
def test_more_jitter_means_a_longer_wait_and_so_does_another_retry(retry: int, one: float, other: float):
    """Workers spread out, and come back more and more rarely."""
    assert backoff(retry, min(one, other)) <= backoff(retry, max(one, other))
    assert backoff(retry, one) <= backoff(retry + 1, one)


@given(st.integers(0, 100), JITTER, st.floats(0, 7200))
def test_a_wait_is_never_shorter_than_what_was_asked_for(retry: int, jitter: float, asked: float):
    """GitHub's or a model's own `retry-after` comes first."""
    assert backoff(retry, jitter, asked) >= asked


@given(st.sampled_from(ErrorType), st.integers(0, 10), st.integers(0, 5), JITTER)
def test_what_may_pass_is_tried_again_until_the_bound_and_then_escalated(
    kind: ErrorType, retries: int, most: int, jitter: float
):
    """Whatever its type and attempt."""
    decision = decide(error(kind, retries, most), 1, 5, jitter, transient=True)
    if retries < most:
        assert decision == Retry(backoff(retries, jitter))
    else:
        assert decision == Escalate()


@given(st.integers(0, 2), st.floats(100, 7200))
def test_a_retry_waits_as_long_as_the_other_side_named(retries: int, asked: float):
    """A rate limit that ends in forty minutes isn't tried again after two seconds."""
    decision = decide(error(ErrorType.github, retries), 1, 1, 0.5, transient=True, retry_after=asked)
    assert decision == Retry(asked)


@pytest.mark.parametrize("kind", sorted(ESCALATED))
@given(st.integers(1, 10), JITTER)
def test_money_sandbox_and_defects_of_ours_go_to_a_person_at_once(kind: ErrorType, attempt: int, jitter: float):
    """Another attempt would end the same."""
    assert decide(error(kind), attempt, 10, jitter, transient=False) == Escalate()


@pytest.mark.parametrize("kind", sorted(set(ErrorType) - ESCALATED))
@given(st.integers(1, 10), st.integers(1, 10), JITTER)
def test_everything_else_is_learned_from_while_attempts_are_left(
    kind: ErrorType, attempt: int, most: int, jitter: float
):
    """Each type has an answer, and the last attempt leads to a person."""
    expected = Reflect() if attempt < most else Escalate()
    assert decide(error(kind), attempt, most, jitter, transient=False) == expected
