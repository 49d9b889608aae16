"""Tells a test that went together with what it tested from one that was only in the way; pure."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from workers.checkpoints.observation import TestCase

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def excused(
    missing: Iterable[TestCase], before: Mapping[str, str], after: Mapping[str, str], removed: frozenset[str]
) -> frozenset[str]:
    """Return the groups of missing Python tests whose source is gone and named something that the change removed.

    `before` and `after` are the texts of test files by path.
    """
    found = set()
    for group in {test.group for test in missing}:
        path, *names = group.split("::")
        source = _find(_parse(before.get(path, "")), names)
        if source is None or _find(_parse(after.get(path, "")), names) is not None:
            continue
        if _mentioned(source) & removed:
            found.add(group)
    return frozenset(found)


def removed_names(before: Iterable[str], after: Iterable[str]) -> frozenset[str]:
    """Return the functions and classes that texts before a change define and those after it don't."""
    return frozenset(name for text in before for name in _defined(text)) - {
        name for text in after for name in _defined(text)
    }


def _defined(text: str) -> Iterator[str]:
    tree = _parse(text)
    if tree is not None:
        yield from (node.name for node in ast.walk(tree) if isinstance(node, _Definition))


def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _find(tree: ast.Module | None, names: Iterable[str]) -> ast.AST | None:
    """Find a definition by the names around it; None without names, since a whole module tests many things."""
    found: ast.AST | None = None
    body: list[ast.stmt] = tree.body if tree is not None else []
    for name in names:
        found = next((node for node in body if isinstance(node, _Definition) and node.name == name), None)
        if not isinstance(found, _Definition):
            return None
        body = found.body
    return found


def _mentioned(source: ast.AST) -> set[str]:
    names = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    return names | {node.name for node in ast.walk(source) if isinstance(node, ast.alias)}
