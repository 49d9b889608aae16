"""A ranked map of a repository's code, fitted to a token budget: what is defined where, by syntax tree."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from app.domain.ports import Clone
from app.domain.task import footprints_meet
from workers.codegen.instructions import as_text, characters

MOST_READ = 300  # files; a read costs git some 10 ms
LARGEST = 200_000  # bytes of a file that is looked into
READERS = 8  # at a time
SIGNATURE = 140  # characters
DEEPEST = 20  # nested blocks; a file can have thousands
VALUE = 60  # characters of an assignment
NEAR = 8  # how much more a reference counts from a file that the task is about

LANGUAGES: Mapping[str, Callable[[], object]] = {
    ".py": tree_sitter_python.language,
    ".pyi": tree_sitter_python.language,
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), tree_sitter_javascript.language),
    **dict.fromkeys((".ts", ".mts", ".cts"), tree_sitter_typescript.language_typescript),
    ".tsx": tree_sitter_typescript.language_tsx,
}
CONTAINERS = frozenset({"class_definition", "class_declaration", "abstract_class_declaration", "internal_module"})
NAMED = CONTAINERS | {
    "function_definition", "function_declaration", "generator_function_declaration", "method_definition",
    "function_signature", "abstract_method_signature", "interface_declaration", "type_alias_declaration",
    "enum_declaration", "type_alias_statement",
}  # fmt: skip
VALUES = frozenset({"assignment", "variable_declarator", "public_field_definition", "field_definition"})
TRANSPARENT = frozenset({
    "export_statement", "decorated_definition", "expression_statement", "lexical_declaration",
    "variable_declaration", "ambient_declaration", "if_statement", "else_clause", "try_statement",
    "except_clause", "block",
})  # fmt: skip
FOREIGN = frozenset({"node_modules", "vendor", "third_party", "dist", "build", ".venv", "site-packages"})
TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs"})
TEST_NAME = re.compile(r"^(?:test_(.+)|(.+?)(?:_test|[._]spec|\.test)|(conftest))$")
WORD = re.compile(r"[A-Za-z_$][\w$]{2,}")


@dataclass(frozen=True)
class Definition:
    """A named part of a file; lines are 1-based, the last one inclusive."""

    name: str
    line: int
    end_line: int
    depth: int
    signature: str


@dataclass(frozen=True)
class Source:
    """A file as far as the map goes: what it defines, and every word in it."""

    definitions: tuple[Definition, ...]
    words: frozenset[str]


@cache
def _parser(suffix: str) -> Parser:
    return Parser(Language(LANGUAGES[suffix]()))


def suffix_of(path: str) -> str:
    """Return the lower-case ending of a path, with its dot."""
    return PurePosixPath(path).suffix.lower()


def outline(path: str, text: str) -> tuple[Definition, ...]:
    """Return what a Python, JavaScript or TypeScript file defines, in order; nothing for other languages."""
    if suffix_of(path) not in LANGUAGES:
        return ()
    return tuple(_definitions(_parser(suffix_of(path)).parse(text.encode(errors="replace")).root_node, 0))


def _definitions(node: Node, depth: int, nesting: int = 0) -> Iterator[Definition]:
    for child in node.named_children:
        if child.type in NAMED:
            yield from _named(child, depth)
        elif child.type in VALUES:
            yield from _value(child, depth)
        elif child.type in TRANSPARENT and nesting < DEEPEST:
            yield from _definitions(child, depth, nesting + 1)


def _named(node: Node, depth: int) -> Iterator[Definition]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is None:
        return
    colon = next((child for child in node.children if child.type == ":"), None)
    end = colon or (body if node.type not in {"interface_declaration", "enum_declaration"} else None)
    yield _definition(node, name, end, depth)
    if node.type in CONTAINERS and body is not None and depth < 3:
        yield from _definitions(body, depth + 1)


def _value(node: Node, depth: int) -> Iterator[Definition]:
    name = next(filter(None, map(node.child_by_field_name, ("left", "name", "property"))), None)
    value = node.child_by_field_name("value")
    body = value.child_by_field_name("body") if value is not None else None
    is_field = depth > 0 and node.child_by_field_name("type") is None and body is None
    if name is None or "identifier" not in name.type or is_field or (name.text or b"").startswith(b"__"):
        return
    yield _definition(node, name, body, depth, VALUE if body is None else SIGNATURE)


def _definition(node: Node, name: Node, end: Node | None, depth: int, limit: int = SIGNATURE) -> Definition:
    raw = node.text or b""
    if end is not None:
        raw = raw[: end.start_byte - node.start_byte]
    words = " ".join(raw[: limit * 4].decode(errors="replace").split())
    signature = words.removesuffix("=>").rstrip("; ").replace("( ", "(").replace(", )", ")")
    if len(signature) > limit:
        signature = signature[: limit - 2] + " …"
    identifier = (name.text or b"").decode(errors="replace")
    return Definition(identifier, node.start_point.row + 1, node.end_point.row + 1, depth, signature)


def source_of(path: str, text: str) -> Source:
    """Return what the map needs of a file."""
    return Source(outline(path, text), frozenset(WORD.findall(text)))


def outline_lines(definitions: Iterable[Definition]) -> list[str]:
    """Write definitions with their line numbers, one a line."""
    return [f"{part.line:>4} {'  ' * part.depth}{part.signature}" for part in definitions]


def tested_stem(path: str) -> str | None:
    """Return the stem of what a test file is about, by its name; None when it is no test file."""
    file = PurePosixPath(path)
    match = TEST_NAME.match(file.stem)
    if match:
        return match[1] or match[2] or match[3]
    return file.stem if TEST_FOLDERS.intersection(file.parts[:-1]) else None


def in_footprint(path: str, footprint: Sequence[str]) -> bool:
    """Tell whether a path is expected to change."""
    return bool(footprint) and footprints_meet((path,), footprint)


def mentions(wanted: str) -> frozenset[str]:
    """Return the words of a text that may name code: code-like ones, and plain ones that aren't short."""
    quoted = {word for part in re.findall(r"`([^`]+)`", wanted) for word in WORD.findall(part)}
    called = set(re.findall(r"([A-Za-z_$][\w$]{2,})\(", wanted))
    code_like = {word for word in WORD.findall(wanted) if "_" in word or word[1:] != word[1:].lower()}
    return frozenset(quoted | called | code_like | {word for word in WORD.findall(wanted) if len(word) >= 5})


def names_path(wanted: str, words: frozenset[str], path: str) -> bool:
    """Tell whether a text mentions a path: all of it, its name, or its stem as a word."""
    file = PurePosixPath(path)
    return file.name in wanted or file.stem in words


def rank(sources: Mapping[str, Source], wanted: str, footprint: Sequence[str]) -> list[str]:
    """Order files by what the task needs to know of them; pure and deterministic."""
    words = mentions(wanted)
    definers = _definers(sources)
    first = {path for path in sources if in_footprint(path, footprint)}
    about = first | {
        path
        for path, source in sources.items()
        if tested_stem(path) is None
        and (
            names_path(wanted, words, path)
            or any(part.name in words and len(definers[part.name]) <= 3 for part in source.definitions)
        )
    }
    stems = {PurePosixPath(path).stem for path in about}
    score = _references(sources, definers, about)

    def tier(path: str) -> int:
        if path in about:
            return 0 if path in first else 1
        subject = tested_stem(path)
        return 2 if subject is None else 3 if subject in stems else 4

    return sorted(sources, key=lambda path: (tier(path), -score[path], path))


def _definers(sources: Mapping[str, Source]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, source in sources.items():
        for part in source.definitions:
            found[part.name].add(path)
    return found


def _references(sources: Mapping[str, Source], definers: Mapping[str, set[str]], about: set[str]) -> dict[str, float]:
    """Count how often other files use what each file defines; shared between files that define the same."""
    used: Counter[str] = Counter()
    for path, source in sources.items():
        used.update(dict.fromkeys(source.words & definers.keys(), NEAR if path in about else 1))
    scores = {}
    for path, source in sources.items():
        own = NEAR if path in about else 1
        names = sorted({part.name for part in source.definitions if part.depth == 0 and len(part.name) > 2})
        scores[path] = sum(max(0, used[name] - own) / len(definers[name]) for name in names)
    return scores


def draw(ranked: Sequence[str], sources: Mapping[str, Source], others: Sequence[str], budget_tokens: int) -> str:
    """Write as much of the map as fits, best first, and put it in the order of the paths."""
    left = characters(budget_tokens) - 30  # room for the last line
    share = left // 4  # no file takes more
    shown: dict[str, list[str]] = {}
    for path in ranked:
        if len(path) < left:
            shown[path] = _fitted(sources[path], min(left, share) - len(path) - 1)
            left -= len(path) + 1 + _length(shown[path])
    for path in others:
        if len(path) < left:
            shown[path], left = [], left - len(path) - 1
    hidden = len(ranked) + len(others) - len(shown)
    parts = ["\n".join([path, *lines]) for path, lines in sorted(shown.items())]
    return "\n".join([*parts, *([f"(and {hidden} more files)"] if hidden else [])])


def _fitted(source: Source, room: int) -> list[str]:
    """Write all definitions if they fit, else those at the top level, as far as they do."""
    lines = outline_lines(source.definitions)
    if _length(lines) <= room:
        return lines
    lines = outline_lines(part for part in source.definitions if part.depth == 0)
    if _length(lines) <= room:
        return lines
    while lines and _length(lines) > room - 4:
        lines.pop()
    return [*lines, "  …"] if lines else []


def _length(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _worth_reading(paths: Iterable[str], wanted: str, footprint: Sequence[str]) -> list[str]:
    """Choose what to look into by its path alone, since there may be ten thousand files."""
    words = mentions(wanted)

    def order(path: str) -> tuple[bool, bool, bool, int, str]:
        return (
            not in_footprint(path, footprint),
            not names_path(wanted, words, path),
            tested_stem(path) is not None,
            path.count("/"),
            path,
        )

    known = [
        path
        for path in paths
        if suffix_of(path) in LANGUAGES
        and not FOREIGN.intersection(path.split("/")[:-1])
        and not path.endswith((".min.js", ".d.ts"))
    ]
    return sorted(known, key=order)[:MOST_READ]


async def read_texts(clone: Clone, commit: str, paths: Sequence[str]) -> dict[str, str]:
    """Read the files that are text and not too large, a few at a time."""
    gate = asyncio.Semaphore(READERS)

    async def read(path: str) -> str | None:
        async with gate:
            content = await clone.read(commit, path)
        return None if content is None or len(content) > LARGEST else as_text(content)

    texts = await asyncio.gather(*map(read, paths))
    return {path: text for path, text in zip(paths, texts, strict=True) if text is not None}


async def repository_map(clone: Clone, commit: str, wanted: str, footprint: Sequence[str], budget_tokens: int) -> str:
    """Return the files of a commit with their definitions and line numbers, as many as fit.

    `wanted` is the text of the task; files in `footprint` and those that it names come before others.
    """
    paths = await clone.files(commit)
    chosen = await asyncio.to_thread(_worth_reading, paths, wanted, footprint)
    texts = await read_texts(clone, commit, chosen)
    return await asyncio.to_thread(_draw_texts, paths, texts, wanted, footprint, budget_tokens)


def _draw_texts(
    paths: Sequence[str], texts: Mapping[str, str], wanted: str, footprint: Sequence[str], budget_tokens: int
) -> str:
    sources = {path: Source(outline(path, text), frozenset(WORD.findall(text))) for path, text in texts.items()}
    others = sorted((path for path in paths if path not in sources), key=lambda path: (path.count("/"), path))
    return draw(rank(sources, wanted, footprint), sources, others, budget_tokens)
