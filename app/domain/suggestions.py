"""Suggested changes: read from comments on lines as GitHub does, and put into files exactly as they are. Pure."""

import re
from collections.abc import Iterator, Sequence

from app.domain.concerns import Suggestion

FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*([^\r\n]*)$")
WORD = "suggestion"
SHA = re.compile(r"[0-9a-f]{40,64}")


def suggestion(body: str, first: int | None, last: int | None, commit: str) -> Suggestion | None:
    """Return the one suggestion in a comment on the lines `first` to `last`; None where there is none, or a choice."""
    blocks = [content for info, content in _blocks(body) if info.split()[:1] == [WORD]]
    if len(blocks) != 1 or last is None or not SHA.fullmatch(commit):
        return None
    first = first or last
    if not 1 <= first <= last:
        return None
    return Suggestion(first=first, last=last, commit=commit, text="\n".join(blocks[0]), deletes=not blocks[0])


def _blocks(body: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the closed fenced blocks of a comment: what stands after the opening fence, and the lines inside."""
    opened: tuple[int, str, str] | None = None  # indentation, fence, information
    inside: list[str] = []
    for line in re.split(r"\r\n|\r|\n", body):
        mark = FENCE.match(line)
        if opened is None:
            if mark and not (mark[2].startswith("`") and "`" in mark[3]):
                opened, inside = (len(mark[1]), mark[2], mark[3].strip()), []
        elif mark and mark[2].startswith(opened[1]) and not mark[3].strip():
            yield opened[2], inside
            opened = None
        else:
            margin = min(opened[0], len(line) - len(line.lstrip(" ")))
            inside.append(line[margin:])


def overlaps(one: Suggestion, other: Suggestion) -> bool:
    """Tell whether two suggestions for one file are about the same line."""
    return one.first <= other.last and other.first <= one.last


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines of a file with their ends, as git counts them."""
    *lines, rest = content.split(b"\n")
    return [*(line + b"\n" for line in lines), *([rest] if rest else [])]


def same_lines(one: Sequence[bytes], other: Sequence[bytes], what: Suggestion) -> bool:
    """Tell whether the lines that a suggestion is about are in both files, and the same."""
    there = one[what.first - 1 : what.last]
    return len(there) == what.last - what.first + 1 and there == other[what.first - 1 : what.last]


def applied(content: bytes, what: Suggestion) -> bytes:
    """Return a file with a suggestion in it; its line ends, and a missing one at the end of the file, are kept."""
    lines = lines_of(content)
    replaced = lines[what.first - 1 : what.last]
    if what.deletes:
        return b"".join([*lines[: what.first - 1], *lines[what.last :]])
    endings = [line for line in (*replaced, *lines) if line.endswith(b"\n")]
    end = b"\r\n" if endings and endings[0].endswith(b"\r\n") else b"\n"
    new = [line.encode("utf-8", "replace") + end for line in what.text.split("\n")]
    if not replaced[-1].endswith(b"\n"):
        new[-1] = new[-1].removesuffix(end)
    return b"".join([*lines[: what.first - 1], *new, *lines[what.last :]])
