"""Intake: whatever GitHub tells, however often and in whatever order, an issue has one run at a time."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.messages import AgentMessage
from app.domain.ports import Comment, Permission
from app.errors import Transient
from app.github.identity import AppIdentity
from app.storage.deliveries import Inbox
from app.storage.pool import Pool
from app.storage.projects import ProjectReader
from app.storage.repositories import Repositories
from app.web.events import Reading
from tests.fakes import MAIN, START, FakeForges, FakePull
from tests.integration.core.world import ISSUE, World
from workers.intake.desk import Desk, Rules
from workers.intake.intake import Intake
from workers.intake.replies import Replies
from workers.renames import Renames

APP = AppIdentity(7, "aurora-dev")
ANN = {"login": "ann", "type": "User"}
RULES = Rules(Reading(), frozenset({"renovate[bot]"}), budget_usd=5.0, paused=False)


def labelled(
    action: str = "labeled", at: datetime = START, sender: dict[str, str] = ANN, **more: Any
) -> dict[str, Any]:
    """Return the payload of an issue that bears the label."""
    label = {"label": {"name": "aurora"}} if action in {"labeled", "unlabeled"} else {}
    issue = {"number": ISSUE, "labels": [{"name": "aurora"}], "updated_at": at.isoformat().replace("+00:00", "Z")}
    return {
        "action": action, "issue": issue, "sender": sender, "repository": {"full_name": "acme/sample"},
        "installation": {"id": 5}, **label, **more,
    }  # fmt: skip


class Door:
    """Stores deliveries and has them handled."""

    def __init__(self, world: World, rules: Rules = RULES) -> None:
        self.world, self.inbox, self.rung = world, Inbox(world.pool), list[AgentMessage]()

        async def ring(message: AgentMessage) -> None:
            self.rung.append(message)

        async def identity() -> AppIdentity:
            return APP

        runs, forges = ProjectReader(world.pool), FakeForges(world.forge)
        renames = Renames(Repositories(world.pool), forges)
        desk = Desk(runs, forges, identity, world.clock, rules)
        replies = Replies(runs, world.leases, world.clock, "aurora", "https://example.org")
        self.intake = Intake(desk, self.inbox, renames, replies, ring)

    async def store(self, guid: str, payload: dict[str, Any], event: str = "issues") -> str:
        await self.inbox.store(guid, event, payload["action"], json.dumps(payload).encode())
        return guid

    async def receive(self, guid: str, payload: dict[str, Any], event: str = "issues") -> None:
        if event == "issue_comment":  # what is told of stands on GitHub
            told, forge = payload["comment"], self.world.forge
            if all(one.id != told["id"] for _, one in forge.said):
                author = told["user"]["login"]
                comment = Comment(told["id"], author, told["body"], START, APP.is_login(author))
                forge.said.append((payload["issue"]["number"], comment))
        await self.intake.handle(await self.store(guid, payload, event))


async def runs(pool: Pool) -> list[str]:
    """Return the status of each run, oldest first."""
    return [row["status"] for row in await pool.fetch("SELECT status FROM projects ORDER BY run")]


async def messages(pool: Pool) -> list[dict[str, Any]]:
    """Return the payloads of all messages."""
    return [row["payload"] for row in await pool.fetch("SELECT payload FROM agent_messages ORDER BY timestamp")]


@pytest.fixture
def around(pool: Pool) -> World:
    """A world in which nothing has begun."""
    return World(pool)


ARRIVALS: Sequence[tuple[str, str]] = (("one", "opened"), ("two", "labeled"), ("one", "opened"), ("two", "labeled"))


@pytest.mark.parametrize("order", sorted(set(itertools.permutations(ARRIVALS))))
async def test_opened_and_labeled_are_one_project_in_any_order_and_number(around: World, order):
    """Each delivery twice, the two of them in every order."""
    door = Door(around)
    for guid, action in order:
        await door.receive(guid, labelled(action))
    assert await runs(around.pool) == ["parsing"]
    assert [one["event"] for one in await messages(around.pool)] == ["labelled"]
    assert len(door.rung) == 1


async def test_deliveries_at_the_same_time_are_one_project(around: World):
    """Ten under new GUIDs, each handled by three workers at once."""
    door = Door(around)
    guids = [await door.store(f"g{number}", labelled()) for number in range(10)]
    await asyncio.gather(*(door.intake.handle(guid) for guid in guids * 3))
    assert await runs(around.pool) == ["parsing"]
    assert len(await messages(around.pool)) == 1


async def ended(world: World, door: Door) -> None:
    """Let the issue's first run come to its end."""
    await door.receive("first", labelled())
    world.clock.now += timedelta(hours=1)
    await world.pool.execute(
        "UPDATE projects SET status = 'escalated', phase = 'done', finished_at = $1", world.clock.now
    )


async def test_a_delivery_that_is_days_late_doesn_t_begin_a_run_that_has_ended(around: World):
    """The label that it tells of is the one whose run is over."""
    door = Door(around)
    await ended(around, door)
    around.clock.now += timedelta(days=3)
    await door.receive("late", labelled("opened"))
    assert await runs(around.pool) == ["escalated"]


async def test_labelling_again_after_the_end_begins_the_next_run(around: World):
    """Which is how a person says: once more."""
    door = Door(around)
    await ended(around, door)
    await door.receive("again", labelled(at=around.clock.now + timedelta(minutes=1)))
    assert await runs(around.pool) == ["escalated", "parsing"]
    assert await around.pool.fetchval("SELECT max(run) FROM projects") == 2


@pytest.mark.parametrize("permission", [Permission.none, Permission.read])
async def test_a_stranger_gets_a_reaction_and_nothing_else(around: World, permission: Permission):
    """Who may not write may not start; asked of GitHub, not of the payload."""
    around.forge.permissions["eve"] = permission
    door = Door(around)
    eve = {"login": "eve", "type": "User"}
    await door.receive("one", labelled(sender=eve))
    await door.receive("two", labelled("opened", sender=eve))
    assert await runs(around.pool) == []
    assert around.forge.reactions == {(ISSUE, "eyes")}


async def test_a_bot_that_nobody_listed_gets_nothing_at_all(around: World):
    """Not even a reaction to its label."""
    door = Door(around)
    await door.receive("one", labelled(sender={"login": "helper[bot]", "type": "Bot"}))
    assert await runs(around.pool) == []
    assert around.forge.reactions == set()
    assert around.forge.said == []


@pytest.mark.parametrize(
    ("login", "begins"),
    [("renovate[bot]", True), ("other[bot]", False), ("aurora-dev[bot]", True)],
)
async def test_of_bots_only_those_on_the_list_and_ourselves_may_start(around: World, login: str, begins: bool):
    """Whatever permission a bot has."""
    around.forge.permissions[login] = Permission.admin
    await Door(around).receive("one", labelled(sender={"login": login, "type": "Bot"}))
    assert bool(await runs(around.pool)) is begins


async def test_while_paused_nothing_new_begins(around: World):
    """What runs goes on; a label isn't acted upon."""
    await Door(around, replace(RULES, paused=True)).receive("one", labelled())
    assert await runs(around.pool) == []
    assert around.forge.said == []


@pytest.mark.parametrize("changes", [{"labels": ()}, {"state": "closed"}])
async def test_what_changed_since_the_delivery_counts(around: World, changes: dict[str, Any]):
    """The payload is a hint: the label has gone, or the issue was closed."""
    around.forge.issues[ISSUE] = replace(around.forge.issues[ISSUE], **changes)
    await Door(around).receive("one", labelled())
    assert await runs(around.pool) == []


async def test_an_issue_that_is_gone_begins_nothing(around: World):
    """Deleted between delivery and look."""
    del around.forge.issues[ISSUE]
    await Door(around).receive("one", labelled())
    assert await runs(around.pool) == []


async def test_when_github_can_t_be_asked_the_delivery_waits(around: World):
    """It isn't handled, so the reconciler rings for it again."""
    around.forge.fail["permission"] = Transient("GitHub can't be reached.")
    door = Door(around)
    await door.receive("one", labelled())
    assert await around.pool.fetchval("SELECT count(*) FROM deliveries WHERE handled_at IS NULL") == 1
    around.forge.fail.clear()
    await door.intake.handle("one")
    assert await runs(around.pool) == ["parsing"]


async def test_taking_the_label_off_or_closing_tells_the_run(around: World):
    """Once for each delivery."""
    door = Door(around)
    await door.receive("one", labelled())
    issue = around.forge.issues[ISSUE]
    around.forge.issues[ISSUE] = replace(issue, state="closed")
    for _ in range(2):
        await door.receive("two", labelled("closed"))
    around.forge.issues[ISSUE] = replace(issue, labels=())
    for _ in range(2):
        await door.receive("three", labelled("unlabeled"))
    del around.forge.issues[ISSUE]
    await door.receive("four", labelled("deleted"))
    told = [one.get("why") for one in await messages(around.pool) if one["event"] == "cancelled"]
    assert sorted(told) == ["The issue was closed.", "The issue was deleted.", "The issue was unlabeled."]


@pytest.mark.parametrize(("author", "heard"), [("ann", True), ("rea", False), ("nobody", False)])
async def test_only_writers_are_heard(around: World, author: str, heard: bool):
    """A comment by anybody else isn't even a message."""
    door = Door(around)
    await door.receive("one", labelled())
    comment = {"id": 9, "body": "/aurora approve", "user": {"login": author}}
    await door.receive("two", labelled("created", comment=comment), "issue_comment")
    assert ("said" in [one["event"] for one in await messages(around.pool)]) is heard


async def test_own_comments_and_issues_without_a_run_are_no_messages(around: World):
    """Own writes come back as webhooks."""
    door = Door(around)
    mine = {"id": 9, "body": "### The plan", "user": {"login": APP.login}}
    await door.receive("zero", labelled("created", comment={**mine, "user": ANN}), "issue_comment")
    await door.receive("one", labelled())
    await door.receive("two", labelled("created", comment=mine), "issue_comment")
    assert [one["event"] for one in await messages(around.pool)] == ["labelled"]


async def test_what_happens_to_a_pull_request_reaches_the_run_that_made_it(around: World):
    """Reviews and closings; of other pull requests nothing."""
    world, door = around, Door(around)
    await door.receive("one", labelled())
    reference = json.dumps({"number": 4, "url": "u", "head_sha": "a" * 40, "merged": False})
    world.forge.pulls[4] = FakePull(4, "Title", "", "aurora/1.1", MAIN, "a" * 40, "closed", merged=True)
    await world.pool.execute("UPDATE projects SET pull_request = $1", json.loads(reference))
    review = {"state": "APPROVED", "commit_id": "a" * 40, "user": ANN}
    for guid, number in (("two", 4), ("three", 5)):
        body = labelled("submitted", review=review, pull_request={"number": number})
        await door.receive(guid, body, "pull_request_review")
    await door.receive("four", labelled("closed", pull_request={"number": 4, "merged": True}), "pull_request")
    assert [one["event"] for one in await messages(world.pool)] == ["labelled", "looked_at", "pull_closed"]


async def standing(pool: Pool, guid: str) -> tuple[bool, bool, str | None]:
    """Tell whether a delivery was handled, whether it was given up, and what was wrong with it."""
    row = await pool.fetchrow("SELECT handled_at, parked_at, error FROM deliveries WHERE guid = $1", guid)
    assert row is not None
    return row["handled_at"] is not None, row["parked_at"] is not None, row["error"]


@pytest.mark.parametrize("body", [b"{broken}", b"\xff\xfe", b'{"a": ' + b"[" * 5000 + b"}", b"[]"])
async def test_what_can_never_be_read_is_given_up_with_a_sentence_and_holds_up_nobody(around: World, body: bytes):
    """It is tried a few times, each later than the last."""
    door = Door(around)
    await door.inbox.store("odd", "issues", "labeled", body)
    waits = []
    for _ in range(20):
        await door.intake.handle("odd")
        due = "SELECT extract(epoch FROM due_at - now())::float8 FROM deliveries WHERE guid = 'odd'"
        waits.append(await around.pool.fetchval(due))
    handled, parked, error = await standing(around.pool, "odd")
    assert (handled, parked) == (False, True)
    assert error is not None
    assert error.endswith(".")
    assert waits[0] < waits[3] < waits[6]
    await around.pool.execute("UPDATE deliveries SET due_at = now() - interval '1 day'")
    assert await door.inbox.overdue(0.0) == []
    await door.receive("good", labelled())
    assert await runs(around.pool) == ["parsing"]


@pytest.mark.parametrize(
    "odd", ['{"action": NaN}', '{"action": "labeled", "issue": {"number": Infinity}}', '{"action": 1}']
)
async def test_nonsense_that_is_json_asks_for_nothing(around: World, odd: str):
    """NaN and Infinity, which PostgreSQL's JSON refuses, are nothing special."""
    door = Door(around)
    await door.inbox.store("odd", "issues", None, odd.encode())
    await door.intake.handle("odd")
    assert await standing(around.pool, "odd") == (True, False, None)


async def test_a_defect_of_ours_is_given_up_after_a_while(around: World):
    """With a sentence that says no more than that."""
    around.forge.fail["permission"] = ZeroDivisionError("x")
    door = Door(around)
    await door.store("one", labelled())
    for _ in range(10):
        await door.intake.handle("one")
    handled, parked, error = await standing(around.pool, "one")
    assert (handled, parked, error) == (False, True, "An internal error happened (ZeroDivisionError).")


async def test_github_being_away_never_gives_a_delivery_up_within_three_days(around: World):
    """After that the comparison has it."""
    around.forge.fail["permission"] = Transient("GitHub can't be reached.")
    door = Door(around)
    await door.store("one", labelled())
    for _ in range(30):
        await door.intake.handle("one")
    assert await standing(around.pool, "one") == (False, False, "GitHub can't be reached.")
    await around.pool.execute("UPDATE deliveries SET received_at = now() - interval '4 days'")
    await door.intake.handle("one")
    assert (await standing(around.pool, "one"))[1] is True


@pytest.mark.parametrize("action", ["closed", "unlabeled"])
async def test_an_end_that_is_told_before_the_beginning_is_no_run(around: World, action: str):
    """What GitHub says now counts, in whatever order it was told."""
    issue = around.forge.issues[ISSUE]
    around.forge.issues[ISSUE] = replace(issue, state="closed") if action == "closed" else replace(issue, labels=())
    door = Door(around)
    await door.receive("two", labelled(action))
    await door.receive("one", labelled())
    assert await runs(around.pool) == []


@pytest.mark.parametrize("on_pull_request", [False, True])
async def test_commands_reach_maestro_and_a_pause_holds_the_next_call_at_once(around: World, on_pull_request: bool):
    """On the issue, and on the run's own pull request."""
    door = Door(around)
    await door.receive("one", labelled())
    await around.pool.execute("""UPDATE projects SET pull_request = '{"number": 7, "url": "", "head_sha": ""}'""")
    for comment, text, held in [(9, "/aurora pause", True), (10, "Now.\n/aurora resume", False)]:
        payload = labelled("created", comment={"id": comment, "body": text, "user": ANN})
        if on_pull_request:
            payload["issue"] = {"number": 7, "labels": [], "pull_request": {}}
        await door.receive(f"comment-{comment}", payload, "issue_comment")
        assert await around.pool.fetchval("SELECT held FROM projects") is held
    told = [one for one in await messages(around.pool) if one["event"] == "said"]
    assert [one["commands"] for one in told] == [
        [{"name": "pause", "argument": ""}],
        [{"name": "resume", "argument": ""}],
    ]
    number = 7 if on_pull_request else ISSUE
    assert [(one["by"], one["comment"], one["number"]) for one in told] == [("ann", 9, number), ("ann", 10, number)]


async def say(door: Door, guid: str, comment: int, text: str) -> None:
    """Have a delivery tell of Ann's comment."""
    payload = labelled("created", comment={"id": comment, "body": text, "user": ANN})
    await door.receive(guid, payload, "issue_comment")


async def test_a_comment_that_is_told_again_under_another_id_is_obeyed_once(around: World):
    """Also when the run has gone on since, and the issue has another one by now."""
    door = Door(around)
    await door.receive("one", labelled())
    await say(door, "two", 9, "/aurora pause")
    await say(door, "three", 10, "/aurora resume")
    await asyncio.gather(*(say(door, f"again-{n}", 9, "/aurora pause") for n in range(4)))
    assert await around.pool.fetchval("SELECT held FROM projects") is False
    told = [one for one in await messages(around.pool) if one["event"] == "said"]
    assert [one["comment"] for one in told] == [9, 10]
    end = "UPDATE projects SET status = 'escalated', phase = 'done', finished_at = $1"
    await around.pool.execute(end, around.clock.now)
    await door.receive("next", labelled(at=around.clock.now + timedelta(minutes=1)))
    await say(door, "late", 9, "/aurora pause")
    assert await runs(around.pool) == ["escalated", "parsing"]
    assert await around.pool.fetchval("SELECT bool_or(held) FROM projects") is False


async def test_a_plain_answer_that_is_told_again_is_heard_once(around: World):
    door = Door(around)
    await door.receive("one", labelled())
    for guid in ("two", "three"):
        await say(door, guid, 9, "The blue one.")
    assert [one["event"] for one in await messages(around.pool)].count("said") == 1


async def test_a_command_that_overtakes_the_labelling_waits_for_its_run(around: World):
    """For a moment only: where nobody begins a run, nobody is commanded."""
    door = Door(around)
    await say(door, "two", 9, "/aurora pause")
    assert await around.pool.fetchval("SELECT handled_at FROM deliveries") is None
    await door.receive("one", labelled())
    await door.intake.handle("two")
    assert await around.pool.fetchval("SELECT held FROM projects") is True
    assert {one["event"] for one in await messages(around.pool)} == {"labelled", "said"}


async def test_a_command_that_no_run_follows_is_left_alone(around: World):
    door = Door(around)
    await say(door, "one", 9, "/aurora pause")
    await around.pool.execute("UPDATE deliveries SET received_at = received_at - interval '1 minute'")
    await door.intake.handle("one")
    assert await around.pool.fetchval("SELECT handled_at FROM deliveries") is not None
    assert await messages(around.pool) == []


async def test_commands_that_arrive_in_another_order_leave_what_was_said_last(around: World):
    """Of each matter the latest comment counts; an earlier one's other commands are obeyed all the same."""
    door = Door(around)
    await door.receive("one", labelled())
    await say(door, "three", 11, "/aurora resume")
    await say(door, "two", 10, "/aurora pause\n/aurora budget 4")
    await say(door, "zero", 9, "/aurora budget 3")
    assert await around.pool.fetchval("SELECT held FROM projects") is False
    told = {one["comment"]: one["commands"] for one in await messages(around.pool) if one["event"] == "said"}
    assert told == {11: [{"name": "resume", "argument": ""}], 10: [{"name": "budget", "argument": "4"}]}


async def test_words_on_a_pull_request_are_no_message(around: World):
    """Only what is a command there is for the app."""
    door = Door(around)
    await door.receive("one", labelled())
    await around.pool.execute("""UPDATE projects SET pull_request = '{"number": 7, "url": "", "head_sha": ""}'""")
    payload = labelled("created", comment={"id": 9, "body": "> /aurora pause\n\nWhy?", "user": ANN})
    payload["issue"] = {"number": 7, "labels": [], "pull_request": {}}
    await door.receive("two", payload, "issue_comment")
    assert [one["event"] for one in await messages(around.pool)] == ["labelled"]


def of_repository(number: int, name: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload as of a repository with this number and name."""
    return {**payload, "repository": {"id": number, "full_name": name}}


def said(body: str) -> dict[str, Any]:
    """Return the payload of a comment."""
    return labelled("created", comment={"id": 77, "body": body, "user": ANN})


async def test_a_renamed_repository_keeps_its_runs_whichever_name_a_delivery_bears(around: World):
    """Told under the old name, the new one and, late, the old one again: one run, under the present name."""
    door = Door(around)
    await door.receive("before", of_repository(9, "acme/sample", labelled("opened")))
    around.forge.names[9] = "acme/example"
    await door.receive("after", of_repository(9, "acme/example", labelled()))
    await door.receive("late", of_repository(9, "acme/sample", labelled()))
    await door.receive("comment", of_repository(9, "acme/example", said("/aurora pause")), "issue_comment")
    rows = await around.pool.fetch("SELECT repository, held FROM projects")
    assert [tuple(row) for row in rows] == [("acme/example", True)]


async def test_runs_are_spoken_for_by_the_installation_that_covers_their_repository(around: World):
    """The app was taken off and installed again: the first, which late deliveries name, gets no tokens."""
    door = Door(around)
    await door.receive("first", of_repository(9, "acme/sample", labelled()))
    await around.pool.execute("UPDATE projects SET status = 'cancelled', phase = 'done', muted = true")
    around.forge.installation = 6
    for guid, installation in (("now", 6), ("late", 5)):
        told = of_repository(9, "acme/sample", said("/aurora status")) | {"installation": {"id": installation}}
        await door.receive(guid, told, "issue_comment")
        rows = await around.pool.fetch("SELECT installation_id, muted FROM projects")
        assert [tuple(row) for row in rows] == [(6, False)], guid
        assert await around.pool.fetchval("SELECT handled_at IS NOT NULL FROM deliveries WHERE guid = $1", guid)


async def test_which_installation_covers_a_repository_is_asked_once(around: World):
    """Of rows that are older than its number; and where nothing covers it any more, what was known stays."""
    door = Door(around)
    await door.receive("first", of_repository(9, "acme/sample", labelled()))
    await around.pool.execute("UPDATE projects SET installation_id = 4")
    await around.pool.execute("UPDATE repositories SET installation_id = 0")
    await door.receive("second", of_repository(9, "acme/sample", labelled("opened")))
    await door.receive("third", of_repository(9, "acme/sample", labelled("opened")))
    assert await around.pool.fetchval("SELECT installation_id FROM projects") == 5
    assert around.forge.calls["find"] == 1
    around.forge.withheld = {"acme/sample"}
    await door.receive("late", of_repository(9, "acme/sample", labelled("opened")) | {"installation": {"id": 3}})
    assert await around.pool.fetchval("SELECT installation_id FROM projects") == 5


@pytest.mark.parametrize("order", [("moved", "new"), ("new", "moved")])
async def test_a_name_that_another_repository_takes_over_brings_no_runs_of_the_first(around: World, order):
    """The issue number 1 of the new bearer has nothing to do with that of the old one, whichever is heard of first."""
    door = Door(around)
    await door.receive("one", of_repository(9, "acme/sample", labelled()))
    around.forge.names |= {9: "acme/moved", 10: "acme/sample"}
    told = {
        "moved": (of_repository(9, "acme/moved", said("Hello.")), "issue_comment"),
        "new": (of_repository(10, "acme/sample", labelled()), "issues"),
    }
    for which in order:
        await door.receive(which, *told[which])
    rows = await around.pool.fetch("SELECT repository, run FROM projects ORDER BY repository")
    assert [tuple(row) for row in rows] == [("acme/moved", 1), ("acme/sample", 1)]
