"""Syntax: whether a file parses, by its language's own parser where there is one, else by tree-sitter."""

import json
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable
from functools import cache

import tree_sitter
import yaml

from app.domain.checks import Finding
from workers.checkpoints import languages, toml

LARGEST = 1_000_000  # characters; a larger file is no source that anybody reads, and parsers are quadratic
_QUICK = 100_000  # characters; CPython needs seconds for hostile f-strings beyond
_DEEPEST = 500  # brackets within brackets in YAML, whose parser is quadratic in them
_PATIENCE = 5.0  # seconds for one large file
_OURS = (sys.version_info.major, sys.version_info.minor)
_COMMENTED_JSON = re.compile(
    r"(^|/)(tsconfig|jsconfig|\.?eslintrc|api-extractor)[^/]*\.json$|(^|/)\.(vscode|devcontainer)/"
)
_TEMPLATE = re.compile(r"\{\{|\{%")

_COMPILE = """
import sys, warnings
warnings.simplefilter("ignore")
try:
    compile(sys.stdin.buffer.read(), "file", "exec", dont_inherit=True)
except SyntaxError as error:
    sys.exit(print(error.lineno or 1, error.msg))
except (RecursionError, MemoryError):
    print(1, "nested too deeply")
"""


def first_error(path: str, text: str, python: tuple[int, int] | None = None) -> Finding | None:
    """Return the first reason why `text` isn't valid as the content of `path`; quick, and safe for any text.

    `python` is the version that the repository's environment has, where that is known.
    """
    if len(text) > LARGEST:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return _finding(path, 1, "the file is not valid UTF-8")
    kind = languages.suffix(path)
    if kind in languages.PYTHON:
        return _python(path, text, python or _OURS)
    if kind in _DATA:
        return _DATA[kind](path, text)
    if kind in languages.GRAMMARS:
        return _grammar(path, text, languages.GRAMMARS[kind])
    return None


def parses(path: str) -> bool:
    """Say whether there is a parser for files of this name."""
    kind = languages.suffix(path)
    return kind in languages.GRAMMARS or kind in _DATA


def _finding(path: str, line: int, message: str) -> Finding:
    return Finding(path=path, line=max(1, line), code="syntax", message=message)


def _python(path: str, text: str, version: tuple[int, int]) -> Finding | None:
    problem = _compile(text) if len(text) <= _QUICK else _compile_apart(text)
    if problem is None:
        return None
    if version > _OURS and _grammar(path, text, "python") is None:
        return None  # newer syntax than this process speaks
    return _finding(path, *problem)


def _compile(text: str) -> tuple[int, str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "file", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.lineno or 1, error.msg
    except ValueError as error:  # NUL bytes, in some versions
        return 1, str(error)
    except (RecursionError, MemoryError):
        return 1, "nested too deeply to be parsed"
    return None


def _compile_apart(text: str) -> tuple[int, str] | None:
    """Compile in a process of its own: a hostile file takes CPython minutes, or its stack."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _COMPILE],
            input=text.encode(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"could not be parsed within {_PATIENCE:.0f} s"
    if done.returncode < 0:
        return 1, "nested too deeply to be parsed"
    line, _, message = done.stdout.decode().strip().partition(" ")
    return (int(line), message) if line else None


def _json(path: str, text: str) -> Finding | None:
    if _COMMENTED_JSON.search(path):
        return None
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _finding(path, error.lineno, error.msg)
    except RecursionError:
        return _finding(path, 1, "nested too deeply to be parsed")
    except ValueError as error:  # a number with thousands of digits
        return _finding(path, 1, str(error))
    return None


def _toml(path: str, text: str) -> Finding | None:
    try:
        toml.parse(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        return _finding(path, int(found[1]) if found else 1, re.sub(r" \(at [^)]*\)$", "", str(error)))
    except RecursionError:
        return _finding(path, 1, "nested too deeply to be parsed")
    except ValueError as error:  # a date that doesn't exist
        return _finding(path, 1, str(error))
    return None


def _yaml(path: str, text: str) -> Finding | None:
    if _TEMPLATE.search(text) and not path.startswith(".github/"):
        return None  # a template that becomes YAML only when it is filled in
    if _depth(text) > _DEEPEST:
        return _finding(path, 1, "nested too deeply to be parsed")
    try:
        for _ in yaml.parse(text, Loader=yaml.CSafeLoader):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        return _finding(path, mark.line + 1 if mark else 1, error.problem or "invalid YAML")
    except yaml.YAMLError as error:
        return _finding(path, 1, str(error).splitlines()[0])
    return None


def _depth(text: str) -> int:
    """Count the brackets that are open at once, at most; a line of dashes nests as well."""
    depth = deepest = 0
    for found in re.finditer(r"[\[\]{}]", text):
        depth += 1 if found[0] in "[{" else -1
        deepest = max(deepest, depth)
    dashes = max((len(run) // 2 for run in re.findall(r"(?:[-?:] +){50,}", text)), default=0)
    return max(deepest, dashes)


_DATA: dict[str, Callable[[str, str], Finding | None]] = {
    ".json": _json,
    ".ipynb": _json,
    ".toml": _toml,
    ".yml": _yaml,
    ".yaml": _yaml,
}


@cache
def _language(name: str) -> tree_sitter.Language:
    """Load a grammar when a file of its kind is first seen."""
    import tree_sitter_javascript  # noqa: PLC0415 - shared objects, loaded when first needed
    import tree_sitter_python  # noqa: PLC0415
    import tree_sitter_typescript  # noqa: PLC0415

    makers: dict[str, Callable[[], object]] = {
        "python": tree_sitter_python.language,
        "javascript": tree_sitter_javascript.language,
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    }
    return tree_sitter.Language(makers[name]())


def _grammar(path: str, text: str, language: str) -> Finding | None:
    tree = tree_sitter.Parser(_language(language)).parse(text.encode())
    if not tree.root_node.has_error:
        return None
    node = _broken(tree.root_node)
    what = f"{node.type!r} is missing" if node.is_missing else "unexpected " + _excerpt(node)
    return _finding(path, node.start_point[0] + 1, what)


def _broken(root: tree_sitter.Node) -> tree_sitter.Node:
    """Find the first broken leaf; by a loop, since hostile trees are deep."""
    node = root
    while True:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None or node.is_missing:
            return node
        node = inner


def _excerpt(node: tree_sitter.Node) -> str:
    text = (node.text or b"")[:200].decode(errors="replace").strip()
    return repr(text.splitlines()[0][:60]) if text else "end of file"
