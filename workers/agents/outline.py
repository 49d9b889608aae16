"""The definitions of a source file by syntax tree: what they are called and which lines they take."""

from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Literal

from tree_sitter import Language, Node, Parser

Sort = Literal["import", "function", "class", "value", "main", "other"]

LANGUAGES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".jsx": "javascript", ".mjs": "javascript",
    ".cjs": "javascript", ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
}  # fmt: skip
FUNCTIONS = {
    "function_definition", "function_declaration", "generator_function_declaration", "method_definition",
}  # fmt: skip
CLASSES = {"class_definition", "class_declaration", "abstract_class_declaration"}
WRAPPERS = {"decorated_definition", "export_statement", "expression_statement"}
TYPES = {"interface_declaration", "type_alias_declaration", "enum_declaration", "type_alias_statement"}
DECLARATIONS = {"lexical_declaration", "variable_declaration"}
FIELDS = {"public_field_definition", "field_definition"}


@dataclass(frozen=True)
class Piece:
    """A definition, import or other statement; lines are 0-based, the end is exclusive."""

    name: str
    sort: Sort
    start: int
    end: int
    core: int  # the line of the definition itself, after its decorators
    members: tuple["Piece", ...] = ()


def language_of(path: str) -> str | None:
    """Return the language of `path` if its definitions can be told apart."""
    return LANGUAGES.get(PurePosixPath(path).suffix.lower())


@cache
def _parser(language: str) -> Parser:
    # Grammars are shared libraries: each is loaded when a file of its language first comes by.
    if language == "python":
        import tree_sitter_python  # noqa: PLC0415

        return Parser(Language(tree_sitter_python.language()))
    if language == "javascript":
        import tree_sitter_javascript  # noqa: PLC0415

        return Parser(Language(tree_sitter_javascript.language()))
    import tree_sitter_typescript  # noqa: PLC0415

    if language == "tsx":
        return Parser(Language(tree_sitter_typescript.language_tsx()))
    return Parser(Language(tree_sitter_typescript.language_typescript()))


def outline(text: str, language: str) -> tuple[Piece, ...] | None:
    """Return the top-level pieces of `text`, or None when it doesn't parse."""
    root = _parser(language).parse(text.encode()).root_node
    if root.has_error:
        return None
    return tuple(_piece(node) for node in root.named_children if node.type != "comment")


def _piece(node: Node) -> Piece:
    core = _core(node)
    sort, name = _sort(core)
    members: tuple[Piece, ...] = ()
    body = core.child_by_field_name("body")
    if sort == "class" and body is not None:
        members = tuple(_piece(child) for child in body.named_children if child.type != "comment")
    return Piece(name, sort, node.start_point.row, _end(node), core.start_point.row, members)


def _end(node: Node) -> int:
    return node.end_point.row + (1 if node.end_point.column else 0)


def _core(node: Node) -> Node:
    """Return what decorators, `export` and statement wrap."""
    if node.type not in WRAPPERS:
        return node
    inner = node.child_by_field_name("definition") or node.child_by_field_name("declaration")
    return inner or (node.named_children[0] if node.type == "expression_statement" else node)


def _sort(node: Node) -> tuple[Sort, str]:
    sort: Sort = "other"
    name = ""
    if node.type in FUNCTIONS:
        sort, name = "function", _name(node, "name")
    elif node.type in CLASSES:
        sort, name = "class", _name(node, "name")
    elif node.type in TYPES | FIELDS:
        sort, name = "value", _name(node, "name") or _name(node, "property")
    elif node.type in DECLARATIONS:
        first = node.named_children[0]
        value = first.child_by_field_name("value")
        is_function = value is not None and value.type in {"arrow_function", "function_expression"}
        sort, name = "function" if is_function else "value", _name(first, "name")
    elif node.type in {"assignment", "assignment_expression"}:
        sort, name = "value", _name(node, "left")
    elif node.type.startswith(("import", "future_import")):
        sort, name = "import", _text(node)
    elif node.type == "if_statement" and "__name__" in _name(node, "condition"):
        sort, name = "main", "__main__"
    return sort, name


def _name(node: Node, field: str) -> str:
    child = node.child_by_field_name(field)
    return _text(child) if child is not None else ""


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
