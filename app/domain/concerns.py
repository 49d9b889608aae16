"""Concerns: what people or other apps want changed in a pull request, and what became of each. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from pydantic import BaseModel, ConfigDict

MARK = re.compile(r"^\W*C(\d{1,3})\W+(done|no)\b[\s:;,.*_\u2013\u2014-]*(.*)$", re.IGNORECASE)


class ConcernKind(StrEnum):
    """Where a concern was raised, which is where it is answered."""

    thread = "thread"  # on lines of the pull request
    review = "review"  # the text of a review
    command = "command"  # `/aurora fix`, or words to the app in a comment
    check = "check"  # a failing check of another app, or of ours where somebody pressed its button


class Suggestion(BaseModel):
    """What somebody wrote to stand in the place of some lines, as it is."""

    model_config = ConfigDict(frozen=True)

    first: int  # lines, 1-based, both included
    last: int
    commit: str  # whose lines these are
    text: str  # line feeds between lines, none at the end; empty: one empty line
    deletes: bool = False  # nothing stands there any more


class Concern(BaseModel):
    """One thing that is to be changed, or answered with a reason."""

    model_config = ConfigDict(frozen=True)

    kind: ConcernKind
    id: int  # of the thread's last comment, the review, the comment, or the check run
    author: str
    text: str
    thread: int | None = None  # the first comment of the thread that is answered
    path: str = ""
    line: int | None = None
    start_line: int | None = None  # where it is about several lines
    before: str = ""  # what was said in the thread before
    suggestion: Suggestion | None = None  # where that is all that its last words are

    @property
    def place(self) -> str:
        """Where it is: a path with lines, as far as they are known."""
        first = f"{self.start_line}-" if self.start_line and self.start_line != self.line else ""
        return f"{self.path}:{first}{self.line}" if self.path and self.line else self.path

    @property
    def key(self) -> str:
        """What is the same for the same concern, whenever it is gathered."""
        said = f".{sha256(self.text.encode()).hexdigest()[:12]}" if self.kind is ConcernKind.command else ""
        return f"{self.kind}.{self.id}{said}"  # an edit may add a wish to a comment that has one


@dataclass(frozen=True)
class Verdict:
    """What an agent says it did about a concern."""

    done: bool
    words: str


def verdicts(summary: str, concerns: Sequence[Concern]) -> dict[str, Verdict]:
    """Read, from an agent's summary, a line for each concern: `C1 done: how` or `C1 no: why`; by `Concern.key`.

    What isn't named counts as done: the whole change was made for it.
    """
    said = {int(found[1]): Verdict(found[2].lower() == "done", found[3].strip()) for found in _lines(summary)}
    return {one.key: said.get(number, Verdict(True, "")) for number, one in enumerate(concerns, 1)}


def declined(summary: str, concerns: Sequence[Concern]) -> bool:
    """Tell whether the agent gave a reason against every single concern, so that no change is to be expected."""
    said = {int(found[1]): found for found in _lines(summary)}
    return bool(concerns) and all(
        number in said and said[number][2].lower() == "no" and said[number][3].strip()
        for number in range(1, len(concerns) + 1)
    )


def title(concerns: Sequence[Concern], limit: int = 80) -> str:
    """Name in one line, of at most `limit` characters, what answers these concerns."""
    if len(concerns) > 1:
        return f"Address {len(concerns)} remarks"
    text, is_check = concerns[0].text.strip(), concerns[0].kind is ConcernKind.check
    words = " ".join((text.partition("\n")[0] if is_check else text).split())  # a check's first line names it
    return words if len(words) <= limit else f"{words[: limit - 2]} …"


def narrative(summary: str) -> str:
    """Return an agent's summary without its lines about concerns, whose numbers mean nothing elsewhere."""
    return "\n".join(line for line in summary.splitlines() if not MARK.match(line.strip())).strip()


def _lines(summary: str) -> list[re.Match[str]]:
    return [found for line in summary.splitlines() if (found := MARK.match(line.strip()))]
