"""The benchmark that compares work with memory and without it, with a model that can only do what it is told."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import ablation
from benchmarks.ablation import EARLIER, WITH, WITHOUT, Cases, Row
from tests.e2e.team import MODEL, Asked, ModelDouble

LESSON = "Money is whole cents, so round down to whole cents."


def does_as_told(asked: Asked) -> object:
    """Divide with a remainder only when a memory says so, and name that memory."""
    name = "share" if "Add `share(" in asked.text else "half"
    sign, said = ("//", "It is in whole cents, see [M1].") if "[M1]" in asked.text else ("/", "Done.")
    code = f'"""Amounts of money."""\n\n\ndef {name}(total, people=2):\n    return total {sign} people\n'
    return (("write_file", {"path": "till/money.py", "content": code}), ("done", {"summary": said}))


def small() -> Cases:
    """Return one earlier issue and one later one."""
    found = ablation.cases()
    (later,) = (issue for issue in found.issues if issue.name == "share")
    text = "Add `half(total)` to `till/money.py`: one half of it."
    earlier = ablation.Issue("half", "till/money.py", text, ({"with": [5], "gives": 2},), earlier=True)
    golden = [
        {"module": "till.money", "call": issue.name, **case} for issue in (earlier, later) for case in issue.golden
    ]
    return Cases({**found.files, "tests/golden.json": json.dumps(golden)}, found.protected, (earlier, later))


@pytest.mark.asyncio(loop_scope="session")
async def test_what_an_earlier_issue_taught_is_told_to_the_side_with_memory_alone(
    double: ModelDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.answers = {"generate": does_as_told, "reflect": lambda _: {"cause": "It has fractions.", "lesson": LESSON}}
    monkeypatch.setenv("AURORA_MODEL", MODEL)
    monkeypatch.setenv("AURORA_MODEL_PRICES", json.dumps({MODEL: "free"}))
    monkeypatch.setenv("OPENAI_BASE_URL", double.url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rows = {row.side: row async for row in ablation.measure(small())}
    assert [row.solved for row in (rows[EARLIER], rows[WITHOUT], rows[WITH])] == [False, False, True]
    assert (rows[EARLIER].attempts, rows[WITHOUT].told, rows[WITH].cited) == (2, 0, 1)
    assert any(LESSON in words for words in rows[WITH].words)
    assert rows[WITH].tokens == 15 * rows[WITH].calls > 0


def test_only_issues_that_both_sides_have_had_are_compared() -> None:
    def row(issue: str, side: str, *, solved: bool) -> Row:
        return Row(issue, side, solved, attempts=1, calls=2, tokens=30, told=3 if side == WITH else 0)

    lines = ablation.table([
        row("a", EARLIER, solved=True), row("b", WITHOUT, solved=False), row("b", WITH, solved=True),
        row("c", WITHOUT, solved=True),
    ])  # fmt: skip
    assert lines[-2].startswith("without: 0 of 1 solved, 2 model calls, 30 tokens, told 0 memories")
    assert lines[-1].startswith("with: 1 of 1 solved, 2 model calls, 30 tokens, told 3 memories")


def test_without_a_model_it_says_what_to_set() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "AURORA_MODEL"}
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "ablation"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "set AURORA_MODEL" in ran.stderr
