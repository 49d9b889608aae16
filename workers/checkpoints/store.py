"""Remembers what has been seen and judged, so that the same tree is never run twice."""

import hashlib
import json
import os
from collections import OrderedDict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)
_FORM = "1"  # of entries and of how they are judged
_IN_MEMORY = 500  # entries


def key(*parts: object) -> str:
    """Name an entry after all that it depends on."""
    return hashlib.sha256(json.dumps((_judges(), *parts), default=str).encode()).hexdigest()[:40]


@cache
def _judges() -> tuple[str, ...]:
    """Name what judges besides the repository's own tools: a newer one judges again."""
    return (_FORM, version("ruff"), version("ty"))


class Store:
    """Entries by key, in memory and as files."""

    def __init__(self, home: Path) -> None:
        """Keep files under `home`."""
        self._home = home
        self._recent: OrderedDict[str, BaseModel] = OrderedDict()

    def read(self, name: str, form: type[M]) -> M | None:
        """Return an entry; one that was cut short or has an older form is none."""
        known = self._recent.get(name)
        if isinstance(known, form):
            self._recent.move_to_end(name)
            return known
        try:
            entry = form.model_validate_json(self._path(name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        self._remember(name, entry)
        return entry

    def write(self, name: str, entry: BaseModel) -> None:
        """Keep an entry."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.new")
        unfinished.write_text(entry.model_dump_json())
        unfinished.replace(path)
        self._remember(name, entry)

    def lock(self, name: str) -> Path:
        """Return where the lock is that an entry is made under."""
        return self._home / "locks" / f"{name}.lock"

    @property
    def home(self) -> Path:
        """Where the files are."""
        return self._home

    def _path(self, name: str) -> Path:
        return self._home / name[:2] / f"{name}.json"

    def _remember(self, name: str, entry: BaseModel) -> None:
        self._recent[name] = entry
        self._recent.move_to_end(name)
        while len(self._recent) > _IN_MEMORY:
            self._recent.popitem(last=False)


class Anew(Store):
    """Knows only what was written to it, which replaces what `known` has: for judging once more."""

    def __init__(self, known: Store) -> None:
        """Write through to `known`."""
        super().__init__(known.home)
        self._known = known

    def read(self, name: str, form: type[M]) -> M | None:
        """Return an entry that was written here."""
        entry = self._recent.get(name)
        return entry if isinstance(entry, form) else None

    def write(self, name: str, entry: BaseModel) -> None:
        """Keep an entry, here and for everybody."""
        self._known.write(name, entry)
        self._remember(name, entry)
