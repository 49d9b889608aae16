"""Suggested changes are read as GitHub reads them, and go into files exactly as they are."""

import pytest

from app.domain.concerns import Suggestion
from app.domain.suggestions import applied, lines_of, overlaps, same_lines, suggestion

SHA = "a" * 40


def block(*lines: str) -> str:
    return "\n".join(["```suggestion", *lines, "```"])


def on(first: int, last: int, text: str = "new", *, deletes: bool = False) -> Suggestion:
    return Suggestion(first=first, last=last, commit=SHA, text=text, deletes=deletes)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (block("x = 1"), "x = 1"),
        (f"Better:\n\n{block('x = 1', '', '  y')}\n\nThanks", "x = 1\n\n  y"),
        ("```suggestion\r\nx = 1\r\n```\r\n", "x = 1"),
        ("````suggestion\n```python\nx\n```\n````", "```python\nx\n```"),
        ("~~~ suggestion\nx\n~~~", "x"),
        ("  ```suggestion\n    x\n  ```", "  x"),
        ("```suggestion:-0+0\nx\n```", None),
        (block(""), ""),
        (f"{block('a')}\n{block('b')}", None),
        ("```suggestion\nx = 1", None),
        ("> ```suggestion\n> x\n> ```", None),
        ("````markdown\n```suggestion\nx\n```\n````", None),
        ("```python\nx\n```", None),
        ("suggestion", None),
    ],
)
def test_the_one_suggestion_of_a_comment_is_read(body: str, text: str | None):
    """A choice, an open block, and what is quoted or shown as text are none."""
    found = suggestion(body, None, 3, SHA)
    assert (found.text if found else None) == text
    assert found is None or (found.first, found.last, found.deletes) == (3, 3, False)


def test_an_empty_block_deletes():
    """Which isn't the same as one empty line."""
    found = suggestion("```suggestion\n```", 2, 4, SHA)
    assert found == on(2, 4, "", deletes=True)


@pytest.mark.parametrize(("first", "last", "commit"), [(None, None, SHA), (5, 4, SHA), (0, 0, SHA), (1, 1, "--help")])
def test_a_suggestion_without_its_lines_is_none(first: int | None, last: int | None, commit: str):
    """Outdated comments have no line."""
    assert suggestion(block("x"), first, last, commit) is None


@pytest.mark.parametrize(
    ("before", "what", "after"),
    [
        (b"a\nb\nc\n", on(2, 2), b"a\nnew\nc\n"),
        (b"a\nb\nc\n", on(1, 2, "x\ny\nz"), b"x\ny\nz\nc\n"),
        (b"a\nb\nc\n", on(2, 3, "", deletes=True), b"a\n"),
        (b"a\nb\nc\n", on(2, 2, ""), b"a\n\nc\n"),
        (b"a\r\nb\r\n", on(1, 1, "x\ny"), b"x\r\ny\r\nb\r\n"),
        (b"a\nb", on(2, 2, "x\ny"), b"a\nx\ny"),
        (b"a\r\nb", on(2, 2, "x\ny"), b"a\r\nx\r\ny"),
        (b"a", on(1, 1), b"new"),
        (b"\xff\nb\n", on(2, 2, "ü"), b"\xff\n\xc3\xbc\n"),
        (b"a\rb\nc\n", on(2, 2), b"a\rb\nnew\n"),
    ],
)
def test_a_suggestion_stands_in_the_place_of_its_lines(before: bytes, what: Suggestion, after: bytes):
    """Line ends, and a missing one at the end of the file, are as they were; bytes that aren't text too."""
    assert applied(before, what) == after


def test_only_lines_that_are_the_same_as_its_author_saw_are_replaced():
    """A file may have become shorter, or other lines stand there now."""
    seen = lines_of(b"a\nb\nc\n")
    assert same_lines(seen, lines_of(b"z\nb\nc\nd\n"), on(2, 3))
    assert not same_lines(seen, lines_of(b"a\nB\nc\n"), on(2, 3))
    assert not same_lines(seen, lines_of(b"a\nb\n"), on(2, 3))
    assert not same_lines(seen, seen, on(3, 4))


def test_suggestions_overlap_where_they_share_a_line():
    """Neighbours don't."""
    assert overlaps(on(1, 3), on(3, 5))
    assert not overlaps(on(1, 2), on(3, 5))
