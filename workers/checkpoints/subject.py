"""What is being judged, and what a reviewer should know of it before reading any verdict."""

from dataclasses import dataclass
from pathlib import Path

from app.domain.ports import Change, Clone
from workers.checkpoints import judges
from workers.checkpoints.environment import Environment
from workers.checkpoints.execution import read_report
from workers.checkpoints.snapshot import Snapshot

_LARGEST = 1_000_000  # bytes of a file that is looked into


@dataclass(frozen=True)
class Subject:
    """What is being judged: a tree, and what it differs in from its base."""

    base: Snapshot
    tree: str
    changes: tuple[Change, ...]
    environment: Environment
    problem: str = ""  # why the environment could not be installed

    @property
    def paths(self) -> tuple[str, ...]:
        """The changed files that are there."""
        return tuple(change.path for change in self.changes if change.status != "D")


def read_text(root: Path, path: str) -> str | None:
    """Return the text of a plain file of bearable size, or None; bytes that aren't UTF-8 stay as surrogates."""
    content = read_report(root / path, _LARGEST)
    return None if content is None else content.decode(errors="surrogateescape")


async def notes(subject: Subject, clone: Clone, root: Path) -> list[str]:
    """Tell what of the change edits its own judges, or needs what isn't installed."""
    edited: list[str] = []
    rewritten = [f"`{change.path}`" for change in subject.changes if judges.edits_tests(change.path, change.status)]
    declared: list[str] = []
    for change in subject.changes:
        before = await clone.read(subject.base.commit, change.path) if judges.is_mixed(change.path) else None
        after = read_text(root, change.path) or "" if judges.is_mixed(change.path) else ""
        edited += judges.edited(change.path, (before or b"").decode(errors="replace"), after)
        if judges.declares(change.path, (before or b"").decode(errors="replace"), after):
            declared.append(f"`{change.path}`")
    notes = [*subject.environment.notes]
    if edited:
        notes.append(f"This change edits what judges it: {', '.join(edited)}. Please look at that closely.")
    if rewritten:
        notes.append(f"This change edits tests that were there before: {', '.join(rewritten)}.")
    if declared:
        notes.append(
            f"This change declares other dependencies ({', '.join(declared)}). Those of the base are installed"
            " here until it is merged."
        )
    return notes
