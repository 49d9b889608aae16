"""What an agent is told: what helps, where it comes from, while that still holds, once, and within its limit."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from app.domain.memory import Kind, MemoryTier, Source, describe
from tests.integration.memory.conftest import REPOSITORY, Mind, counted

CENTS = "Amounts are whole numbers of cents; never use floats for money."
WEEKS = "fromisoformat does not accept ISO week dates. Parse them with strptime."
ASKED = "Refuse amounts of money that are not exact cents"


async def test_what_helps_is_told_with_its_source_and_what_does_not_help_is_not(mind: Mind):
    await mind.keep(CENTS, symbol="add_entry")
    await mind.keep(WEEKS, "dates.py")
    (told,) = await mind.tell(ASKED)
    assert told.tier is MemoryTier.working
    assert describe(1, told) == f"[M1] (reflexion about ledger/entries.py:add_entry at {mind.base[:7]}) {CENTS}"
    assert await mind.ask("Accept week dates in the date parser") == [WEEKS]
    assert await mind.ask("Add a dark mode to the web page") == []


async def test_another_repository_is_told_nothing(mind: Mind):
    await mind.keep(CENTS)
    stranger = replace(mind.question(ASKED), repository="acme/other")
    assert await mind.coordinator.recall(stranger, mind.clone) == []


@pytest.mark.parametrize(
    ("files", "what"), [({"ledger/entries.py": None}, "file"), ({"ledger/entries.py": "x = 1\n"}, "definition")]
)
async def test_what_cites_something_that_is_gone_is_not_told(mind: Mind, files: dict[str, str | None], what: str):
    await mind.keep(CENTS, symbol="add_entry")
    assert await mind.ask(ASKED) == [CENTS]
    left = {**mind.git.commits[mind.base].files, **files}
    later = mind.git.commit({path: text for path, text in left.items() if text is not None}, [mind.base])
    assert await mind.coordinator.recall(replace(mind.question(ASKED), commit=later), mind.clone) == [], what


async def test_without_a_source_nothing_is_kept_anywhere(mind: Mind):
    memory = mind.memory(CENTS)
    for source in (replace(memory.source, file=""), replace(memory.source, commit="")):
        assert not await mind.working.keep(REPOSITORY, replace(memory, source=source))
        await mind.coordinator.note(REPOSITORY, replace(memory, source=source))
    assert await mind.kept() == []
    assert await mind.short.recent(REPOSITORY) == []


async def test_what_means_the_same_is_kept_once(mind: Mind):
    await mind.keep(CENTS, age=timedelta(days=1))
    again = "Amounts are whole numbers of cents. Never use floats for money!"
    other = "Amounts are whole numbers of cents, so money never uses floats."
    await mind.keep(again)
    await mind.keep(other)
    assert await mind.ask(ASKED) == [other]
    assert await mind.kept() == [other]


async def test_a_project_is_not_told_its_own_plan(mind: Mind):
    own = await mind.project()
    await mind.keep("Planned: amounts of money are exact cents.", kind=Kind.decision, project=own)
    assert await mind.ask(ASKED, project=own) == []
    assert await mind.ask(ASKED) == ["Planned: amounts of money are exact cents."]


async def test_what_is_told_fits_into_its_limit_and_the_files_of_the_task_come_first(mind: Mind):
    for number in range(30):
        await mind.keep(f"Money amount rule {number}: cents in column {'abcdefghij'[number % 10] * (number + 3)}.")
    about = await mind.keep("Amounts of a report are cents as well.", "ledger/report.py")
    told = await mind.tell(ASKED, "ledger/report.py", characters=400)
    assert told[0].id == about
    assert len(told) > 1
    assert sum(len(describe(1, memory)) for memory in told) <= 400


async def test_secrets_and_endless_texts_are_not_remembered(mind: Mind):
    await mind.keep("Use the token ghp_abcdefghijklmnop123456 for money amounts. " + "cents " * 1_000)
    (kept,) = await mind.kept()
    assert "ghp_" not in kept
    assert len(kept) <= 1_000


async def test_an_old_memory_that_helped_is_found_among_many_newer_ones(mind: Mind):
    old = await mind.keep(CENTS, age=timedelta(days=20))
    await mind.pool.execute("UPDATE working_memory SET helped = 1, score = 1 WHERE id = $1", old)
    for number in range(60):
        await mind.working.keep(REPOSITORY, mind.memory(f"Something else, number {number}.", "dates.py"))
    assert await mind.ask(ASKED) == [CENTS]


async def test_an_answer_is_read_again_from_short_term_memory_until_something_is_new(mind: Mind):
    await mind.keep(CENTS)
    first = await mind.tell(ASKED)
    hits = counted("hits_total", "short_term")
    again = await mind.tell(ASKED)
    assert [memory.id for memory in again] == [memory.id for memory in first]
    assert counted("hits_total", "short_term") == hits + 1
    await mind.coordinator.note(REPOSITORY, mind.memory("Money amounts have exactly two decimals."))
    assert len(await mind.ask(ASKED)) == 2


async def test_each_tier_counts_its_hits_and_misses(mind: Mind):
    before = {(what, tier): counted(what, tier) for what in ("hits_total", "misses_total") for tier in MemoryTier}
    await mind.keep(CENTS)
    await mind.coordinator.note(REPOSITORY, mind.memory("Money amounts have exactly two decimals."))
    assert len(await mind.ask(ASKED)) == 2

    def grown(what: str) -> list[float]:
        return [counted(what, tier) - before[what, tier] for tier in MemoryTier]

    assert grown("hits_total") == [1, 1, 0]
    assert grown("misses_total") == [0, 0, 1]


def test_a_source_is_complete_only_with_file_and_commit():
    assert Source("a.py", "c0", UUID(int=1)).complete
    assert not Source("", "c0", UUID(int=1)).complete
