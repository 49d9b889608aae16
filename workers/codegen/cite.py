"""Say where a memory comes from: a file that the words are about, and a definition in it that they name."""

from collections.abc import Sequence
from uuid import UUID

from app.domain.memory import Source
from app.domain.ports import Clone
from app.domain.task import WILD
from workers.codegen.instructions import as_text
from workers.codegen.repository_map import in_footprint, mentions, outline, tested_stem


async def cite(clone: Clone, commit: str, paths: Sequence[str], text: str, *, project: UUID, task: str = "") -> Source:
    """Return the source of `text`: of the paths the first that it names, else one that is no test.

    Without a path the source is incomplete, and what cites it isn't kept.
    """
    present = frozenset(await clone.files(commit))
    known = [path for path in paths if path in present] or sorted(path for path in present if in_footprint(path, paths))
    new = [path for path in paths if not WILD.search(path)]
    file = min(known or new, key=lambda path: (path not in text, tested_stem(path) is not None), default="")
    code = as_text(await clone.read(commit, file)) if file in present else None
    return Source(file, commit, project, task, _definition(file, code, text) if code else None)


def _definition(path: str, code: str, text: str) -> str | None:
    """Return the first definition of a file that a text names."""
    named = mentions(text)
    return next((part.name for part in outline(path, code) if part.name in named), None)
