"""One visit of an agent to a worktree: what is recorded of it, how far it got, and how it ended."""

from dataclasses import dataclass, field

from app.domain.ports import Call, Entry, EntryKind, Journal, WorkEnd, Worktree
from app.domain.roles import Role
from workers.agents.limits import Limits
from workers.agents.tools import Toolbox
from workers.llm.models import Model
from workers.llm.specs import Protocol

OPENING = "start"  # the first entry of a scope: the tree as the visit found it


class Unreplayable(Exception):
    """The journal doesn't fit what this version of the loop does; a new visit starts afresh."""


@dataclass
class Work:
    """One visit of an agent to a worktree: who, where, and how far it got."""

    call: Call
    journal: Journal
    worktree: Worktree
    toolbox: Toolbox
    role: Role
    model: Model
    limits: Limits
    recorded: list[Entry] = field(default_factory=list)
    position: int = 0  # of the next entry
    last_patch: bytes = b""
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0  # of model and tools, those replayed included
    bad: int = 0  # unusable answers in a row
    changed: bool = False  # some action touched files
    end: WorkEnd | None = None
    summary: str = ""

    async def open(self) -> None:
        """Read the journal and put the tree into the state that its last entry left.

        A model that is asked for code sees the files of the base only: what it writes goes into those, so that what
        an earlier visit got wrong doesn't pile up where the model can't see it.
        """
        self.recorded = await self.journal.read(self.call.scope)
        patches = [entry.patch for entry in self.recorded if entry.patch is not None]
        if patches:
            self.last_patch = patches[-1]
            await self.worktree.restore(self.last_patch)
            self.position = 1
            return
        if self.model.acting(self.model.manner) is Protocol.files:
            await self.worktree.restore(b"")
        self.last_patch = await self.worktree.patch()
        await self.record(Entry(EntryKind.tool, {"name": OPENING}, self.last_patch))

    def replayed(self, kind: EntryKind) -> Entry | None:
        """Return the next entry if it is recorded already."""
        if self.position >= len(self.recorded):
            return None
        entry = self.recorded[self.position]
        if entry.kind is not kind:
            raise Unreplayable
        self.position += 1
        self.seconds += float(entry.content.get("seconds", 0.0))
        return entry

    async def record(self, entry: Entry) -> None:
        """Append an entry at the next position."""
        await self.journal.append(self.call.scope, self.position, entry)
        self.position += 1

    def finish(self, end: WorkEnd, summary: str) -> None:
        """Remember how the work ended; the first end counts."""
        if self.end is None:
            self.end, self.summary = end, summary

    def over_limit(self) -> str:
        """Say which limit is used up, empty when none is."""
        if self.steps >= self.limits.steps:
            return f"{self.limits.steps} steps were not enough."
        if self.tokens >= self.limits.tokens:
            return f"{self.limits.tokens} tokens were not enough."
        if self.seconds >= self.limits.seconds:
            return f"{self.limits.seconds:.0f} seconds were not enough."
        return ""
