"""A test run counts only when exit code and report agree and nothing that passed before has gone."""

import pytest

from app.domain.checks import Conclusion
from workers.checkpoints import tests as runs

CALC = "def add(a: int, b: int) -> int:\n    return a + b\n\n\ndef sub(a: int, b: int) -> int:\n    return a - b\n"
TESTS = """import calc


def test_add():
    assert calc.add(1, 2) == 3


def test_sub():
    assert calc.sub(3, 2) == 1
"""
BASE = {"calc.py": CALC, "test_calc.py": TESTS}
BROKEN = CALC.replace("a - b", "a + b")


async def judged(bay, change, base=BASE):
    async with bay(base, change) as it:
        return await it.bench.tests()


async def test_a_deleted_test_is_missed(bay):
    result = await judged(bay, {"calc.py": BROKEN, "test_calc.py": TESTS[: TESTS.index("\n\ndef test_sub")]})
    assert result.conclusion is Conclusion.failed
    assert [(f.path, f.code) for f in result.new_findings] == [("test_calc.py", "test_calc.py::test_sub")]
    assert "no longer runs" in result.new_findings[0].message
    assert result.title == "1 test that passed before no longer runs"


@pytest.mark.parametrize("mark", ["skip", "xfail"])
async def test_a_skipped_test_is_missed(bay, mark):
    skipped = "import pytest\n" + TESTS.replace("def test_sub", f"@pytest.mark.{mark}(reason='later')\ndef test_sub")
    result = await judged(bay, {"calc.py": BROKEN, "test_calc.py": skipped})
    assert result.conclusion is Conclusion.failed
    assert "it is skipped now" in result.new_findings[0].message


@pytest.mark.parametrize("leave", ["import sys; sys.exit(0)", "import os; os._exit(0)"])
async def test_leaving_early_is_no_success(bay, leave):
    result = await judged(bay, {"calc.py": BROKEN, "conftest.py": leave + "\n"})
    assert result.conclusion is Conclusion.failed
    assert "left no report" in result.new_findings[0].message
    assert "`conftest.py`" in result.summary


async def test_deselecting_by_configuration_is_missed_and_told(bay):
    result = await judged(
        bay, {"calc.py": BROKEN, "pytest.ini": "[pytest]\naddopts = --deselect test_calc.py::test_sub\n"}
    )
    assert result.conclusion is Conclusion.failed
    assert "edits what judges it: `pytest.ini`" in result.summary


async def test_an_exit_code_made_green_does_not_hide_a_failure(bay):
    hook = "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"
    result = await judged(bay, {"calc.py": BROKEN, "conftest.py": hook})
    assert result.title == "1 of 2 tests fails"


async def test_a_file_that_git_ignores_proves_nothing(bay):
    base = BASE | {".gitignore": "local/\n"}
    async with bay(base, {"calc.py": "from local.impl import add, sub\n", "local/impl.py": CALC}) as it:
        result = await it.bench.tests()
    assert result.conclusion is Conclusion.failed


async def test_hanging_tests_are_stopped_and_located(bay, monkeypatch):
    monkeypatch.setattr(runs, "SHORTEST", 3.0)
    hangs = CALC.replace("return a - b", "while True:\n        pass")
    result = await judged(bay, {"calc.py": hangs})
    assert result.title == "python -m pytest was stopped by its time limit"
    assert [f.path for f in result.new_findings] == ["calc.py"]
    assert result.new_findings[0].line in {6, 7}


async def test_what_was_red_before_does_not_count(bay):
    red = BASE | {"test_old.py": "def test_old():\n    assert False\n"}
    result = await judged(bay, {"calc.py": CALC + "\n\nONE = 1\n"}, red)
    assert result.conclusion is Conclusion.passed
    assert result.title == "2 tests passed (1 red before this change)"
    assert "Red before this change" in result.summary
    assert [f.is_new for f in result.findings] == [False]


async def test_a_flaky_test_is_told_and_does_not_decide(bay, tmp_path):
    # Fails in the first process that has no file beside the judged checkout, passes in the next.
    flaky = (
        "import calc, pathlib\n\n\ndef test_flaky():\n    mark = pathlib.Path('ran')\n    first = not mark.exists()\n"
    )
    flaky += "    mark.touch()\n    assert not (first and calc.add(0, 0) == 0 and hasattr(calc, 'NEW'))\n"
    result = await judged(bay, {"calc.py": CALC + "\n\nNEW = 1\n"}, BASE | {"test_flaky.py": flaky})
    assert result.conclusion is Conclusion.passed
    assert result.title == "3 tests passed (1 flaky)"
    assert "`test_flaky.py::test_flaky`" in result.summary


async def test_a_test_may_go_with_what_it_tested(bay):
    without = CALC[: CALC.index("\n\ndef sub")]
    result = await judged(bay, {"calc.py": without, "test_calc.py": TESTS[: TESTS.index("\n\ndef test_sub")]})
    assert result.conclusion is Conclusion.passed
    assert "Removed together with what they tested" in result.summary


async def test_a_test_may_move_to_another_file(bay):
    result = await judged(bay, {"test_calc.py": None, "tests/test_moved.py": TESTS})
    assert result.conclusion is Conclusion.passed, result.summary


async def test_a_module_that_cannot_be_imported_is_one_finding(bay):
    result = await judged(bay, {"calc.py": "import nowhere\n"})
    assert [(f.path, f.line) for f in result.new_findings] == [("calc.py", 1)]


async def test_a_repository_without_tests_says_so(bay):
    result = await judged(bay, {"calc.py": CALC}, {"README.md": "hello\n"})
    assert (result.conclusion, result.title) == (Conclusion.skipped, "No tests in this repository")
    assert not result.blocks


async def test_an_empty_repository_can_get_its_first_test(bay):
    result = await judged(bay, BASE, {})
    assert result.title == "2 tests passed"


async def test_tests_that_never_ran_are_no_proof(bay):
    base = BASE | {"pytest.ini": "[pytest]\naddopts = --no-such-option\n"}
    result = await judged(bay, {"calc.py": BROKEN}, base)
    assert result.conclusion is Conclusion.not_run
    assert result.title == "The tests can't be run, on the base commit either"


async def test_unittest_runs_as_well(bay):
    case = "import unittest\nimport calc\n\n\nclass T(unittest.TestCase):\n"
    case += "    def test_sub(self):\n        self.assertEqual(calc.sub(2, 1), 1)\n"
    result = await judged(bay, {"calc.py": BROKEN}, {"calc.py": CALC, "test_u.py": case})
    assert [f.code for f in result.new_findings] == ["test_u.py::T::test_sub"]
