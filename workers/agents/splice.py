"""Putting a model's code into a file: a whole file replaces it, single definitions replace their namesakes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent, indent

from app.errors import BadAnswer
from workers.agents.outline import Piece, language_of, outline

ELISION = re.compile(
    r"^\s*(?:#|//|/\*)\s*(?:\.{3}|…|.*\b(?:rest of|existing|unchanged|remaining|previous|omitted)\b.*"
    r"\b(?:code|methods?|functions?|file|class|same|unchanged|here|omitted)\b)",
    re.IGNORECASE | re.MULTILINE,
)
HEADS = ("#", '"', "'", "//", "/*")  # of a docstring, a licence, a line for the shell


@dataclass(frozen=True)
class Edit:
    """Lines `start` to `end` (exclusive) of the old file become `lines`."""

    start: int
    end: int
    lines: tuple[str, ...]


def splice(old: str, new: str, path: str) -> str:
    """Return the file after `new`, which is a whole file, or functions, classes or bare methods of it.

    Raises `BadAnswer`, in words for the model, where the code can't be placed.
    """
    language = language_of(path)
    new = dedent(new).strip("\n") + "\n"
    before = outline(old, language) if language else None
    if language is None or before is None or not any(piece.name for piece in before):
        return _whole(new, path)
    given = _Given.read(new, language)
    if given is None:
        return new  # its syntax error is shown to the model before anything is written
    if _is_whole(old, before, given):
        return new
    edits = _Placing(old, before, given, language).edits()
    if not edits:
        raise BadAnswer(f"Nothing in the code for {path} is a definition. Write whole functions or the whole file.")
    return _apply(old, edits)


def _whole(new: str, path: str) -> str:
    if ELISION.search(new):
        raise BadAnswer(f"The code for {path} leaves parts out. Write the whole file, without placeholders.")
    return new


@dataclass(frozen=True)
class _Given:
    """The model's code."""

    lines: tuple[str, ...]
    pieces: tuple[Piece, ...]
    methods: bool = False  # bare methods of a class

    @classmethod
    def read(cls, text: str, language: str) -> "_Given | None":
        pieces = outline(text, language)
        if pieces is not None:
            return cls(tuple(text.splitlines()), pieces)
        if language == "python":
            return None
        wrapped = f"class X {{\n{text}}}\n"  # in JavaScript a bare method is no statement
        parsed = outline(wrapped, language)
        return cls(tuple(wrapped.splitlines()), parsed[0].members, methods=True) if parsed else None

    def text(self, piece: Piece, start: int | None = None) -> str:
        return "\n".join(self.lines[piece.start if start is None else start : piece.end])


def _is_whole(old: str, before: Sequence[Piece], given: _Given) -> bool:
    new = "\n".join(given.lines)
    if given.methods or (ELISION.search(new) and not ELISION.search(old)):
        return False
    if _first_line(old).startswith(HEADS) and not _first_line(new).startswith(HEADS):
        return False  # models like to drop what a file says of itself at its top
    wanted, there = _names(before), _names(given.pieces)
    imports = any(piece.sort == "import" for piece in before)
    if wanted <= there:
        return not imports or any(piece.sort == "import" for piece in given.pieces)
    # A whole file from which something was taken out begins as the old one did, with more than a definition.
    begins_alike = _first_line(old) == _first_line(new) and before[0].sort in {"import", "other", "value"}
    return begins_alike and len(wanted & there) * 2 >= len(wanted)


def _names(pieces: Sequence[Piece]) -> set[str]:
    named = {piece.name for piece in pieces if piece.name and piece.sort != "import"}
    return named | {
        f"{piece.name}.{member.name}" for piece in pieces for member in piece.members if member.sort == "function"
    }


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


class _Placing:
    """Finds the place of each given piece in the old file."""

    def __init__(self, old: str, before: Sequence[Piece], given: _Given, language: str) -> None:
        self.lines = old.splitlines()
        self.before = before
        self.given = given
        self.gap = ("", "") if language == "python" else ("",)

    def edits(self) -> list[Edit]:
        edits = []
        for piece in self.given.pieces:
            edit = self._place(piece)
            edits += edit
        return edits

    def _place(self, piece: Piece) -> list[Edit]:
        match piece.sort:
            case "import":
                return self._import(piece)
            case "function":
                return self._function(piece)
            case "class":
                return self._class(piece)
            case "value" | "main" if piece.name:
                return self._statement(piece)
            case _:
                return []  # an example of use, a docstring: not part of the file

    def _named(self, piece: Piece, among: Sequence[Piece] | None = None) -> Piece | None:
        pieces = self.before if among is None else among
        return next((old for old in pieces if old.name == piece.name and old.sort != "import"), None)

    def _import(self, piece: Piece) -> list[Edit]:
        text = self.given.text(piece)
        if text in "\n".join(self.lines):
            return []
        at = self._after_imports()
        return [Edit(at, at, (text,))]

    def _after_imports(self) -> int:
        imports = [piece for piece in self.before if piece.sort == "import"]
        if imports:
            return imports[-1].end
        first = self.before[0]
        return first.end if first.sort == "other" and self.lines[first.start].lstrip()[:1] in "\"'" else first.start

    def _function(self, piece: Piece) -> list[Edit]:
        if not self.given.methods and (old := self._named(piece)):
            return [self._replace(old, piece)]
        homes = [cls for cls in self.before if self._named(piece, cls.members)]
        if len(homes) == 1:
            return [self._member(homes[0], piece)]
        if len(homes) > 1:
            names = ", ".join(home.name for home in homes)
            raise BadAnswer(f"`{piece.name}` is a method of {names}: write the class around it.")
        if self.given.methods or re.search(r"\(\s*(self|cls)\b", self.given.text(piece, piece.core).split("\n")[0]):
            classes = [cls for cls in self.before if cls.sort == "class"]
            if len(classes) != 1:
                raise BadAnswer(f"It isn't clear to which class `{piece.name}` belongs: write the class around it.")
            return [self._member(classes[0], piece)]
        return [self._append(piece)]

    def _class(self, piece: Piece) -> list[Edit]:
        old = self._named(piece)
        if old is None:
            return [self._append(piece)]
        missing = {member.name for member in old.members if member.sort == "function"} - {
            member.name for member in piece.members
        }
        if not missing and not ELISION.search(self.given.text(piece)):
            return [self._replace(old, piece)]
        return [self._member(old, member) for member in piece.members if member.name]

    def _statement(self, piece: Piece) -> list[Edit]:
        if old := self._named(piece):
            return [self._replace(old, piece)]
        if piece.sort == "main":
            return []  # an example of use
        at = self._after_imports()
        return [Edit(at, at, ("", self.given.text(piece)))]

    def _replace(self, old: Piece, piece: Piece) -> Edit:
        """Replace a definition; decorators and `export` that the model left out stay."""
        text = dedent(self._checked(piece))
        first, old_first = text.split("\n", 1)[0], self.lines[old.core]
        start = old.core if piece.start == piece.core and old.start != old.core else old.start
        if old_first.lstrip().startswith("export ") and not first.startswith("export "):
            text = re.match(r"\s*export\s+(?:default\s+)?", old_first)[0].lstrip() + text  # type: ignore[index]  # it starts so
        margin = old_first[: len(old_first) - len(old_first.lstrip())]
        return Edit(start, old.end, tuple(indent(text, margin).split("\n")))

    def _member(self, home: Piece, piece: Piece) -> Edit:
        if old := self._named(piece, home.members):
            return self._replace(old, piece)
        margin = " " * 4
        if home.members:
            line = self.lines[home.members[0].start]
            margin = line[: len(line) - len(line.lstrip())]
        at = home.members[-1].end if home.members else home.core + 1
        return Edit(at, at, ("", *indent(dedent(self._checked(piece)), margin).split("\n")))

    def _append(self, piece: Piece) -> Edit:
        text = self._checked(piece)
        main = next((old for old in self.before if old.sort == "main"), None)
        if main is not None:
            return Edit(main.start, main.start, (*text.split("\n"), *self.gap))
        return Edit(len(self.lines), len(self.lines), (*self.gap, *text.split("\n")))

    def _checked(self, piece: Piece) -> str:
        text = self.given.text(piece)
        if ELISION.search(text):
            raise BadAnswer(f"The code of `{piece.name}` leaves parts out. Write it whole, without placeholders.")
        return text


def _apply(old: str, edits: Sequence[Edit]) -> str:
    lines = old.splitlines()
    for edit in sorted(enumerate(edits), key=lambda item: (-item[1].start, -item[1].end, -item[0])):
        lines[edit[1].start : edit[1].end] = edit[1].lines
    return "\n".join(lines).rstrip("\n") + "\n"
