"""What a repository says to those who work on it, and the fence around everything that others wrote."""

import html
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from app.domain.ports import Clone

GUIDES = (
    "AGENTS.md",
    "CLAUDE.md",
    ".github/copilot-instructions.md",
    "CONTRIBUTING.md",
    ".github/CONTRIBUTING.md",
    "docs/CONTRIBUTING.md",
)
NEAR_GUIDE = "AGENTS.md"  # in any folder, for what is in it
MOST_NEAR = 3
BUDGET = 1_500  # tokens
CHARACTERS_PER_TOKEN = 3.5  # of code and English, in the tokenizers of the models in use
MARKER = re.compile(r"<(?=\s*/?\s*(?:material|issue|task|concern)\b)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
BINARY_PROBE = 8_000  # bytes; git looks as far


def tokens(text: str) -> int:
    """Estimate how many tokens a text makes."""
    return -int(-len(text) // CHARACTERS_PER_TOKEN)


def characters(budget_tokens: int) -> int:
    """Estimate how many characters fit into a number of tokens."""
    return max(0, int(budget_tokens * CHARACTERS_PER_TOKEN))


def fence(path: str, text: str, tag: str = "material", **attributes: str) -> str:
    """Wrap a text that others wrote, so that nothing in it can end the wrapping or begin another."""
    named = {"path": path, **attributes} if path else attributes
    labels = "".join(f' {name}="{_label(value)}"' for name, value in named.items())
    body = MARKER.sub("&lt;", text.replace("\0", "")).strip("\n")
    return f"<{tag}{labels}>\n{body}\n</{tag}>"


def _label(value: str) -> str:
    return html.escape(CONTROL.sub("\N{REPLACEMENT CHARACTER}", value.replace("\n", " ")))


def cut(text: str, limit: int) -> str:
    """Keep the lines at the start of a text that fit into `limit` characters; say what is missing."""
    if len(text) <= limit:
        return text
    lines = text.splitlines()
    kept, used = 0, 0
    for line in lines:
        used += len(line) + 1
        if used > limit - 24:  # room for the last line
            break
        kept += 1
    if not kept:  # one endless line
        return f"{text[: max(0, limit - 2)]} …"
    return "\n".join([*lines[:kept], f"… ({len(lines) - kept} more lines)"])


def as_text(content: bytes | None) -> str | None:
    """Return a file's text, or None where there is no file or it isn't text."""
    if content is None or b"\0" in content[:BINARY_PROBE]:
        return None
    return content.decode(errors="replace")


async def instructions(clone: Clone, commit: str, budget_tokens: int = BUDGET, footprint: Sequence[str] = ()) -> str:
    """Return the repository's own guidance, each file fenced and all of it bounded; "" when it has none.

    What stands nearer to the files of the footprint comes first: it is said of them, and counts more.
    """
    present = set(await clone.files(commit))
    left, seen, parts = characters(budget_tokens), set[str](), list[str]()
    for path in (*_near(present, footprint), *GUIDES):
        text = as_text(await clone.read(commit, path)) if path in present else None
        if text is None or not text.strip() or text in seen:  # one guide is often a copy of another
            continue
        seen.add(text)
        part = fence(path, cut(text.strip(), left - len(fence(path, ""))))
        if left < 200 or len(part) > left:
            break
        parts.append(part)
        left -= len(part)
    return "\n".join(parts)


def _near(present: Collection[str], footprint: Sequence[str]) -> list[str]:
    """Return the guides in the folders around the footprint's files, the innermost first."""
    places = [PurePosixPath(re.split(r"[*?\[]", path)[0]) for path in footprint]
    folders = {str(folder) for place in places for folder in (place, *place.parents)} - {"."}
    found = [guide for folder in folders if (guide := f"{folder}/{NEAR_GUIDE}") in present]
    return sorted(found, key=lambda path: (-path.count("/"), path))[:MOST_NEAR]
