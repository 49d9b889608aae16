"""What happens to each issue of the afternoon, event by event, and what it comes to."""

import asyncio
from typing import Any

from tests.e2e.afternoon import Issue, scripted
from tests.e2e.team import Asked, planned, writes

TWELVE = 12
LINES = "".join(f"line {number}\n" for number in range(1, TWELVE + 3))


class Held:
    """A model call that hangs until it is let go."""

    def __init__(self) -> None:
        """Hold what comes."""
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def until_freed(self, answer: Any) -> Any:
        """Tell that somebody asked, and answer once it may."""
        self.asked.set()
        await self.free.wait()
        return answer


# --- 1: questions while it is built, a long review, and the work taken back


class Amber:
    """People talk while it is built, review it at length, accept it, and have it taken back."""

    repository = "acme/shop"
    other_app = "Dependabot"

    def __init__(self) -> None:
        """Script the model."""
        self.held = Held()
        self.other: Any = None
        self.part = scripted("amber", generate=self.generate)

    async def generate(self, asked: Asked) -> Any:
        """Add fourteen lines; then do what reviewers want."""
        if "I insist" in asked.text:
            return writes({"items/amber": LINES.upper() + "insisted\n"}, "C1 done: as you insist")
        if "Use words" in asked.text:
            said = "\n".join(f"C{n} done: line {n} is upper case" for n in range(1, TWELVE))
            return writes({"items/amber": LINES.upper()}, f"{said}\nC12 no: the last line is read by others")
        if "a sign" in asked.text:
            return writes({"items/amber.sign": "sign\n"}, "C1 done: there is a sign")
        if "a lamp" in asked.text:
            return writes({"items/amber.lamp": "lamp\n"}, "C1 done: there is a lamp")
        return await self.held.until_freed(writes({"items/amber": LINES}, "Added amber."))

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open("Please add amber.")
        await self.held.asked.wait()
        await self._talk(on)
        await on.say("/aurora pause")
        await on.comes_to("Paused")
        self.held.free.set()
        await on.say("@aurora-dev go on")
        await on.comes_to("Ready for review")
        await self._review(on)
        await on.say("/aurora revert", by="carol")
        await on.comes_to("Ready for review", run=2)
        await on.review("APPROVE", by="alice", run=2)
        await on.merged(run=2)

    async def _talk(self, on: Issue) -> None:
        """Ask, mistype, quote, edit; and have a stranger and a bot try."""
        await on.say("/aurora status")
        await on.answered("### Building")
        await on.say("/aurora help", by="carol")
        await on.say("/aurora plan")
        misspelt = await on.say("/aurora stauts")
        await on.answered("Did you mean `/aurora status`?")
        await on.change_comment(misspelt, "/aurora status")
        await on.answered("### Building", times=2)
        await on.say("```\n/aurora cancel\n```\nThat is how one stops it.")
        await on.say("> /aurora cancel\n\nI wouldn't.")
        await self.other.ask("POST", f"/issues/{on.number}/comments", {"body": "/aurora cancel"})
        on.events += 1
        await on.reacted(await on.say("/aurora merge", by="eve"), "eyes")
        await on.change(body="Please add amber, and be quick.")
        await on.answered("The issue was edited")

    async def _review(self, on: Issue) -> None:
        """Review it at length, until it is merged."""
        pull = await on.pull()
        remarks = [{"path": "items/amber", "line": n, "body": f"Use words, not {n}"} for n in range(1, TWELVE + 1)]
        await on.review("REQUEST_CHANGES", comments=remarks)
        threads = [one["id"] for one in await on.see(f"/pulls/{pull['number']}/comments", per_page="100")]
        await on.replied(pull["number"], dict.fromkeys(threads, 1))
        await on.do("post", f"/pulls/{pull['number']}/comments/{threads[-1]}/replies", {"body": "I insist"}, by="carol")
        await on.replied(pull["number"], {**dict.fromkeys(threads, 1), threads[-1]: 2})
        await on.comes_to("Ready for review")
        suggestion = "Shorter:\n```suggestion\nFIRST\n```"
        await on.review("COMMENT", comments=[{"path": "items/amber", "line": 1, "body": suggestion}])
        await on.reads("items/amber", LINES.upper().replace("LINE 1\n", "FIRST\n", 1) + "insisted\n")
        await on.comes_to("Ready for review")
        await on.say("/aurora fix put up a sign", number=pull["number"])
        await on.reads("items/amber.sign", "sign\n")
        await on.say("@aurora-dev please hang up a lamp too", by="carol", number=pull["number"])
        await on.reads("items/amber.lamp", "lamp\n")
        await on.comes_to("Ready for review")

        async def asked_again() -> Any:
            return [one["login"] for one in (await on.pull())["requested_reviewers"]] == ["carol"]

        await on.until(asked_again, "carol is asked to look again")
        await on.review("APPROVE", "Fine.")
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=2, reply=5, edited=1)
        assert await on.reactions(await on.found("/aurora merge")) == ["eyes"]
        assert await on.reactions(await on.found("/aurora cancel")) == []
        assert set(await on.reactions(await on.found("/aurora pause"))) == {"+1"}
        first, second = await on.pull(), await on.pull(2)
        assert (first["merged"], second["merged"]) == (True, True)
        assert await on.kinds(first["number"]) == {"answers": 2}
        assert await on.kinds(second["number"]) == {}
        replies = list((await on.threads(first["number"])).values())
        assert [len(said) for said in replies] == [1] * (TWELVE - 1) + [2, 1]
        assert all(said[0].endswith(f": line {n} is upper case.") for n, said in enumerate(replies[:-2], 1))
        assert replies[-2][0] == "I left this as it is: the last line is read by others."
        assert replies[-2][1].startswith("Done in ")
        assert replies[-2][1].endswith(": as you insist.")
        assert [await on.file(f"items/amber{end}") for end in ("", ".sign", ".lamp")] == [None] * 3


class Birch:
    """The plan is made anew with a person's words, then by an edit of the issue, and approved by its box."""

    repository = "acme/plant"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("birch", plan=self.plan, generate=self.generate)

    def plan(self, asked: Asked) -> Any:
        """Plan as the words want it."""
        first = planned("birch", "items/birch")
        return {"tasks": [first] if "all at once" in asked.text else [first, planned("bark", "items/bark")]}

    def generate(self, asked: Asked) -> Any:
        """Add what the task is about."""
        name = "bark" if "The work of bark." in asked.text else "birch"
        return writes({f"items/{name}": f"{name}\n"}, f"Added {name}.")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open("Please add birch and bark.")
        await on.answered("### The plan")
        await on.labelled("aurora: waiting")
        self.early = await on.say("/aurora merge")
        await on.answered("There is no pull request yet")
        await on.say("/aurora revise do it all at once")
        await on.answered("### The plan, made anew")
        await on.change(body="Please add birch.")
        await on.answered("### The plan, made anew", times=2)
        await on.labelled("aurora: waiting")
        old, _, last = [one for one in await on.comments() if "aurora:plan" in one["body"]]
        await on.change_comment(old["id"], old["body"].replace("- [ ] ", "- [x] "))
        await on.change_comment(last["id"], last["body"].replace("- [ ] ", "- [x] "), by="carol")
        await on.comes_to("Ready for review")
        await on.say("/aurora merge", number=(await on.pull())["number"])
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1, plan=3, answer=1)
        assert (await on.pull())["merged"]
        assert (await on.file("items/birch"), await on.file("items/bark")) == ("birch\n", None)
        assert len([one for one in self.part.asked if one.step == "generate"]) == 1


class Cedar:
    """A plan is approved by a command; its branch is deleted; the label is put on again, and the next run is merged."""

    repository = "acme/plant"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("cedar")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.answered("### The plan")
        await on.reacted(await on.say("/aurora approve", by="eve"), "eyes")
        await on.say("/aurora approve", by="carol")
        await on.comes_to("Ready for review")
        await on.do("delete", f"/git/refs/heads/aurora/{on.number}.1")
        await on.comes_to("Cancelled")
        await on.do("delete", f"/issues/{on.number}/labels/aurora")
        await on.do("post", f"/issues/{on.number}/labels", ["aurora"])
        await on.comes_to("Waiting for a person", run=2)
        await on.say("@aurora-dev, go ahead!")
        await on.comes_to("Ready for review", run=2)
        await on.review("APPROVE", run=2)
        await on.merged(run=2)

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=2, plan=2)
        pulls = [await on.pull(run) for run in (1, 2)]
        assert [(pull["state"], pull["merged"]) for pull in pulls] == [("closed", False), ("closed", True)]
        assert await on.file("items/cedar") == "cedar\n"


class Dogwood:
    """An issue that says nothing gets questions; it is cancelled while the model thinks."""

    repository = "acme/shop"

    def __init__(self) -> None:
        """Script the model."""
        self.held = Held()
        self.part = scripted("dogwood", generate=lambda _: self.held.until_freed(""))

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open("", title="dogwood")
        await on.answered("### Questions")
        await on.say("No idea, sorry.", by="eve")
        await on.say("Add dogwood to items/dogwood.")
        await self.held.asked.wait()
        await on.say("/aurora cancel")
        await on.comes_to("Cancelled")
        await on.say("/aurora status", by="carol")
        await on.answered("### Cancelled")

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("open", progress=1, questions=1, reply=1)
        assert await on.reactions(await on.found("No idea, sorry.")) == []
        assert await on.look(f"/branches/aurora/{on.number}.1") is None


class Elm:
    """Two attempts fail and a person is asked; a hint helps; another app's check fails, is mended, and awaited."""

    repository = "acme/shop"
    other_app = "Gardener"

    def __init__(self) -> None:
        """Script the model."""
        self.other: Any = None
        self.part = scripted("elm", generate=self.generate)

    def generate(self, asked: Asked) -> Any:
        """Do it wrongly, until there is a hint."""
        if "leaves are missing" in asked.text:
            return writes({"items/elm": "elm with leaves\n"}, "C1 done: it has leaves")
        if "without that word" in asked.text:
            return writes({"items/elm": "elm\n"}, "Added elm.")
        return writes({"items/elm": f"wrong {asked.attempt}\n"}, "Added elm.")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.comes_to("This needs a person")
        await on.say("/aurora explain tests", by="carol")
        await on.answered("The tests were run")
        await on.say("/aurora retry t7")
        await on.answered("hasn't failed. To try again: `/aurora retry t1`.")
        await on.say("/aurora fix do it without that word")
        await on.comes_to("Ready for review")
        pull = await on.pull()
        said = {"title": "Bare", "summary": "The leaves are missing."}
        await self.other.check(pull["head"]["sha"], "garden", "failure", output=said)
        await on.reads("items/elm", "elm with leaves\n")
        await on.comes_to("Ready for review")
        running = await self.other.check((await on.pull())["head"]["sha"], "garden", None)
        await on.review("APPROVE")
        await on.waits("It is merged as soon as")
        await self.other.finish(running["id"], "success")
        on.events += 3
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1, escalation=1, reply=1, answer=1)
        pull = await on.pull()
        assert pull["merged"]
        assert await on.kinds(pull["number"]) == {"answers": 1}
        assert await on.file("items/elm") == "elm with leaves\n"


class Fir:
    """A person pushes to the branch, the base moves, and the branch is brought up to date at somebody's word."""

    repository = "acme/shop"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("fir")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.comes_to("Ready for review")
        await on.checked(await on.push("items/fir.cone", "cone\n", f"aurora/{on.number}.1"))
        await on.rests()
        pull = (await on.pull())["number"]
        await on.say("/aurora rebase", number=pull)
        await on.answered("The branch has everything", number=pull)
        await on.push("items/new", "new\n", "main", by="alice")
        await on.say("/aurora rebase")
        await on.reads("items/new", "new\n")
        await on.checked((await on.pull())["head"]["sha"])
        await on.rests()
        await on.review("APPROVE")
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1)
        pull = await on.pull()
        assert pull["merged"]
        assert await on.kinds(pull["number"]) == {"answer": 1}
        assert [await on.file(f"items/{name}") for name in ("fir", "fir.cone", "new")] == ["fir\n", "cone\n", "new\n"]


class Ginkgo:
    """The base changes the same lines: the model joins both, and a person looks at that."""

    repository = "acme/plant"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("ginkgo", generate=self.generate, merge=self.merge)

    def generate(self, _: Asked) -> Any:
        """Add a line."""
        return writes({"items/first": "1\nginkgo\n"}, "Added ginkgo.")

    def merge(self, _: Asked) -> Any:
        """Keep both lines."""
        return {"files": [{"path": "items/first", "content": "1\ntheirs\nginkgo\n"}]}

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.answered("### The plan")
        await on.say("/aurora approve")
        await on.comes_to("Ready for review")
        await on.push("items/first", "1\ntheirs\n", "main", by="alice")
        number = (await on.pull())["number"]
        await on.say("/aurora merge", by="carol", number=number)
        await on.waits("write that again")
        await on.say("/aurora merge", by="carol", number=number)
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1, plan=1)
        assert (await on.pull())["merged"]
        assert await on.file("items/first") == "1\ntheirs\nginkgo\n"
        assert len([one for one in self.part.asked if one.step == "merge"]) == 1


class Hazel:
    """The pull request is closed by hand, opened again, and merged."""

    repository = "acme/shop"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("hazel")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.comes_to("Ready for review")
        pull = f"/pulls/{(await on.pull())['number']}"
        await on.do("patch", pull, {"state": "closed"})
        await on.comes_to("Cancelled")
        await on.do("patch", pull, {"state": "open"})
        await on.comes_to("Ready for review")
        await on.review("APPROVE")
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1)
        assert (await on.pull())["merged"]
        assert await on.file("items/hazel") == "hazel\n"


class Ivy:
    """The label is taken off while it is built."""

    repository = "acme/shop"

    def __init__(self) -> None:
        """Script the model."""
        self.held = Held()
        self.part = scripted("ivy", generate=lambda _: self.held.until_freed(""))

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await self.held.asked.wait()
        await on.do("delete", f"/issues/{on.number}/labels/aurora", by="carol")
        await on.comes_to("Cancelled")
        await on.say("/aurora merge")
        await on.answered("This run was cancelled.")

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        assert await on.labels() == set()
        assert await on.kinds() == {"progress": 1, "answer": 1}
        assert (await on.issue())["state"] == "open"


class Juniper:
    """The repository is renamed, and the issue closed while its pull request waits."""

    repository = "acme/plant"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("juniper")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.answered("### The plan")
        await on.say("/aurora approve")
        await on.comes_to("Ready for review")
        await on.stack.person.patch(on.path, {"name": "garden"})
        on.events += 1
        await on.change(state="closed")
        await on.comes_to("Cancelled")
        await on.say("/aurora help")
        await on.answered("What I listen to")

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", progress=1, plan=1, reply=1)
        pull = await on.pull()
        assert (pull["state"], pull["merged"]) == ("open", False)
        assert await on.file("items/juniper", f"aurora/{on.number}.1") == "juniper\n"


class Kapok:
    """The cap is set too low, and raised."""

    repository = "acme/shop"

    def __init__(self) -> None:
        """Script the model."""
        self.held = Held()
        self.part = scripted(
            "kapok", generate=lambda _: self.held.until_freed(writes({"items/kapok": "kapok\n"}, "Added kapok."))
        )

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await self.held.asked.wait()
        await on.say("/aurora budget lots")
        await on.answered("I can't read")
        await on.say("/aurora budget 0.001")
        await on.waits("of $0.0010")
        self.held.free.set()
        await on.comes_to("Paused")
        await on.say("/aurora budget 2")
        await on.comes_to("Ready for review")
        await on.review("APPROVE")
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1, reply=1, paused=1)
        assert await on.reactions(await on.found("/aurora budget lots")) == ["confused"]
        assert (await on.pull())["merged"]
        assert await on.file("items/kapok") == "kapok\n"


class Larch:
    """Every attempt fails; the button of the failing check has it tried again, and a check is run once more."""

    repository = "acme/shop"

    def __init__(self) -> None:
        """Script the model."""
        self.part = scripted("larch", generate=self.generate)

    def generate(self, asked: Asked) -> Any:
        """Do it rightly at the third time."""
        tries = sum(one.step == "generate" for one in self.part.asked)
        return writes({"items/larch": f"wrong {tries}\n" if tries < 3 else "larch\n"}, "Added larch.")

    async def play(self, on: Issue) -> None:
        """Play it."""
        await on.open()
        await on.comes_to("This needs a person")
        head = (await on.see(f"/branches/aurora/{on.number}.1"))["commit"]["sha"]
        tests = await on.check(head, "aurora / tests")
        button = {"identifier": "retry"}
        await on.do("post", f"/check-runs/{tests['id']}/requested_action", button, by="carol")
        await on.comes_to("Ready for review")
        head = (await on.pull())["head"]["sha"]
        tests = await on.check(head, "aurora / tests")
        await on.do("post", f"/check-runs/{tests['id']}/rerequest")

        async def again() -> Any:
            found = await on.see(f"/commits/{head}/check-runs", check_name="aurora / tests", filter="all")
            return len(found["check_runs"]) == 2 and all(one["conclusion"] == "success" for one in found["check_runs"])

        await on.until(again, "the tests once more")
        await on.review("APPROVE")
        await on.merged()

    async def seen(self, on: Issue) -> None:
        """Compare with what a person would expect."""
        await on.stands("closed", "aurora: done", progress=1, escalation=1)
        assert (await on.pull())["merged"]
        assert await on.file("items/larch") == "larch\n"


STORIES: tuple[type[Any], ...] = (Amber, Birch, Cedar, Dogwood, Elm, Fir, Ginkgo, Hazel, Ivy, Juniper, Kapok, Larch)
