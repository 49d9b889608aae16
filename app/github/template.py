"""A pull request in the form of the repository's own template: its headings stay, and what fits goes under them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.github.markdown import block

LARGEST_TEXT = 4_000  # characters of the template's own words under one heading


class Topic(StrEnum):
    """What a part of the text is about; a template may have a heading for it."""

    issue = "issue"
    description = "description"
    changes = "changes"
    tests = "tests"
    notes = "notes"


@dataclass(frozen=True)
class Part:
    """A part of the text. Where the template has no place for it, it follows under a title of its own."""

    topic: Topic | None  # None: templates have no place for it
    title: str  # "": it belongs to the part before
    text: str


@dataclass(frozen=True)
class Section:
    """A heading of the template, and the template's own words under it; what is before the first has none."""

    level: int
    title: str
    text: str


# A heading belongs to the first topic whose words it has; those of OTHER are for people to fill in.
WORDS = {
    None: re.compile(
        r"\b(type|kind)s? of\b|\bcheck ?list\b|\bscreen ?shots?\b|\bbreaking\b|\bchange ?log\b", re.IGNORECASE
    ),
    Topic.tests: re.compile(r"\b(tests?|tested|testing|verif\w+|validat\w+|qa)\b", re.IGNORECASE),
    Topic.issue: re.compile(r"\b(issues?|tickets?|closes|fixes|resolves|related|references?|linked)\b", re.IGNORECASE),
    Topic.notes: re.compile(r"\b(notes?|review\w*|additional|anything else|further)\b", re.IGNORECASE),
    Topic.changes: re.compile(r"\b(changes?|changed|implementation|approach|solution|how)\b", re.IGNORECASE),
    Topic.description: re.compile(
        r"\b(description|summary|overview|what|why|motivation|purpose|context|about|proposed)\b", re.IGNORECASE
    ),
}
INSTEAD = {Topic.description: Topic.changes, Topic.changes: Topic.description}  # where only one of both has a heading
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
HEADING = re.compile(r"^ {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>.*)$")
UNDERLINE = re.compile(r"^ {0,3}(?P<marks>={2,}|-{2,})[ \t]*$")
FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})")
TICKED = re.compile(r"^([ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+)\[[xX]\]", re.MULTILINE)
CLOSING = frozenset({"close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"})
NUMBER = frozenset({"issue", "number", "issue_number", "n", "nnn", "x", "xx", "xxx", "xxxx"})


def fill(template: str, parts: Sequence[Part]) -> str:
    """Return the parts in the form of a template, which is hostile text; without one, each under its own title."""
    sections = read(template)
    homes = _homes(sections)
    placed: dict[int, list[Part]] = {}
    left: list[Part] = []
    for part in parts:
        home = _home(part, homes)
        if home is None:
            left.append(part)
        else:
            placed.setdefault(home, []).append(part)
    first = [part for part in left if part.topic is Topic.issue]
    rest = [part for part in left if part.topic is not Topic.issue]
    written = [_section(section, placed.get(index, [])) for index, section in enumerate(sections)]
    shown = [*map(_alone, first), *written, *map(_alone, rest)]
    return "\n\n".join(part for part in shown if part)


def read(template: str) -> list[Section]:
    """Return a template's sections in order, without HTML comments, every box unticked."""
    clean = TICKED.sub(r"\1[ ]", COMMENT.sub("", template.replace("\r\n", "\n").replace("\r", "\n")))
    sections, lines, fence = [Section(0, "", "")], list[str](), ""
    texts = [lines]
    for line in clean.split("\n"):
        fence = _fence_after(line, fence)
        heading = None if fence else _heading(line, lines)
        if heading is None:
            lines.append(line)
            continue
        sections.append(heading)
        lines = []
        texts.append(lines)
    return [
        Section(section.level, section.title, "\n".join(text).strip())
        for section, text in zip(sections, texts, strict=True)
    ]


def _heading(line: str, before: list[str]) -> Section | None:
    """Return the heading that a line is, or makes of the line before, which it then takes away."""
    if found := HEADING.match(line):
        title = found["title"].rstrip().rstrip("#").rstrip()
        return Section(len(found["marks"]), title, "") if title else None
    found = UNDERLINE.match(line)
    if not found or not before or not before[-1].strip() or before[-1].lstrip().startswith(("-", "*", "+", ">", "|")):
        return None
    return Section(1 if found["marks"][0] == "=" else 2, before.pop().strip(), "")


def _fence_after(line: str, fence: str) -> str:
    """Return the marks of the code block that is open after a line; "" when none is."""
    found = FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return found["marks"]
    return "" if found["marks"].startswith(fence) and not line.strip(" `~") else fence


def _homes(sections: Sequence[Section]) -> Mapping[Topic, int]:
    """Return for each topic the first section whose heading is about it."""
    homes: dict[Topic, int] = {}
    for index, section in enumerate(sections):
        topic = next((topic for topic, words in WORDS.items() if words.search(section.title)), None)
        if topic is not None:
            homes.setdefault(topic, index)
    return homes


def _home(part: Part, homes: Mapping[Topic, int]) -> int | None:
    if part.topic is None:
        return None
    found = homes.get(part.topic)
    return homes.get(INSTEAD[part.topic]) if found is None and part.topic in INSTEAD else found


def _section(section: Section, parts: Sequence[Part]) -> str:
    """Write a section: its heading, what is put there, and the template's own words below that."""
    heading = f"{'#' * section.level} {block(section.title, 200)}" if section.level else ""
    titled = sum(bool(part.title) for part in parts) > 1
    ours = [f"**{part.title}**\n\n{part.text}" if titled and part.title else part.text for part in parts]
    lines = section.text.split("\n")
    about_issue = any(part.topic is Topic.issue for part in parts)
    kept = "\n".join(line for line in lines if not (about_issue and _is_placeholder(line)))
    return "\n\n".join(text for text in (heading, *ours, block(kept, LARGEST_TEXT)) if text)


def _alone(part: Part) -> str:
    return f"### {part.title}\n\n{part.text}" if part.title else part.text


def _is_placeholder(line: str) -> bool:
    """Tell whether a line is where the number of an issue is to be written, which has been done by then."""
    first, *others = re.findall(r"\w+", line.lower()) or [""]
    return first in CLOSING and all(word in NUMBER or word.isdigit() for word in others)
