"""What is worth telling is decided by pure functions: relevance, age, worth, room, and who named what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.memory import (
    Kind,
    MemoryTier,
    Question,
    Remembered,
    Source,
    cited,
    describe,
    fit,
    rank,
    similarity,
    words_in_common,
    worth_keeping,
)
from workers.memory.embedders import DIMENSIONS, Hashing
from workers.memory.tier import Tier

NOW = datetime(2026, 1, 31, tzinfo=UTC)
QUESTION = Question("o/r", UUID(int=1), "backend", "Round amounts of money", ("a.py",), "c1", 2_000)


def made(number: int, text: str = "", **more: object) -> Remembered:
    memory = Remembered(
        UUID(int=number), Kind.reflexion, text or f"Amounts of money, case {number}",
        Source("b.py", "c0ffee00", UUID(int=9)), NOW, MemoryTier.working,
    )  # fmt: skip
    return replace(memory, **more)  # type: ignore[arg-type]  # fields of the dataclass


def test_newer_and_more_helpful_memories_come_first():
    old, fresh, helpful = made(1, at=NOW - timedelta(days=60)), made(2), made(3, score=2.0)
    assert rank(QUESTION, None, [old, fresh, helpful], NOW) == [helpful, fresh, old]


def test_what_cites_a_file_of_the_task_comes_before_what_does_not():
    near = made(2, source=Source("a.py", "c0", UUID(int=9)))
    assert rank(QUESTION, None, [made(1), near], NOW) == [near, made(1)]


def test_meaning_counts_where_both_have_one_of_the_same_embedder():
    right, left = (1.0, 0.0), (0.0, 1.0)
    same, other, foreign = made(1, "x", vector=right), made(2, "y", vector=left), made(3, "z", vector=(1.0,))
    assert rank(QUESTION, right, [same, other, foreign], NOW) == [same]


@pytest.mark.parametrize("score", [-1.0, -5.0])
def test_what_was_disproved_is_not_told(score: float):
    assert rank(QUESTION, None, [made(1, score=score)], NOW) == []


def test_a_question_may_want_some_kinds_alone():
    conflict = made(2, kind=Kind.conflict)
    assert rank(replace(QUESTION, kinds=(Kind.conflict,)), None, [made(1), conflict], NOW) == [conflict]


def test_the_same_words_are_told_once():
    assert len(rank(QUESTION, None, [made(1, "Amounts: money."), made(2, "amounts money")], NOW)) == 1


@given(st.lists(st.text(max_size=300), max_size=30), st.integers(0, 3_000))
def test_what_is_told_never_passes_its_limit(texts: list[str], limit: int):
    chosen = fit([made(number, text) for number, text in enumerate(texts)], limit)
    assert sum(len(describe(number, memory)) + 3 for number, memory in enumerate(chosen, 1)) <= limit
    assert len(chosen) <= 8


def test_marks_name_only_what_was_told():
    told = [UUID(int=1), UUID(int=2)]
    assert cited("Did it, see [M2] and [M2], not [M7], [M0] or M1.", told) == (UUID(int=2),)
    assert cited("", told) == ()


@pytest.mark.parametrize(("reads", "agents", "kept"), [(2, 1, False), (3, 1, True), (2, 2, True), (0, 0, False)])
def test_three_reads_or_two_agents_make_it_worth_keeping(reads: int, agents: int, kept: bool):
    assert worth_keeping(reads, agents) is kept


@given(st.text(), st.text())
def test_words_in_common_are_a_share(one: str, other: str):
    assert 0.0 <= words_in_common(one, other) <= 1.0000001
    assert words_in_common(one, other) == pytest.approx(words_in_common(other, one))


@given(st.text())
def test_a_hashed_text_has_length_one_and_is_like_itself(text: str):
    vector = Hashing().embed(text)
    assert len(vector) == DIMENSIONS
    assert similarity(vector, vector) == pytest.approx(1.0) or not any(vector)


async def test_a_tier_that_failed_is_left_alone_for_a_while():
    asked = 0

    async def fail() -> int:
        nonlocal asked
        asked += 1
        raise OSError("gone")

    tier = Tier("test", 1.0, rest=60.0)
    assert [await tier.ask("read", fail, 7) for _ in range(3)] == [7, 7, 7]
    assert asked == 1
