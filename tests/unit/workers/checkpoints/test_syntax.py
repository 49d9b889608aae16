"""Every file that has a parser is parsed, and nothing that is written in one can hurt."""

import time

import pytest

from workers.checkpoints.syntax import first_error


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.py", "x = 1\ndef f(:\n", 2),
        ("a.py", "def f():\nreturn 1\n", 2),
        ("a.py", "return 1\n", 1),
        ("a.pyi", "class\n", 1),
        ("a.js", "let x = 1;\nlet = = 1;\n", 2),
        ("a.jsx", "const a = <div><b></div>;\n", 1),
        ("a.mjs", "import from;\n", 1),
        ("a.ts", "const a: number = 1;\nconst x: = 1;\n", 2),
        ("a.tsx", "const a = <div>;\n", 1),
        ("a.json", '{\n"a": }\n', 2),
        ("a.toml", "a = 1\nb =\n", 2),
        ("a.yml", "a: [1\nb: 2\n", 2),
        ("a.py", "x = '\ud800'\n", 1),
        ("a.py", "x = 1\0\n", 1),
    ],
)
def test_an_error_is_found_on_its_line(path, text, line):
    error = first_error(path, text)
    assert error is not None
    assert error.path == path
    assert error.line == line
    assert error.message


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "async def f():\n    match await g():\n        case [x, *_]:\n            return x\n"),
        ("a.py", "print('\\d')\n"),
        ("a.py", ""),
        ("a.js", "export const f = async () => { for await (const x of y) {} };\n"),
        ("a.js", "#!/usr/bin/env node\nconst a = <b/>;\n"),
        ("a.ts", "enum A { b }\nexport type C<T> = { readonly [k in keyof T]?: T[k] };\nconst x = <any>y;\n"),
        ("a.tsx", "export const A = ({ x }: { x: number }) => <p>{x}</p>;\n"),
        ("tsconfig.json", "{ // comments are usual here\n}\n"),
        ("chart/values.yaml", "a: {{ .Values.b }}\n"),
        ("a.yaml", "a: !custom {b: 1}\n---\nc: 2\n"),
        ("README.md", "def f(:\n"),
        ("Makefile", "all:\n"),
    ],
)
def test_what_is_valid_or_has_no_parser_passes(path, text):
    assert first_error(path, text) is None


def test_newer_syntax_passes_where_the_environment_is_newer():
    generic = "def first[T](items: list[T]) -> T:\n    return items[0]\n"
    assert first_error("a.py", generic, (3, 11)) is not None
    assert first_error("a.py", generic, (3, 13)) is None
    assert first_error("a.py", "def f(:\n", (3, 13)) is not None


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, "-" * 500_000 + "1", "a" + ".b" * 200_000, 'f"' + "{x}" * 40_000 + '"', "\0" * 1000, "- " * 50_000],
    ids=["brackets", "minus", "attributes", "f-string", "nul", "dashes"],
)
@pytest.mark.parametrize("path", ["a.py", "a.js", "a.ts", "a.json", "a.toml", "a.yml"])
def test_hostile_text_neither_crashes_nor_hangs(path, text):
    started = time.monotonic()
    first_error(path, text)
    assert time.monotonic() - started < 12
