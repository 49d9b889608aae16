"""Comments on GitHub: acknowledged at once, answered once, and told to the run that they are about."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.ports import Permission, Sight
from app.domain.project import ProjectStatus
from tests.fakes import MAIN, START, FakePull
from tests.integration.core.test_intake import ANN, Door, labelled, messages
from tests.integration.core.world import ISSUE, World

EVE, BOT = {"login": "eve", "type": "User"}, {"login": "dependabot[bot]", "type": "Bot"}
APP = {"login": "aurora-dev[bot]", "type": "Bot"}
PULL = {"number": 7, "url": "", "head_sha": "a" * 40}


class Room(Door):
    """People talking on an issue or a pull request."""

    async def say(
        self, comment: int, text: str, who: dict[str, str] = ANN, number: int = ISSUE, guid: str = ""
    ) -> None:
        """Have a delivery tell of a comment."""
        payload = labelled("created", comment={"id": comment, "body": text, "user": who}, sender=who)
        await self._hear(payload, number, guid or f"said-{comment}")

    async def edit(self, comment: int, text: str, editor: dict[str, str] = ANN, guid: str = "") -> None:
        """Change a comment, and have a delivery tell of it."""
        forge = self.world.forge
        place = next(at for at, (_, one) in enumerate(forge.said) if one.id == comment)
        number, before = forge.said[place]
        forge.said[place] = (number, replace(before, body=text))
        told = {"id": comment, "body": text, "user": APP if before.by_this_app else ANN}
        await self._hear(labelled("edited", comment=told, sender=editor), number, guid or f"edit-{comment}-{text}")

    async def _hear(self, payload: dict[str, Any], number: int, guid: str) -> None:
        payload["issue"] |= {"number": number} | ({"pull_request": {}} if number != ISSUE else {})
        await self.receive(guid, payload, "issue_comment")

    @property
    def replies(self) -> list[str]:
        """What was answered at once."""
        return [one.body for _, one in self.world.forge.said if "<!-- aurora:reply " in one.body]

    async def orders(self) -> list[list[str]]:
        """What the run was told to do."""
        told = await messages(self.world.pool)
        return [[one["name"] for one in message["commands"]] for message in told if message.get("commands")]


@pytest.fixture
def around(pool: Any) -> World:
    """A world in which nothing has begun."""
    return World(pool)


async def test_a_command_gets_a_reaction_and_reaches_the_run(around: World):
    """Before Maestro has heard of it."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "/aurora pause")
    assert around.forge.reacted == [(9, "+1")]
    assert await room.orders() == [["pause"]]
    assert not room.replies


@pytest.mark.parametrize("command", ["help", "status", "plan", "explain"])
async def test_a_question_is_answered_at_once_and_once(around: World, command: str):
    """Though the delivery comes under three GUIDs, and nobody moves the run."""
    room = Room(around)
    await room.receive("one", labelled())
    for guid in ("a", "b", "c"):
        await room.say(9, f"/aurora {command}", guid=guid)
    assert len(room.replies) == 1
    assert await room.orders() == []


async def test_what_is_misspelt_is_answered_with_the_nearest(around: World):
    """And with a reaction that says so."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "/aurora aprove")
    assert around.forge.reacted == [(9, "confused")]
    assert "Did you mean `/aurora approve`?" in room.replies[0]


async def test_a_stranger_s_command_gets_a_reaction_only(around: World):
    """And a stranger's words nothing at all."""
    room = Room(around)
    await room.receive("one", labelled())
    around.forge.permissions["eve"] = Permission.read
    await room.say(9, "/aurora cancel", EVE)
    await room.say(10, "Nice work.", EVE)
    assert around.forge.reacted == [(9, "eyes")]
    assert not room.replies
    assert [one["event"] for one in await messages(around.pool)] == ["labelled"]


async def test_a_bot_that_isn_t_listed_gets_nothing(around: World):
    """Not even a reaction: two bots could go on for ever."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "/aurora status", BOT)
    await room.say(10, "@aurora-dev fix this", BOT)
    assert not around.forge.reacted
    assert not room.replies


async def test_a_bot_that_labels_and_isn_t_listed_gets_nothing_either(around: World):
    """Two bots could go on for ever."""
    room = Room(around)
    await room.receive("one", labelled(sender=BOT))
    assert not around.forge.reacted
    assert await messages(around.pool) == []


async def test_a_comment_counts_as_it_is_now(around: World):
    """What was taken out of it before it was read isn't done; what is gone isn't either."""
    room = Room(around)
    await room.receive("one", labelled())
    around.forge.say(ISSUE, "ann", "On second thoughts, no.")
    comment = around.forge.said[-1][1].id
    await room.say(comment, "/aurora cancel")
    around.forge.said.clear()
    gone = labelled("created", comment={"id": 3, "body": "/aurora cancel", "user": ANN})
    await room.intake.handle(await room.store("gone", gone, "issue_comment"))
    assert await room.orders() == []


async def test_an_edit_adds_what_is_new_in_it(around: World):
    """A corrected command is obeyed, the others aren't once more, in whatever order the deliveries come."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "/aurora pause\n/aurora budgt 3")
    await room.edit(9, "/aurora pause\n/aurora budget 3")
    await room.say(9, "/aurora pause\n/aurora budget 3", guid="late")
    assert await room.orders() == [["pause"], ["budget"]]
    assert len(room.replies) == 1


async def test_what_was_answered_isn_t_answered_again_when_its_comment_is_edited(around: World):
    """In whatever order the deliveries come; what is new in it is."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "/aurora status")
    await room.edit(9, "Well, /aurora status is what I want:\n\n/aurora status")
    await room.say(9, "the same, told again", guid="late")
    assert len(room.replies) == 1
    await room.edit(9, "/aurora status\n/aurora help")
    assert len(room.replies) == 2
    assert "### What I listen to" in room.replies[1]
    assert "What I listen to" not in room.replies[0]


async def test_an_answer_that_is_edited_is_told_again(around: World):
    """Who waits for it reads it anew; the same text once."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "In USD.")
    await room.edit(9, "In EUR.")
    await room.edit(9, "In EUR.", guid="again")
    assert [one["event"] for one in await messages(around.pool)] == ["labelled", "said", "said"]


async def test_an_edit_by_a_stranger_isn_t_the_author_s_word(around: World):
    """Both have to be people who may write."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "Well done.")
    await room.edit(9, "/aurora cancel", EVE)
    assert await room.orders() == []


async def test_a_box_that_somebody_ticks_is_told_and_a_stranger_s_isn_t(around: World):
    """The comment is the app's own, and is looked at again."""
    room = Room(around)
    await room.receive("one", labelled())
    box = "- [ ] Approve this plan and start the work"
    plan = around.forge.say(ISSUE, "aurora-dev[bot]", f"The plan\n\n{box}", by_this_app=True)
    await room.edit(plan, f"The plan\n\n{box.replace('[ ]', '[x]')}", EVE)
    assert [one["event"] for one in await messages(around.pool)] == ["labelled"]
    await room.edit(plan, f"The plan\n\n{box.replace('[ ]', '[x]')}", guid="by ann")
    assert [(one["event"], one.get("by")) for one in await messages(around.pool)][1:] == [("ticked", "ann")]


async def test_words_to_the_app_reach_the_run_as_a_wish(around: World):
    """As a reader would expect of a mention."""
    room = Room(around)
    await room.receive("one", labelled())
    await room.say(9, "@aurora-dev the empty list should give zero")
    assert await room.orders() == [["fix"]]


async def test_without_a_run_it_is_said_how_to_begin_one(around: World):
    """Once, and help works too."""
    around.forge.issues[ISSUE] = replace(around.forge.issues[ISSUE], labels=())
    room = Room(around)
    await room.say(9, "/aurora retry")
    assert "Put the label `aurora` on it" in room.replies[0]
    await room.say(10, "/aurora help")
    assert "| `/aurora revise <text>` |" in room.replies[1]


async def test_pull_requests_of_others_are_left_alone(around: World):
    """Talk, reviews and pushes are nobody's business; who commands something is told so."""
    room = Room(around)
    around.forge.pulls[7] = FakePull(7, "Mine", "", "feature", MAIN, "a" * 40)
    await room.say(9, "Please rebase.", number=7)
    assert not around.forge.reacted
    await room.say(10, "/aurora merge", number=7)
    assert "I don't work on this pull request" in room.replies[0]
    assert await messages(around.pool) == []


async def test_an_ended_run_still_hears(around: World):
    """What can be tried again is asked for after the end."""
    room = Room(around)
    await room.receive("one", labelled())
    await around.pool.execute("UPDATE projects SET status = 'escalated', phase = 'done', finished_at = $1", START)
    await room.say(9, "/aurora retry")
    assert await room.orders() == [["retry"]]


async def test_an_edit_of_the_issue_is_told_when_its_editor_may_write(around: World):
    """A stranger's words are read when somebody asks for it."""
    room = Room(around)
    await room.receive("one", labelled())
    around.forge.permissions["eve"] = Permission.read
    await room.receive("two", labelled("edited", sender=EVE))
    await room.receive("three", labelled("edited"))
    await room.receive("three, told again", labelled("edited"))
    assert [one["event"] for one in await messages(around.pool)] == ["labelled", "issue_edited"]


async def test_buttons_and_re_runs_reach_the_run_of_the_commit(around: World):
    """Of other commits and other apps nothing does."""
    room = Room(around)
    await room.receive("one", labelled())
    sha = "b" * 40
    await around.pool.execute("UPDATE projects SET head_sha = $1", sha)
    check = {"id": 5, "head_sha": sha, "name": "aurora / lint", "app": {"id": 7}}
    again = labelled("rerequested", check_run=check)
    pressed = labelled("requested_action", check_run=check, requested_action={"identifier": "format"})
    await room.receive("two", again, "check_run")
    await room.receive("three", pressed, "check_run")
    await room.receive("three, told again", pressed, "check_run")
    await room.receive("four", {**again, "check_run": check | {"head_sha": "c" * 40}}, "check_run")
    await room.receive("five", {**again, "check_run": check | {"app": {"id": 8}}}, "check_run")
    told = [(one["event"], one.get("check")) for one in await messages(around.pool)]
    assert told == [("labelled", None), ("rerun", "aurora / lint"), ("action_format", "aurora / lint")]


def of_installation(action: str, *removed: str) -> dict[str, Any]:
    """Return the payload of a change of what the app may see."""
    return {
        "action": action, "installation": {"id": 5}, "sender": ANN,
        "repositories_removed": [{"full_name": name} for name in removed],
    }  # fmt: skip


async def told(world: World) -> list[str]:
    """Return the events that the run was told of since it began."""
    return [one["event"] for one in await messages(world.pool)][1:]


async def test_an_uninstalled_app_tells_every_run_that_it_had(around: World):
    """Of the named repositories, or of all."""
    room = Room(around)
    await room.receive("one", labelled())
    around.forge.withheld = {"acme/other"}
    await room.receive("other", of_installation("removed", "acme/other"), "installation_repositories")
    assert await told(around) == []
    around.forge.withheld = {"acme/sample"}
    await room.receive("this", of_installation("removed", "acme/other", "acme/sample"), "installation_repositories")
    assert await told(around) == ["uninstalled"]
    around.forge.sight = Sight.gone
    await room.receive("all", of_installation("deleted"), "installation")
    assert await told(around) == ["uninstalled"] * 2


LATE = [
    ("suspend", Sight.whole),
    ("suspend", Sight.gone),
    ("unsuspend", Sight.suspended),
    ("deleted", Sight.whole),
    ("removed", Sight.whole),
]


@pytest.mark.parametrize(("action", "sight"), LATE)
async def test_what_the_app_may_see_is_asked_of_github(around: World, action: str, sight: Sight):
    """Recovery redelivers what was sent days ago, and two deliveries may be swapped: the opposite has been heard."""
    room = Room(around)
    await room.receive("one", labelled())
    around.forge.sight = sight
    await around.pool.execute("UPDATE projects SET held = $1", action == "unsuspend")
    kind = "installation_repositories" if action == "removed" else "installation"
    payload = of_installation(action, *["acme/sample"] * (action == "removed"))
    await room.receive("late", payload, kind)
    assert await waiting(around, "late") == 1, "GitHub may not know of it yet"
    await around.pool.execute("UPDATE deliveries SET received_at = now() - interval '1 minute'")
    await room.intake.handle("late")
    assert await waiting(around, "late") == 0
    assert await told(around) == []
    assert await around.pool.fetchval("SELECT held FROM projects") is (action == "unsuspend")


async def waiting(world: World, guid: str) -> int:
    """Return how many deliveries of this GUID are to be handled still."""
    found = await world.pool.fetchval("SELECT count(*) FROM deliveries WHERE guid = $1 AND handled_at IS NULL", guid)
    return int(found)


@pytest.mark.parametrize("obeyed", [True, False])
async def test_a_suspension_that_is_over_holds_nothing(around: World, obeyed: bool):
    """Whether Maestro has heard of it by then or not."""
    room, world = Room(around), around
    await room.receive("one", labelled())
    world.project_id = await world.pool.fetchval("SELECT id FROM projects")
    for action, sight in (("suspend", Sight.suspended), ("unsuspend", Sight.whole)):
        world.forge.sight = sight
        await room.receive(action, of_installation(action), "installation")
        assert await world.pool.fetchval("SELECT held FROM projects") is (action == "suspend")
        if obeyed:
            await world.tell("show")
            await world.run(tasks=False)
    await world.tell("show")
    await world.run()
    project = await world.until_settled()
    assert (project.status, project.muted, project.held) == (ProjectStatus.open, False, False)


@pytest.mark.parametrize(("who", "told"), [(ANN, ["labelled", "pull_reopened"]), (EVE, ["labelled"])])
async def test_only_who_may_write_opens_a_pull_request_again(around: World, who: dict[str, str], told: list[str]):
    """On GitHub who may only triage can too, and a run that somebody cancelled would go on."""
    room = Room(around)
    around.forge.permissions["eve"] = Permission.read
    await room.receive("one", labelled())
    around.forge.pulls[7] = FakePull(7, "Work", "", "aurora/1.1", MAIN, "a" * 40)
    await around.pool.execute("UPDATE projects SET pull_request = $1", PULL)
    await room.receive("two", labelled("reopened", sender=who, pull_request={"number": 7}), "pull_request")
    assert [one["event"] for one in await messages(around.pool)] == told


@pytest.mark.parametrize(
    ("who", "state", "heard"),
    [(ANN, "commented", True), (EVE, "commented", False), (BOT, "approved", False), (EVE, "dismissed", True)],
)
async def test_a_stranger_s_review_moves_nothing(around: World, who: dict[str, str], state: str, heard: bool):
    """However many they write; who dismisses one may write."""
    room = Room(around)
    around.forge.permissions |= {"eve": Permission.read, BOT["login"]: Permission.write}
    await room.receive("one", labelled())
    await around.pool.execute("UPDATE projects SET pull_request = $1", PULL)
    action = "dismissed" if state == "dismissed" else "submitted"
    review = {"state": state.upper(), "commit_id": "a" * 40, "user": who}
    await room.receive("two", labelled(action, review=review, pull_request={"number": 7}), "pull_request_review")
    assert [one["event"] for one in await messages(around.pool)] == ["labelled", *["looked_at"] * heard]


async def test_what_has_ended_is_not_held(around: World):
    """Else it would stand still when somebody has it tried again, paused by nobody."""
    room = Room(around)
    await room.receive("one", labelled())
    await around.pool.execute("UPDATE projects SET status = 'escalated', phase = 'done', finished_at = $1", START)
    await room.say(9, "/aurora pause")
    assert not await around.pool.fetchval("SELECT held FROM projects")
    assert await room.orders() == [["pause"]]
