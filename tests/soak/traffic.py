"""The work of a soak: people who file issues and talk about them, and a model that answers some requests badly."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from app.errors import ForgeError, Transient
from tests.crash.invariants import TimedDouble
from tests.e2e.team import Asked, approves, learns, planned, requirements, writes
from workers.local.person import HubPerson

KIND = re.compile(r"Make number (\d+) \((\w+)\)")
MEMORY = re.compile(r"^\[M\d+\].*$", re.MULTILINE)  # of other issues, which have such titles too
# By the word in the title: how many such issues there are in ten, and the statuses that they may end in undisturbed.
KINDS: Mapping[str, tuple[int, frozenset[str]]] = {
    "plain": (3, frozenset({"merged"})),
    "chain": (3, frozenset({"merged"})),
    "retry": (2, frozenset({"merged"})),
    "never": (1, frozenset({"escalated"})),
    "vague": (1, frozenset({"waiting"})),
}
MOST_LIVE = 6  # issues that nobody has settled yet
PAUSE = 4.0  # seconds between two issues, about
TALK = 5.0  # seconds between two words about an issue, about
# What is said about issues, of which some end otherwise then; the empty one closes the issue.
WORDS = (
    "/aurora status",
    "/aurora explain",
    "/aurora pause",
    "/aurora resume",
    "/aurora resume",
    "/aurora fix Add the wish part.",
    "/aurora retry",
    "/aurora revert",
    "/aurora cancel",
    "",
)
RECENT = 6  # issues that people still talk about


@dataclass
class Moody(TimedDouble):
    """A model's server on bad days: slow, refusing, talking nonsense."""

    dice: random.Random = field(default_factory=random.Random)
    rate: float = 0.0
    moods: Counter[str] = field(default_factory=Counter)

    async def complete(self, request: web.Request) -> web.Response:
        """Answer one request, or don't."""
        await request.read()  # whoever hangs up meanwhile has not asked
        await asyncio.sleep(self.dice.uniform(0.05, 0.8))
        if self.dice.random() >= self.rate:
            return await super().complete(request)
        mood = self.dice.choice(list(MOODS))
        self.moods[mood] += 1
        return await MOODS[mood](self, request)

    async def answer_anyway(self, request: web.Request, said: str) -> web.Response:
        """Answer, and be paid, with something that nobody can use."""
        step = request.headers["X-Aurora-Step"]
        kept = self.answers[step]
        self.answers[step] = lambda _: said
        try:
            return await super().complete(request)
        finally:
            self.answers[step] = kept


async def _refuse(_: Moody, request: web.Request) -> web.Response:
    return web.json_response({"error": {"message": "Rate limit reached"}}, status=429, headers={"retry-after": "1"})


async def _break(_: Moody, request: web.Request) -> web.Response:
    return web.Response(status=500, text="upstream connect error")


async def _hang_up(_: Moody, request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _dawdle(model: Moody, request: web.Request) -> web.Response:
    await asyncio.sleep(8.0)
    return await TimedDouble.complete(model, request)


async def _ramble(model: Moody, request: web.Request) -> web.Response:
    return await model.answer_anyway(request, 'As I was saying, {"requirements": [')


async def _say_nothing(model: Moody, request: web.Request) -> web.Response:
    return await model.answer_anyway(request, "")


MOODS: Mapping[str, Callable[[Moody, web.Request], Awaitable[web.Response]]] = {
    "model refuses (429)": _refuse,
    "model breaks (500)": _break,
    "model hangs up": _hang_up,
    "model takes 8 s": _dawdle,
    "model rambles": _ramble,
    "model says nothing": _say_nothing,
}


def answers() -> dict[str, Callable[[Asked], Any]]:
    """Return what the model says, by step; what is wanted stands in the issue's title."""
    return {
        "parse": _parse,
        "plan": _plan,
        "generate": _generate,
        "review": approves,
        "reflect": learns,
    }


def _parse(asked: Asked) -> Any:
    number, kind = _wanted(asked)
    if kind == "vague":
        return {"requirements": [], "questions": ["Which number is meant?"]}
    return requirements(f"Make number {number} ({kind})")


def _plan(asked: Asked) -> Any:
    number, kind = _wanted(asked)
    made = [_task(number, kind, "first")]
    if kind == "chain":
        made.append(_task(number, kind, "second", after=("first",)))
        made.append(_task(number, kind, "beside"))
    return {"tasks": made}


def _task(number: str, kind: str, part: str, after: tuple[str, ...] = ()) -> dict[str, Any]:
    task = planned(part, f"numbers/{number}-{part}", after=after)
    return {**task, "description": f"Make number {number} ({kind}), its {part} part."}


def _generate(asked: Asked) -> Any:
    number, kind = _wanted(asked)
    part = next((part for part in ("second", "beside", "first") if f"its {part} part" in asked.text), "wish")
    wrong = kind == "never" or (kind == "retry" and asked.attempt == 1)
    content = f"wrong {asked.attempt}\n" if wrong else f"{number}\n"
    return writes({f"numbers/{number}-{part}": content}, f"Made {number}, {part}.")


def _wanted(asked: Asked) -> tuple[str, str]:
    found = KIND.search(MEMORY.sub("", asked.text))
    assert found is not None, "the title is in every prompt"
    return found[1], found[2]


@dataclass(frozen=True)
class End:
    """How a run of an issue ended."""

    repository: str
    issue: int
    run: int
    title: str
    status: str
    reason: str | None

    @property
    def kind(self) -> str:
        """Return the word in the title."""
        return self.title.rpartition("(")[2].rstrip(")")

    def __str__(self) -> str:
        return f"{self.repository}#{self.issue} run {self.run} ({self.kind}): {self.status}: {self.reason}"


def otherwise(ends: Iterable[End], talked: Container[tuple[str, int]]) -> tuple[list[End], list[End]]:
    """Return the ends that aren't those of undisturbed work: what people had it do, and what nothing explains."""
    others = [end for end in ends if end.status not in KINDS[end.kind][1]]
    explained = [end for end in others if (end.repository, end.issue) in talked]
    return explained, [end for end in others if end not in explained]


@dataclass
class People:
    """Who files issues while the soak lasts, as far as the hub lets them."""

    person: HubPerson
    repositories: tuple[str, ...]
    dice: random.Random
    filed: Counter[str] = field(default_factory=Counter)
    issues: list[tuple[str, int]] = field(default_factory=list)
    talked: set[tuple[str, int]] = field(default_factory=set)  # about these; a word that got lost may have arrived

    async def talk(self) -> None:
        """Say something about one of the last issues, for ever."""
        while True:
            await asyncio.sleep(self.dice.uniform(0.5, 1.5) * TALK)
            if not self.issues:
                continue
            repository, number = self.dice.choice(self.issues[-RECENT:])
            words = self.dice.choice(WORDS)
            self.talked.add((repository, number))
            try:
                if words:
                    await self.person.comment(repository, number, words)
                else:
                    await self.person.patch(f"/repos/{repository}/issues/{number}", {"state": "closed"})
            except (Transient, ForgeError):
                self.filed["word lost"] += 1
            else:
                self.filed[words or "closed"] += 1

    async def file(self, live: Callable[[], Awaitable[int]]) -> None:
        """File issues for ever, as long as not too many are under way."""
        bag = [kind for kind, (share, _) in KINDS.items() for _ in range(share)]
        number = 0
        while True:
            await asyncio.sleep(self.dice.uniform(0.5, 1.5) * PAUSE)
            if await live() >= MOST_LIVE:
                continue
            number += 1
            kind = self.dice.choice(bag)
            repository, title = self.dice.choice(self.repositories), f"Make number {number} ({kind})"
            try:
                issue = await self.person.open_issue(repository, title, "Please.", ["aurora"])
            except (Transient, ForgeError):  # it may be there all the same, or it may not
                self.filed["answer lost"] += 1
            else:
                self.filed[kind] += 1
                self.issues.append((repository, int(issue["number"])))
