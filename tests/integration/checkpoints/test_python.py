"""A Python repository at the four checkpoints: only what a change brings counts."""

from app.domain.checks import Conclusion

CALC = "def add(a: int, b: int) -> int:\n    return a + b\n"
TESTS = "from calc import add\n\n\ndef test_adds():\n    assert add(1, 2) == 3\n"
BASE = {"calc.py": CALC, "tests/test_calc.py": TESTS, "README.md": "# calc\n"}


async def test_a_good_change_passes_all_four(bay):
    better = CALC + "\n\ndef double(a: int) -> int:\n    return add(a, a)\n"
    async with bay(BASE, {"calc.py": better}) as it:
        results = [await it.bench.syntax(), await it.bench.types(), await it.bench.lint(), await it.bench.tests()]
        assert [result.conclusion for result in results] == [Conclusion.passed] * 4, results
        assert [result.title for result in results] == [
            "1 changed file parses",
            "No new type errors",
            "No new lint findings",
            "1 test passed",
        ]


async def test_a_broken_change_fails_with_the_place_inside_the_repository(bay):
    worse = "import os\n\n\ndef add(a: int, b: int) -> int:\n    return str(a - b)\n"
    async with bay(BASE, {"calc.py": worse}) as it:
        types, lint, tests = await it.bench.types(), await it.bench.lint(), await it.bench.tests()
        assert types.title == "1 new type error"
        assert [(f.path, f.line) for f in types.new_findings] == [("calc.py", 5)]
        assert [f.code for f in lint.new_findings] == ["F401"]
        assert tests.title == "1 of 1 test fails"
        assert [(f.path, f.line, f.code) for f in tests.new_findings] == [
            ("tests/test_calc.py", 5, "tests/test_calc.py::test_adds")
        ]
