"""Switches: what fits, what is drawn, and that no fault is only a row in a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hub.faults
from hub.faults.board import Board
from hub.faults.switches import BadSwitch, Occasion, expanded, read, read_line
from hub.faults.table import TABLE

ROOT = Path(__file__).parents[3]
CODE = Path(hub.faults.__file__).parent
ISSUES = Occasion("POST", "/repos/acme/sample/issues?x=1")
OPENED = Occasion("WEBHOOK", "issues.opened")


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_fault_of_the_table_is_made_and_tested(name: str) -> None:
    made = "".join(file.read_text() for file in CODE.glob("*.py") if file.name != "table.py")
    tested = "".join(file.read_text() for file in (ROOT / "tests/integration/hub").glob("test_faults_*.py"))
    assert f'"{name}"' in made
    assert re.search(rf"\b{name.replace('-', '[-_]')}\b", tested)


@pytest.mark.parametrize(
    ("occasion", "pattern", "fits"),
    [
        (ISSUES, "*", True),
        (ISSUES, "POST *", True),
        (ISSUES, "GET *", False),
        (ISSUES, "POST */issues", True),
        (ISSUES, "*?x=1", True),
        (ISSUES, "*/issue", False),
        (OPENED, "issues", True),
        (OPENED, "issues.o*", True),
        (OPENED, "issue", False),
        (Occasion("WEBHOOK", "push"), "push", True),
    ],
)
def test_an_occasion_fits_a_pattern(occasion: Occasion, pattern: str, fits: bool) -> None:
    assert occasion.fits(pattern) is fits


def test_what_is_drawn_does_not_depend_on_other_requests() -> None:
    """Two interleavings of the same requests meet the same faults."""
    other = Occasion("GET", "/repos/acme/sample")

    def drawn(order: list[Occasion]) -> list[bool]:
        board = Board({"slow": {"rate": 0.5, "seed": 3}})
        found = [(one, board.due("slow", one) is not None) for one in order]
        return [hit for one, hit in found if one == ISSUES]

    assert drawn([ISSUES] * 20) == drawn([ISSUES, other] * 20)
    assert 0 < sum(drawn([ISSUES] * 20)) < 20


def test_a_rate_is_kept_to() -> None:
    board = Board({"random": {"rate": 0.1, "seed": 1}})
    hits = sum(board.due("slow", Occasion("GET", f"/{n}")) is not None for n in range(2_000))
    assert 150 < hits < 250


def test_random_stands_for_all_but_those_left_out() -> None:
    names = set(expanded(read("random", {"without": ["slow"]})))
    assert names == set(TABLE) - {"slow", "random", "limits"}


def test_an_own_switch_goes_before_random() -> None:
    board = Board({"random": {"rate": 0.000001}, "slow": {}})
    assert board.due("slow", ISSUES)
    board.remove("slow")
    assert not board.due("slow", ISSUES)
    board.remove("random")
    assert not board.on


def test_a_line_says_the_same_as_json() -> None:
    line = read_line("webhook-drop, slow=seconds:0.5;match:POST */issues;times:2")
    assert line == {"webhook-drop": {}, "slow": {"seconds": 0.5, "match": "POST */issues", "times": 2}}
    assert read_line('{"slow": {"seconds": 0.5}}') == {"slow": {"seconds": 0.5}}
    with pytest.raises(BadSwitch, match="no JSON object"):
        read_line("{slow")


def test_the_log_is_bounded_and_the_counts_are_not() -> None:
    board = Board({"slow": {}})
    for _ in range(3_000):
        if switch := board.due("slow", ISSUES):
            board.fired(switch, ISSUES)
    assert (board.shown()["total"], len(board.shown()["log"])) == (3_000, 2_000)
    assert board.shown()["log"][-1]["n"] == 3_000
