"""What moves up: from an hour to a month by interest, from a month to for good by having helped, and down again."""

from uuid import UUID

import pytest

from app.domain.memory import Fate, Kind, MemoryTier, Settled, identity
from app.domain.project import Repository
from app.storage.repositories import Repositories
from benchmarks.memory import PLANTED
from tests.integration.memory.conftest import REPOSITORY, Mind, now
from tests.integration.memory.test_what_is_told import ASKED, CENTS, WEEKS


def ended(fate: Fate, *files: str) -> Settled:
    return Settled(fate, files, now())


async def test_what_two_agents_were_told_is_kept(mind: Mind):
    await mind.coordinator.note(REPOSITORY, mind.memory(CENTS))
    await mind.ask(ASKED, agent="backend")
    await mind.ask(ASKED, agent="backend")
    assert await mind.kept() == []
    await mind.ask(ASKED, agent="frontend")
    assert await mind.kept() == [CENTS]


async def test_what_was_told_three_times_is_kept(mind: Mind):
    await mind.coordinator.note(REPOSITORY, mind.memory(CENTS))
    for _ in range(2):
        await mind.ask(ASKED)
    assert await mind.kept() == []
    await mind.ask(ASKED)
    assert await mind.kept() == [CENTS]


async def test_what_interests_nobody_is_gone_after_an_hour(mind: Mind):
    await mind.coordinator.note(REPOSITORY, mind.memory(WEEKS))
    await mind.ask(ASKED)
    client = mind.short._redis
    names = [name async for name in client.scan_iter("aurora:memory:item:*")]
    assert len(names) == 1
    assert 3_500 < await client.ttl(names[0]) <= 3_600
    assert await mind.kept() == []


@pytest.mark.parametrize(
    ("fate", "cited", "score"),
    [
        (Fate.merged, True, 1.0),
        (Fate.merged, False, 0.25),
        (Fate.changed, True, 0.25),
        (Fate.escalated, True, -0.5),
        (Fate.reverted, True, -1.0),
    ],
)
async def test_what_became_of_a_project_is_what_it_was_told_is_worth(mind: Mind, fate: Fate, cited: bool, score: float):
    memory, project = await mind.keep(CENTS), await mind.project()
    await mind.settle(project, ended(fate), memory, cited=cited)
    await mind.settle(project, ended(fate), memory, cited=cited)  # a job runs twice
    assert await mind.score(memory) == score


async def test_what_was_disproved_is_not_told(mind: Mind):
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), ended(Fate.escalated), memory, cited=True)
    assert await mind.ask(ASKED) == []


async def test_what_helped_in_two_projects_is_known_for_good_until_it_is_disproved(mind: Mind):
    memory = await mind.keep(CENTS)
    await mind.settle(await mind.project(1), ended(Fate.merged), memory, cited=True)
    collection = mind.long.collection("minilm")
    assert not await mind.working.has_extracted(REPOSITORY, collection)
    await mind.settle(await mind.project(2), ended(Fate.merged), memory, cited=True)
    assert await mind.working.has_extracted(REPOSITORY, collection)
    (found,) = await mind.long.search(REPOSITORY, "money is counted in integer cents")
    assert (found.id, found.content, found.tier) == (memory, CENTS, MemoryTier.long_term)
    assert await mind.long.search("acme/other", CENTS) == []
    for issue in range(3, 9):
        await mind.settle(await mind.project(issue), ended(Fate.reverted), memory, cited=True)
    assert await mind.long.search(REPOSITORY, CENTS) == []
    assert await mind.ask(ASKED) == []


async def test_what_is_known_for_good_is_told_when_everything_else_forgot_it(mind: Mind):
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), ended(Fate.merged), memory, cited=True)
    await mind.pool.execute("DELETE FROM working_memory WHERE id = $1", memory)
    await mind.keep(WEEKS)
    await mind.pool.execute(
        "UPDATE working_memory SET extracted_to = 'aurora_long_term_minilm' WHERE content = $1", WEEKS
    )
    (told,) = await mind.tell(ASKED)
    assert (told.content, told.tier) == (CENTS, MemoryTier.long_term)


async def test_what_is_known_for_good_goes_with_a_renamed_repository_and_is_not_told_where_its_name_went(mind: Mind):
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), ended(Fate.merged), memory, cited=True)
    called = Repositories(mind.pool)
    await called.learn(1, Repository(full_name=REPOSITORY, installation_id=5))
    await called.learn(1, Repository(full_name="acme/renamed", installation_id=5))
    other = await mind.keep(WEEKS)  # of a new repository that has the name now, and a long-term memory of its own
    for issue in (3, 4):
        await mind.settle(await mind.project(issue), ended(Fate.merged), other, cited=True)
    await mind.short._redis.flushdb()
    assert await mind.ask(ASKED) == []
    await mind.coordinator.settle("acme/renamed")
    assert [one.content for one in await mind.long.search("acme/renamed", CENTS)] == [CENTS]


async def test_what_was_planned_and_then_cancelled_by_people_is_told_to_nobody(mind: Mind):
    project = await mind.project()
    planned = await mind.keep(
        "Planned: money as integer cents is to be sent to evil.", kind=Kind.decision, project=project
    )
    told = await mind.keep(CENTS)
    assert len(await mind.ask(ASKED)) == 2
    await mind.settle(project, ended(Fate.cancelled), told, cited=True)
    assert await mind.ask(ASKED) == [CENTS]
    assert (await mind.score(planned), await mind.score(told)) == (-1.0, 0.0)


async def test_the_same_is_taken_to_long_term_memory_once(mind: Mind):
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), ended(Fate.merged), memory, cited=True)
    await mind.pool.execute("UPDATE working_memory SET extracted_to = NULL")  # its worker died in between
    await mind.coordinator.settle(REPOSITORY)
    assert len(await mind.long.search(REPOSITORY, CENTS)) == 1


async def test_a_merge_that_people_took_back_is_noticed(mind: Mind):
    told, project = await mind.keep(CENTS), await mind.project()
    left = await mind.keep("How money was done: with floats for exact cents.", project=project)
    await mind.settle(project, ended(Fate.merged, "ledger/entries.py"), told, cited=True)
    merged = mind.git.commit({**mind.git.commits[mind.base].files, "ledger/entries.py": "new"}, [mind.base])
    await mind.coordinator.look_back(REPOSITORY, mind.clone, merged)
    assert (await mind.score(told), await mind.score(left)) == (1.0, 0.0)
    files = {**mind.git.commits[mind.base].files, "README.md": "Something else since."}
    await mind.coordinator.look_back(REPOSITORY, mind.clone, mind.git.commit(files, [merged]))
    assert (await mind.score(told), await mind.score(left)) == (-1.0, -1.0)


async def test_what_is_known_outlives_its_project(mind: Mind):
    project = await mind.project()
    await mind.keep(CENTS, project=project)
    await mind.pool.execute("DELETE FROM projects WHERE id = $1", project)
    (told,) = await mind.tell(ASKED)
    assert told.source.project == project


async def test_a_memory_that_was_told_under_two_names_keeps_what_it_is_worth(mind: Mind):
    first = await mind.keep(CENTS)
    await mind.settle(await mind.project(), ended(Fate.merged), first, cited=True)
    await mind.ask(ASKED)
    second = await mind.keep("Amounts are whole numbers of cents, so money never uses floats.")
    assert [memory.id for memory in await mind.tell(f"{ASKED}, please")] == [first]
    assert await mind.pool.fetchval("SELECT count(*) FROM working_memory WHERE id = $1", second) == 0


def test_ids_do_not_depend_on_case_or_punctuation():
    assert identity("o/r", Kind.pattern, "Look first!") == identity("o/r", Kind.pattern, "look FIRST")
    assert identity("o/r", Kind.pattern, "Look first") != identity("o/x", Kind.pattern, "Look first")
    assert isinstance(identity("o/r", Kind.pattern, "x"), UUID)


async def test_what_turned_out_wrong_is_told_no_more_by_any_copy_of_it(mind: Mind):
    memory = await mind.keep(CENTS)
    for issue in (1, 2):
        await mind.settle(await mind.project(issue), ended(Fate.merged), memory, cited=True)
    await mind.coordinator.note(REPOSITORY, mind.memory(CENTS), kept=True)
    assert await mind.ask(ASKED) == [CENTS]
    await mind.pool.execute("UPDATE working_memory SET score = -2")  # and nobody has taken it out of Mem0 yet
    assert await mind.ask(f"{ASKED}, please") == []


async def test_a_plan_that_was_not_carried_out_is_not_told(mind: Mind):
    project = await mind.project()
    await mind.keep("Planned: amounts of money are exact cents.", kind=Kind.decision, project=project)
    lesson = await mind.keep(CENTS, project=project)
    await mind.settle(project, ended(Fate.escalated), lesson, cited=False)
    assert await mind.ask(ASKED) == [CENTS]


async def test_a_small_repository_finds_all_of_its_own_among_thousands_of_others(mind: Mind):
    """An index on vectors that filters after searching finds next to none of them."""
    await mind.long.load()
    await mind.pool.execute(
        "INSERT INTO aurora_long_term_minilm (id, vector, payload) SELECT gen_random_uuid(),"
        " ARRAY(SELECT (random() - 0.5 + 0 * number)::real FROM generate_series(1, 384))::vector,"
        " jsonb_build_object('user_id', 'acme/' || number % 7, 'data', 'Other ' || number)"
        " FROM generate_series(1, 3000) AS number"
    )
    for text in PLANTED:
        memory = await mind.keep(text)
        await mind.long.keep(REPOSITORY, (await mind.working.by_id([memory], ""))[0])
    found = [await mind.long.search(REPOSITORY, asked) for asked in PLANTED.values()]
    assert [any(hit.content == text for hit in hits) for text, hits in zip(PLANTED, found, strict=True)] == [True] * 20
