"""What an afternoon of a team is made of: its repositories, its people, a model that knows each issue, and waiting."""

import asyncio
import base64
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from app.errors import NotFound
from tests.e2e.team import Asked, ModelDouble, learns, planned, requirements, writes
from workers.local.person import HubPerson
from workers.local.stack import Stack

CHECKS = """\
merge: on-approval
max_attempts: 2
checkpoints:
  types: "true"
  lint: "! grep -rl untidy items"
  format: sh format.sh
  tests: sh check.sh
"""
FILES = {
    "items/first": "1\n",
    "check.sh": "! grep -rl wrong items\n",
    "format.sh": "for file in items/*; do sed -i s/untidy/tidy/ $file; done\n",
}
SHOP, PLANT = "acme/shop", "acme/plant"
REPOSITORIES = {
    "shop": {**FILES, ".github/aurora.yml": CHECKS},
    "plant": {**FILES, ".github/aurora.yml": CHECKS + "plan_approval: always\n"},
}
CHECKPOINTS = ("syntax", "types", "lint", "tests", "review")
PEOPLE = ("alice", "carol", "eve")
BOT = "aurora-dev[bot]"
SECONDS = 120.0  # that something may take, on a machine with other work
RESTING = """
    SELECT 1 FROM projects WHERE repository = $1 AND issue_number = $2 AND status = 'open'
    AND NOT EXISTS (SELECT FROM agent_messages WHERE correlation_id = projects.id AND handled_at IS NULL)
    AND NOT EXISTS (SELECT FROM leases WHERE subject = projects.id AND expires_at > now())
"""
MARK = re.compile(r"<!-- aurora:([a-z-]+)")


@dataclass
class Part:
    """What the model knows of one issue, which is known by a word in its title."""

    word: str
    answers: dict[str, Callable[[Asked], Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)


@dataclass
class Cast:
    """The model: to each request it answers as the issue that it is about has it."""

    parts: dict[str, Part] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Any:
        """Answer one request."""
        if asked.project not in self.projects:
            self.projects[asked.project] = next(word for word in self.parts if word in asked.text)
        part = self.parts[self.projects[asked.project]]
        part.asked.append(asked)
        return part.answers[asked.step](asked)

    def join(self, model: ModelDouble) -> None:
        """Have the double speak with this cast's words."""
        steps = ("parse", "plan", "generate", "review", "reflect", "merge")
        model.answers = dict.fromkeys(steps, self.answer)


@dataclass
class Issue:
    """One issue of the afternoon, and all that people do about it."""

    stack: Stack
    part: Part
    repository: str
    number: int = 0
    events: int = 0  # that people have caused

    # --- people

    def person(self, login: str) -> HubPerson:
        """Return somebody."""
        return self.stack.people[login]

    @property
    def path(self) -> str:
        """The address of the repository."""
        return f"/repos/{self.repository}"

    async def do(self, method: str, path: str, body: Any = None, *, by: str = "alice") -> Any:
        """Do something in the repository as somebody; it is one event."""
        self.events += 1
        act = getattr(self.person(by), method)
        return await (act(f"{self.path}{path}") if method == "delete" else act(f"{self.path}{path}", body or {}))

    async def open(self, body: str = "Please.", *, title: str = "", by: str = "alice") -> None:
        """Open the issue with its label."""
        issue = {"title": title or f"Add {self.part.word}", "body": body, "labels": ["aurora"]}
        made = await self.do("post", "/issues", issue, by=by)
        self.number = made["number"]

    async def say(self, words: str, by: str = "alice", number: int | None = None) -> int:
        """Comment on the issue, or on the pull request `number`; return the comment's id."""
        made = await self.do("post", f"/issues/{number or self.number}/comments", {"body": words}, by=by)
        return int(made["id"])

    async def change_comment(self, comment: int, body: str, by: str = "alice") -> None:
        """Edit a comment."""
        await self.do("patch", f"/issues/comments/{comment}", {"body": body}, by=by)

    async def change(self, by: str = "alice", **fields: Any) -> None:
        """Change the issue."""
        await self.do("patch", f"/issues/{self.number}", fields, by=by)

    async def review(self, event: str, words: str = "", *, by: str = "carol", comments: Any = (), run: int = 1) -> None:
        """Review the pull request as it is now."""
        pull = await self.pull(run)
        review = {"event": event, "body": words, "commit_id": pull["head"]["sha"], "comments": list(comments)}
        await self.do("post", f"/pulls/{pull['number']}/reviews", review, by=by)

    async def push(self, path: str, text: str, branch: str, by: str = "carol") -> str:
        """Commit a file on a branch; return the commit."""
        content = base64.b64encode(text.encode()).decode()
        change: dict[str, Any] = {"message": f"Write {path}", "content": content, "branch": branch}
        found = await self.look(f"/contents/{path}", ref=branch)
        if found is not None:
            change["sha"] = found["sha"]
        made = await self.do("put", f"/contents/{path}", change, by=by)
        return str(made["commit"]["sha"])

    # --- what is to be seen

    async def see(self, path: str, **query: str) -> Any:
        """Return what the repository's REST address shows."""
        return await self.stack.person.get(f"{self.path}{path}", **query)

    async def look(self, path: str, **query: str) -> Any:
        """Return what an address shows, None where nothing is."""
        try:
            return await self.see(path, **query)
        except NotFound:
            return None

    async def issue(self) -> dict[str, Any]:
        """Return the issue."""
        found: dict[str, Any] = await self.see(f"/issues/{self.number}")
        return found

    async def labels(self) -> set[str]:
        """Return the names of its labels."""
        return {label["name"] for label in (await self.issue())["labels"]}

    async def pull(self, run: int = 1) -> dict[str, Any]:
        """Return the pull request of a run."""
        pulls = await self.see("/pulls", state="all", per_page="100")
        (found,) = [one for one in pulls if one["head"]["ref"] == f"aurora/{self.number}.{run}"]
        return await self.see(f"/pulls/{found['number']}")

    async def comments(self, number: int | None = None) -> list[dict[str, Any]]:
        """Return the comments of the issue, or of a pull request."""
        return await self.see(f"/issues/{number or self.number}/comments", per_page="100")

    async def ours(self, number: int | None = None) -> list[str]:
        """Return what the bot wrote there."""
        return [one["body"] for one in await self.comments(number) if one["user"]["login"] == BOT]

    async def kinds(self, number: int | None = None) -> Counter[str]:
        """Return how many comments of each kind the bot wrote there."""
        return Counter(MARK.search(body)[1] for body in await self.ours(number))  # type: ignore[index]

    async def reactions(self, comment: int) -> list[str]:
        """Return the reactions to a comment."""
        return [one["content"] for one in await self.see(f"/issues/comments/{comment}/reactions")]

    async def threads(self, number: int) -> dict[int, list[str]]:
        """Return what the bot replied in each thread of the pull request."""
        found: dict[int, list[str]] = {}
        for one in await self.see(f"/pulls/{number}/comments", per_page="100"):
            if one["user"]["login"] == BOT:
                found.setdefault(one["in_reply_to_id"], []).append(one["body"].partition("\n")[2])
        return found

    async def check(self, sha: str, name: str) -> dict[str, Any]:
        """Return the latest check run of a name."""
        (found,) = (await self.see(f"/commits/{sha}/check-runs", check_name=name))["check_runs"]
        return dict(found)

    async def file(self, path: str, ref: str = "main") -> str | None:
        """Return a file's text on a branch."""
        found = await self.look(f"/contents/{path}", ref=ref)
        return base64.b64decode(found["content"]).decode() if found else None

    # --- waiting

    async def until(self, condition: Callable[[], Awaitable[Any]], what: str = "") -> Any:
        """Wait until something is so; return what it said."""
        try:
            async with asyncio.timeout(SECONDS):
                while not (found := await condition()):
                    await asyncio.sleep(0.15)
                return found
        except TimeoutError:
            shown = "\n\n".join(await self.ours())
            raise AssertionError(f"{self.part.word} #{self.number}: {what or condition} never came.\n{shown}") from None

    async def progress(self, run: int = 1) -> str:
        """Return the headline of a run's progress comment."""
        found = [body for body in await self.ours() if "aurora:progress" in body]
        return found[run - 1].splitlines()[1].removeprefix("### ") if len(found) >= run else ""

    async def comes_to(self, headline: str, run: int = 1) -> None:
        """Wait until the progress comment of a run begins so."""

        async def so() -> bool:
            return (await self.progress(run)).startswith(headline)

        await self.until(so, f"“{headline}” of run {run}")

    async def answered(self, words: str, number: int | None = None, times: int = 1) -> None:
        """Wait until the bot has said these words so often, in comments that aren't edited."""

        async def so() -> bool:
            said = [body for body in await self.ours(number) if "aurora:progress" not in body]
            return sum(words in body for body in said) == times

        await self.until(so, f"{times} comments with “{words}”")

    async def waits(self, words: str) -> None:
        """Wait until the progress comment says something."""

        async def so() -> bool:
            return any("aurora:progress" in body and words in body for body in await self.ours())

        await self.until(so, f"“{words}” in the progress comment")

    async def stands(self, state: str, *labels: str, **kinds: int) -> None:
        """Check the issue's state, its labels beside `aurora`, and how many comments of which kind the bot wrote."""
        assert (await self.issue())["state"] == state
        assert await self.labels() == {"aurora", *labels}
        assert await self.kinds() == kinds

    async def reacted(self, comment: int, wanted: str) -> None:
        """Wait for a reaction to a comment."""

        async def so() -> bool:
            return wanted in await self.reactions(comment)

        await self.until(so, f"the reaction {wanted}")

    async def found(self, words: str) -> int:
        """Return the only comment of a person's that reads so."""
        (comment,) = [
            one["id"] for one in await self.comments() if one["body"] == words and one["user"]["login"] != BOT
        ]
        return int(comment)

    async def labelled(self, label: str) -> None:
        """Wait for a label."""

        async def so() -> bool:
            return label in await self.labels()

        await self.until(so, f"the label {label}")

    async def reads(self, path: str, text: str, branch: str = "") -> None:
        """Wait until a file on the bot's branch reads so."""

        async def so() -> bool:
            return await self.file(path, branch or f"aurora/{self.number}.1") == text

        await self.until(so, f"{path} as {text!r}")

    async def replied(self, number: int, threads: Mapping[int, int]) -> dict[int, list[str]]:
        """Wait until each thread has so many replies."""

        async def so() -> Any:
            found = await self.threads(number)
            return found if {thread: len(said) for thread, said in found.items()} == threads else None

        found: dict[int, list[str]] = await self.until(so, f"replies {threads}")
        return found

    async def checked(self, sha: str) -> dict[str, dict[str, Any]]:
        """Wait until the bot has said all of a commit; return its checks by name."""

        async def so() -> Any:
            runs = (await self.see(f"/commits/{sha}/check-runs", per_page="100"))["check_runs"]
            ours = {run["name"]: run for run in runs if run["app"]["slug"] == "aurora-dev"}
            ended = all(run["status"] == "completed" for run in ours.values())
            return ours if len(ours) == len(CHECKPOINTS) and ended else None

        found: dict[str, dict[str, Any]] = await self.until(so, f"all checks of {sha}")
        return found

    async def rests(self) -> None:
        """Wait until the run waits for people, and nothing is under way: its progress comment may be older."""
        connection = await asyncpg.connect(self.stack.environment["AURORA_DATABASE_URL"], timeout=10)
        try:
            await self.until(lambda: connection.fetchrow(RESTING, self.repository, self.number), "rest")
        finally:
            await connection.close()

    async def merged(self, run: int = 1) -> dict[str, Any]:
        """Wait until a run has come to its end in the base."""
        await self.comes_to("Merged in", run)
        return await self.pull(run)


def scripted(word: str, **answers: Callable[[Asked], Any]) -> Part:
    """Return a part that adds `items/<word>`, but where `answers` say otherwise."""
    usual: dict[str, Callable[[Asked], Any]] = {
        "parse": lambda _: requirements(f"Add {word}"),
        "plan": lambda _: {"tasks": [planned(word, f"items/{word}")]},
        "generate": lambda _: writes({f"items/{word}": f"{word}\n"}, f"Added {word}."),
        "review": lambda _: {"approved": True, "findings": []},
        "reflect": learns,
    }
    return Part(word, {**usual, **answers})
