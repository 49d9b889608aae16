"""Reading what models write: JSON and code, wherever in a text and however badly put. Pure."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.errors import BadAnswer

THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>\s*", re.DOTALL | re.IGNORECASE)
OPEN_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*\Z", re.DOTALL | re.IGNORECASE)
FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^\n`]*)$", re.MULTILINE)
QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"'})
TRAILING_COMMA = re.compile(r",(\s*[}\]])")
MAX_STARTS = 200  # places in a text at which JSON is looked for; bounds the work on a hostile text

_PATH = r"(?:[\w.@+\-]+/)*(?:[\w@+\-][\w.@+\-]*\.\w{1,10}|Dockerfile|Makefile|\.[\w\-]+)"
PATH = re.compile(rf"^(?:\./)?{_PATH}$")
INFO_PATH = re.compile(rf"(?:path|file|filename|title|name)\s*[=:]\s*[\"']?(?P<path>(?:\./)?{_PATH})[\"']?")
COMMENT_PATH = re.compile(
    rf"^\s*(?:#|//|--|;|/\*|<!--|%)+\s*(?:(?:file|path|filename)\s*:\s*)?(?P<path>(?:\./)?{_PATH})\s*(?:\*/|-->)?\s*$",
    re.IGNORECASE,
)
HEADER_PATH = re.compile(
    rf"^\s*(?:#+\s*|\*+|[-*]\s+|\d+[.)]\s+)*(?:(?:file|path|filename|full path|update|create|modify)\w*\s*:?\s*)?"
    rf"[`*\"']*(?P<path>(?:\./)?{_PATH})[`*\"']*\s*(?:\([^)]*\))?\s*:?\s*\**\s*$",
    re.IGNORECASE,
)
QUOTED_PATH = re.compile(rf"`(?P<path>(?:\./)?{_PATH})`")


@dataclass(frozen=True)
class Block:
    """A piece of code in an answer."""

    path: str  # "" when the answer doesn't say
    language: str  # lower case, "" when the answer doesn't say
    code: str
    complete: bool = True  # False: the answer ended inside it


def without_thoughts(text: str) -> str:
    """Return the answer without the reasoning that some models write before it."""
    text = THOUGHT.sub("", text)
    head, mark, tail = text.rpartition("</think>")
    text = tail if mark and "<think>" not in head.lower() else text
    return OPEN_THOUGHT.sub("", text).strip()


# --- JSON -------------------------------------------------------------------------------------------


def parse_json(text: str) -> Any:
    """Return the JSON object or list in `text`; raise `BadAnswer` with words for the model."""
    text = without_thoughts(text)
    if not text:
        raise BadAnswer("The answer was empty. Answer with one JSON object.")
    candidates = [text, *(block.code for block in fences(text))]
    for candidate in candidates:
        found = _load(candidate)
        if isinstance(found, dict | list):
            return found
    found = next(iter(sorted(json_values(text), key=lambda value: -len(str(value)))), None)
    if found is not None:
        return found
    if is_cut_off(text):
        raise BadAnswer("The JSON was cut off before its end. Answer again, and more briefly.")
    raise BadAnswer("There was no valid JSON in the answer. Answer with one JSON object and nothing else.")


def json_values(text: str) -> Iterator[Any]:
    """Yield the outermost JSON objects and lists found anywhere in `text`, in order."""
    decoder = json.JSONDecoder(strict=False)
    text = TRAILING_COMMA.sub(r"\1", text)
    position, starts = 0, 0
    while starts < MAX_STARTS and (match := re.compile(r"[{\[]").search(text, position)):
        starts += 1
        try:
            value, position = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            position = match.start() + 1
            continue
        if value and (isinstance(value, dict) or any(isinstance(item, dict) for item in value)):
            yield value


def _load(text: str) -> Any:
    text = text.strip()
    for repaired in (
        text,
        TRAILING_COMMA.sub(r"\1", text),
        TRAILING_COMMA.sub(r"\1", text.translate(QUOTES)),
    ):
        try:
            return json.loads(repaired, strict=False)
        except (ValueError, RecursionError):
            continue
    if text[:1] in "{[" and len(text) < 100_000:
        try:
            return ast.literal_eval(text)  # Python's quotes, True and None
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return None
    return None


def is_cut_off(text: str) -> bool:
    """Tell whether the JSON that begins in `text` is still open at its end."""
    start = re.search(r"[{\[]", text)
    if start is None:
        return False
    depth, quoted, escaped = 0, False, False
    for character in text[start.start() :]:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = quoted
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "{[") - (character in "}]")
    return depth > 0 or quoted


# --- code -------------------------------------------------------------------------------------------


def fences(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, with the paths that their headings name."""
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    end = 0
    for mark in FENCE.finditer(text):
        if opening is None:
            opening = mark
        elif _closes(opening, mark):
            blocks.append(_block(text[end : opening.start()], opening, text[opening.end() + 1 : mark.start()]))
            opening, end = None, mark.end()
    if opening is not None:
        blocks.append(_block(text[end : opening.start()], opening, text[opening.end() + 1 :], complete=False))
    return blocks


def _closes(opening: re.Match[str], mark: re.Match[str]) -> bool:
    ticks = opening["ticks"]
    return mark["ticks"][0] == ticks[0] and len(mark["ticks"]) >= len(ticks) and not mark["info"].strip()


def _block(before: str, opening: re.Match[str], code: str, *, complete: bool = True) -> Block:
    indent = opening["indent"]
    if indent:
        code = "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
    info = opening["info"].strip()
    language, path = _read_info(info)
    first, _, rest = code.partition("\n")
    if (comment := COMMENT_PATH.match(first)) and (not path or _same(path, comment["path"])):
        path = comment["path"]
        code = rest.removeprefix("\n") if rest.strip() else code
    return Block(_clean(path or _heading(before)), language, code, complete)


def _same(one: str, other: str) -> bool:
    return _clean(one) == _clean(other)


def _clean(path: str) -> str:
    return path.strip().removeprefix("./")


def _read_info(info: str) -> tuple[str, str]:
    """Return language and path of a fence's first line."""
    if named := INFO_PATH.search(info):
        return re.split(r"[\s{:]", info, maxsplit=1)[0].lower() if not info.startswith(named[0]) else "", named["path"]
    words = info.split()
    if not words:
        return "", ""
    language, colon, rest = words[0].partition(":")
    if colon and PATH.match(rest):
        return language.lower(), rest
    if ("/" in words[0] or "." in words[0]) and PATH.match(words[0]):
        return "", words[0]
    if len(words) > 1 and PATH.match(words[1].strip("()`")):
        return words[0].lower(), words[1].strip("()`")
    return language.lower(), ""


def _heading(before: str) -> str:
    """Return the path that the lines just above a fence name."""
    lines = [line for line in before.splitlines() if line.strip()][-2:]
    for line in reversed(lines):
        if match := HEADER_PATH.match(line):
            return match["path"]
        quoted = QUOTED_PATH.findall(line)
        if len(set(quoted)) == 1:
            return str(quoted[0])
    return ""


LABEL = re.compile(
    rf"^\s*(?:#+\s*)?(?:FILE|PATH|FILENAME)\s*:\s*`?(?P<path>(?:\./)?{_PATH})`?\s*$",
    re.IGNORECASE | re.MULTILINE,
)


def code_blocks(text: str) -> list[Block]:
    """Return the code in an answer: fenced, as JSON with path and content, or under `FILE: path` lines."""
    text = without_thoughts(text)
    fenced = [block for block in fences(text) if block.code.strip()]
    structured = [block for value in json_values(text) for block in _from_json(value)] if "{" in text else []
    if structured and all(block.language in {"json", ""} and not block.path for block in fenced):
        return structured
    if fenced:
        return [
            block for block in fenced if block.language not in {"bash", "sh", "shell", "console", "text"} or block.path
        ]
    return list(_labelled(text))


def _labelled(text: str) -> Iterator[Block]:
    """Yield what stands under each `FILE: path` line of a text without fences."""
    labels = list(LABEL.finditer(text))
    for number, label in enumerate(labels):
        end = labels[number + 1].start() if number + 1 < len(labels) else len(text)
        code = text[label.end() : end].strip("\n")
        if code.strip():
            yield Block(_clean(label["path"]), "", code + "\n")


def _from_json(value: Any) -> Iterator[Block]:
    if isinstance(value, list):
        for item in value:
            yield from _from_json(item)
    elif isinstance(value, dict):
        path = value.get("path") or value.get("file") or value.get("filename")
        content = value.get("content") or value.get("code")
        if isinstance(path, str) and isinstance(content, str) and "action" not in value and "tool" not in value:
            yield Block(_clean(path), "", content)
        elif isinstance(value.get("files"), list):
            yield from _from_json(value["files"])


def is_diff(block: Block) -> bool:
    """Tell whether a block is a diff rather than code."""
    if block.language in {"diff", "patch"}:
        return True
    start = block.code.lstrip()
    return start.startswith(("--- a/", "diff --git", "@@ -", "*** Begin Patch", "<<<<<<< "))
