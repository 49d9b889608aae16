"""A resolution of a conflict is refused unless every change of either side is still in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.resolution import MARKERS, TOO_DIFFERENT, as_sides_write, lost
from app.domain.three_way import Disputed, parts

NAMES = st.lists(st.from_regex(r"[a-z]{3,5}", fullmatch=True), min_size=1, max_size=3, unique=True)
ANY_LINES = st.lists(st.sampled_from(["x = 1", "y = 2", "f(x)", "}", "", "  f(x)", "return -x"]), max_size=7)
BLOCK = st.lists(st.sampled_from(["{0}(1)", "{0} = 2", "return {0}", "}}", "  {0}", ""]), min_size=1, max_size=4)


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def numbered(side: str, block: list[str]) -> list[str]:
    """Return a block whose lines name the side and their number, as far as they have a name in them."""
    return [line.format(f"{side}{number}") for number, line in enumerate(block)]


# --- examples

BASE = "def area(shape):\n    return shape.width\n"
KEPT = [
    ("a parameter each, on one line", "f(a)", "f(a, b)", "f(a, c)", "f(a, b, c)"),
    ("in the other order", "f(a)", "f(a, b)", "f(a, c)", "f(a, c, b)"),
    ("one line each, at the same place", "x\ny", "x\no\ny", "x\nt\ny", "x\no\nt\ny"),
    ("the same import, needed once", "x", "x\nimport os\nimport a", "x\nimport os\nimport b",
     "x\nimport os\nimport a\nimport b"),
    ("a file that both made", "", "a = 1", "b = 1", "a = 1\nb = 1"),
    ("moved in by one, changed by the other", "a=1\nb=2\nc=3", "if q:\n  a=1\n  b=2\n  c=3", "a=1\nb=5\nc=3",
     "if q:\n  a=1\n  b=5\n  c=3"),
    ("renamed by one, extended by the other", "f(a)", "g(a)", "f(a, b)", "g(a, b)"),
    ("taken away by both", "a\nb\nc", "a\no\nc", "a\nt\nc", "a\no\nt\nc"),
    ("a call around it each", "f(x)", "g(f(x))", "h(f(x))", "h(g(f(x)))"),
    ("a heading that looks like a marker", "a", "Changes\n=======\na", "a\nb", "Changes\n=======\na\nb"),
    ("a word added to fit", "f(a)", "f(a, b)", "f(a, c)", "f(a, b, c)  # both"),
]  # fmt: skip
LOST = [
    ("the first side's parameter", "f(a)", "f(a, b)", "f(a, c)", "f(a, c)"),
    ("the second side's parameter", "f(a)", "f(a, b)", "f(a, c)", "f(a, b)"),
    ("a body, where two look alike", "", "def a():\n  return 1", "def b():\n  return 1",
     "def a():\ndef b():\n  return 1"),
    ("which of two values", "n = 1", "n = 2", "n = 3", "n = 2"),
    ("the other of two values", "n = 1", "n = 2", "n = 3", "n = 3"),
    ("a sign", "n = a", "n = a - b", "n = a - c", "n = a - b + c"),
    ("a removal", "f(a, b)", "f(a)", "f(a, b, c)", "f(a, b, c)"),
    ("a removal of a line elsewhere", "old\nx\nf(a)", "x\nf(a, b)", "old\nx\nf(a, c)", "old\nx\nf(a, b, c)"),
    ("the indentation", "a=1\nb=2\nc=3", "if q:\n  a=1\n  b=2\n  c=3", "a=1\nb=5\nc=3",
     "if q:\n  a=1\n  b=5\nc=3"),
    ("the spacing", "f(a,b)", "f(a, b)", "f(a,c)", "f(a,c)"),
    ("the order of a block", "x", "x\none = 1\ntwo = 2", "x\nthree = 3", "x\none = 2\ntwo = 1\nthree = 3"),
    ("what neither touched", "u\nv\nw\nf(a)", "u\nv\nw\nf(a, b)", "u\nv\nw\nf(a, c)", "u\n# ...\nw\nf(a, b, c)"),
    ("everything else", "u\nv\nw\nf(a)", "u\nv\nw\nf(a, b)", "u\nv\nw\nf(a, c)", "f(a, b, c)"),
    ("a change of one side elsewhere", "u\nv\nf(a)", "U\nv\nf(a, b)", "u\nv\nf(a, c)", "u\nv\nf(a, b, c)"),
    ("the removal, or what was made of it", "f(a)\nx", "x", "f(a, b)\nx", "f(a, b)\nx"),
    ("all", "f(a)", "f(a, b)", "f(a, c)", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "resolved"), [one[1:] for one in KEPT], ids=[one[0] for one in KEPT]
)
def test_what_keeps_both_changes_is_accepted(base: str, ours: str, theirs: str, resolved: str):
    """Whichever side is the first."""
    assert lost(base, ours, theirs, resolved) == ()
    assert lost(base, theirs, ours, resolved) == ()


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "resolved"), [one[1:] for one in LOST], ids=[one[0] for one in LOST]
)
def test_what_loses_something_is_refused(base: str, ours: str, theirs: str, resolved: str):
    """Whichever side is the first."""
    assert lost(base, ours, theirs, resolved)
    assert lost(base, theirs, ours, resolved)


def test_what_is_lost_is_named_with_the_side_that_it_is_from():
    """So that the next try can do better."""
    (told,) = lost("f(a)\n", "g(a)\n", "f(a, b)\n", "g(a)\n")
    assert "second change" in told
    assert "`b`" in told
    told = " ".join(lost("f(a)\n", "g(a)\n", "f(a, b)\n", "f(a, b)\n"))
    assert "first change" in told
    assert "`g`" in told
    assert "`f`" in told


def test_markers_are_not_left():
    """Whatever is between them."""
    left = text("<<<<<<< one", "f(a, b)", "=======", "f(a, c)", ">>>>>>> two")
    assert MARKERS in lost("f(a)\n", "f(a, b)\n", "f(a, c)\n", left)


def test_what_can_t_be_compared_in_time_is_refused():
    """A hostile file must not hold a worker."""
    ours, theirs = (text(*(f"{side}{n}" for n in range(3_000))) for side in "ot")
    base = text(*(f"b{n}" for n in range(3_000)))
    assert lost(base, ours, theirs, ours + theirs) == (TOO_DIFFERENT,)


def test_large_new_files_are_no_hindrance():
    """There is nothing to compare them with."""
    ours, theirs = (text(*(f"{side}{n}" for n in range(3_000))) for side in "ot")
    assert lost("", ours, theirs, ours + theirs) == ()
    assert lost("", ours, theirs, ours) != ()


# --- properties


@given(ANY_LINES, BLOCK, BLOCK, st.data())
def test_one_side_alone_is_refused_where_both_added_something(
    base: list[str], mine: list[str], yours: list[str], data: st.DataObject
):
    """Wherever in the file, and with whatever else they have in common."""
    at = [data.draw(st.integers(0, len(base))) for _ in range(2)]
    one = [*base[: at[0]], *numbered("one", mine), "one()", *base[at[0] :]]
    other = [*base[: at[1]], *numbered("other", yours), "other()", *base[at[1] :]]
    assert lost(text(*base), text(*one), text(*other), text(*one))
    assert lost(text(*base), text(*one), text(*other), text(*other))


@given(ANY_LINES, ANY_LINES, ANY_LINES)
def test_what_merges_by_itself_is_accepted(base: list[str], ours: list[str], theirs: list[str]):
    """The lines that three-way comparison leaves no doubt about are the resolution."""
    found = parts(base, ours, theirs)
    if not any(isinstance(part, Disputed) for part in found):
        merged = [line for part in found for line in part.lines]  # type: ignore[union-attr]
        assert lost(text(*base), text(*ours), text(*theirs), text(*merged)) == ()


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_changes_in_different_places_are_both_kept(before: int, after: int, data: st.DataObject):
    """The first half is one side's, the second the other's; without any one line it is refused."""
    half, rest = ([f"{name}{n} = {n}" for n in range(count)] for name, count in (("a", before), ("b", after)))
    base = [*half, "middle", *rest]
    changed, altered = (
        [data.draw(st.sampled_from([line, f"{line} + {side}", f"{side}()"])) for line in lines]
        for side, lines in (("one", half), ("other", rest))
    )
    sides = text(*changed, "middle", *rest), text(*half, "middle", *altered)
    merged = [*changed, "middle", *altered]
    assert lost(text(*base), *sides, text(*merged)) == ()
    without = data.draw(st.integers(0, len(merged) - 1))
    assert lost(text(*base), *sides, text(*(line for n, line in enumerate(merged) if n != without)))


@given(BLOCK, BLOCK, st.data())
def test_blocks_added_at_one_place_are_kept_in_either_order_and_whole(
    mine: list[str], yours: list[str], data: st.DataObject
):
    """Without a line that says something, it is refused."""
    one, other = ["one()", *numbered("one", mine)], ["other()", *numbered("other", yours)]
    sides = text("x", *one, "y"), text("x", *other, "y")
    for block in ([*one, *other], [*other, *one]):
        assert lost("x\ny\n", *sides, text("x", *block, "y")) == ()
        without = data.draw(st.sampled_from([n for n, line in enumerate(block) if line.strip()]))
        assert lost("x\ny\n", *sides, text("x", *(line for n, line in enumerate(block) if n != without), "y"))


@given(NAMES, NAMES, NAMES, st.data())
def test_parameters_of_one_line_are_all_kept(base: list[str], mine: list[str], yours: list[str], data: st.DataObject):
    """Without any one of them, it is refused."""
    before, one, other = [f"_{name}" for name in base], [f"o_{name}" for name in mine], [f"t_{name}" for name in yours]

    def call(*names: str) -> str:
        return f"f({', '.join(names)})\n"

    sides = call(*before, *one), call(*before, *other)
    assert lost(call(*before), *sides, call(*before, *one, *other)) == ()
    gone = data.draw(st.sampled_from([*before, *one, *other]))
    assert lost(call(*before), *sides, call(*(name for name in [*before, *one, *other] if name != gone)))


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_can_be_judged(base: str, ours: str, theirs: str, resolved: str):
    """Nothing in it raises."""
    assert isinstance(lost(base, ours, theirs, as_sides_write(ours, theirs, resolved)), tuple)


@pytest.mark.parametrize(
    ("ours", "theirs", "answer", "written"),
    [
        ("a\n", "b\n", "a\nb", "a\nb\n"),
        ("a", "b", "a\nb\n", "a\nb"),
        ("a\r\n", "b\r\n", "a\nb\n", "a\r\nb\r\n"),
        ("a\n", "b\n", "```python\na\nb\n```", "a\nb\n"),
        ("```\na\n```\n", "```\nb\n```\n", "```\na\nb\n```\n", "```\na\nb\n```\n"),
        ("a\n", "b\n", "", ""),
    ],
)
def test_a_resolution_is_written_as_the_sides_are(ours: str, theirs: str, answer: str, written: str):
    """Line endings, end of file, and no fence that neither has."""
    assert as_sides_write(ours, theirs, answer) == written
