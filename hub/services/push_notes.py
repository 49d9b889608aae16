"""Notes of refs about to move, so that what follows a move follows it after a crash as well."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from hub.auth import Actor
from hub.repository import ZERO
from hub.services.accounts import person_of
from hub.store import Row


@dataclass(frozen=True, slots=True)
class RefChange:
    """One ref that moves; ZERO stands for not being there."""

    ref: str
    old: str
    new: str

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None

    @property
    def created(self) -> bool:
        return self.old == ZERO

    @property
    def deleted(self) -> bool:
        return self.new == ZERO


@dataclass(frozen=True, slots=True)
class Note:
    """Two files: who moves refs, written first, and which refs have moved or are about to."""

    moves: Path

    @property
    def mover(self) -> Path:
        return self.moves.with_suffix(".json")

    def write(self, changes: list[RefChange]) -> None:
        """Write down the moves as git's post-receive hook would."""
        self.moves.write_text("".join(f"{one.old} {one.new} {one.ref}\n" for one in changes))

    def changes(self) -> list[RefChange]:
        """Read which refs have moved; nothing was written when a push was refused."""
        lines = (line.split() for line in self.moves.read_text().splitlines()) if self.moves.exists() else ()
        return [RefChange(ref, old, new) for old, new, ref in lines]

    def who(self) -> tuple[int, int]:
        """Read the ids of the repository and of the account that moved its refs."""
        known = json.loads(self.mover.read_text())
        return known["repository_id"], known["account_id"]

    def forget(self) -> None:
        self.moves.unlink(missing_ok=True)
        self.mover.unlink(missing_ok=True)


def begin(directory: Path, repo: Row, actor: Actor) -> Note:
    """Write down who is about to move refs of which repository."""
    note = Note(directory / f"{uuid.uuid4()}.push")
    who = {"repository_id": repo["id"], "account_id": person_of(actor)["id"]}
    note.mover.write_text(json.dumps(who))
    return note


def leftovers(directory: Path) -> list[Note]:
    """Find the notes of a process that was killed; clear away those of moves that never began."""
    notes = [Note(moves) for moves in sorted(directory.glob("*.push"), key=lambda path: path.stat().st_mtime_ns)]
    kept = {path for note in notes for path in (note.moves, note.mover)}
    for rest in set(directory.iterdir()) - kept:
        rest.unlink()
    return notes
