"""Read what git says of the difference between two trees: no process is started here."""

import re
from collections.abc import Iterator

from app.domain.ports import Change

# One command gives both parts: `--raw` names the paths safely, the patch has the lines.
DIFF = (
    "--raw",
    "-z",
    "-p",
    "-U0",
    "-M",
    "--text",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--abbrev=40",
)

_HUNK = re.compile(rb"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_SECTION = re.compile(rb"^diff --git ", re.MULTILINE)


def parse(output: bytes) -> list[Change]:
    """Turn the output of `git diff` with the options `DIFF` into changes, sorted by path.

    A renamed file is two changes, D for where it was and R for where it is, so that nothing can be
    moved out of a protected place unseen.
    """
    raw, _, patch = output.partition(b"\0\0")
    sections = _sections(patch)
    changes: list[Change] = []
    for status, paths in _entries(raw):
        lines = _lines(next(sections, b""))
        if status == "T":  # another kind of file: git writes it as a deletion and an addition
            lines = _lines(next(sections, b""))
        if status == "R":
            changes.append(Change(paths[0], "D"))
        kept = frozenset() if status == "D" else lines
        changes.append(Change(paths[-1], "M" if status == "T" else status, kept))
    return sorted(changes, key=lambda change: change.path)


def _entries(raw: bytes) -> Iterator[tuple[str, list[str]]]:
    fields = iter(raw.decode("utf-8", "replace").split("\0"))
    for description in fields:
        if not description:
            continue
        status = description.rsplit(" ", 1)[1][0]
        yield status, [next(fields) for _ in range(2 if status == "R" else 1)]


def _sections(patch: bytes) -> Iterator[bytes]:
    # Every line of content starts with "+", "-" or "\\", so only git itself can begin a line with "diff".
    return iter(_SECTION.split(patch)[1:])


def _lines(section: bytes) -> frozenset[int]:
    return frozenset(
        line
        for start, count in _HUNK.findall(section)
        for line in range(int(start), int(start) + (int(count) if count else 1))
    )
