"""Types, lint and syntax count what is new, and say what is known."""

from app.domain.checks import Conclusion
from app.domain.repository_settings import CommandSettings, RepositorySettings, SectionSettings
from app.errors import SandboxUnavailable
from workers.checkpoints.suite import Checkers
from workers.sandbox.detect import Refusal

OLD = "import os\n\n\ndef old(x: int) -> str:\n    return x\n"


async def test_old_findings_are_known_even_when_they_move(bay):
    moved = '"""A module."""\n\n' + OLD
    async with bay({"m.py": OLD}, {"m.py": moved}) as it:
        types, lint = await it.bench.types(), await it.bench.lint()
    assert (types.title, types.conclusion) == ("No new type errors (1 known)", Conclusion.passed)
    assert (lint.title, lint.conclusion) == ("No new lint findings (1 known)", Conclusion.passed)


async def test_a_new_finding_beside_an_old_one_counts_alone(bay):
    worse = OLD + "\n\ndef new(x: int) -> bytes:\n    import sys\n\n    return x\n"
    async with bay({"m.py": OLD}, {"m.py": worse}) as it:
        types, lint = await it.bench.types(), await it.bench.lint()
    assert types.title == "1 new type error (1 known)"
    assert [f.line for f in types.new_findings] == [11]
    assert [f.code for f in lint.new_findings] == ["F401"]


async def test_a_caller_that_no_longer_fits_is_found_in_an_unchanged_file(bay):
    base = {"lib.py": "def f(x: int) -> int:\n    return x\n", "use.py": "from lib import f\n\nf(1)\n"}
    async with bay(base, {"lib.py": "def f(x: str) -> str:\n    return x\n"}) as it:
        types = await it.bench.types()
    assert [(f.path, f.line) for f in types.new_findings] == [("use.py", 3)]


async def test_a_formatted_repository_stays_formatted_and_format_sees_to_it(bay):
    base = {"m.py": "def f(x):\n    return x\n"}
    async with bay(base, {"m.py": "import os\ndef f( x ):\n    return x\n", "n.py": "a = {  }\n"}) as it:
        lint = await it.bench.lint()
        assert {(f.path, f.code) for f in lint.new_findings} == {
            ("m.py", "F401"),
            ("m.py", "format"),
            ("n.py", "format"),
        }
        assert await it.bench.format() == ["m.py", "n.py"]
        assert (it.worktree.path / "m.py").read_text() == base["m.py"]
        again = await it.bench.lint()
        assert again.conclusion is Conclusion.passed


async def test_an_unformatted_file_is_left_as_it_is(bay):
    ugly = "import os\ndef f( x ):\n    return x\n"
    async with bay({"m.py": ugly}, {"m.py": ugly + "import sys\ng=1\n"}) as it:
        lint = await it.bench.lint()
        assert {f.code for f in lint.new_findings} == {"F401", "E402"}
        assert lint.title.endswith("(1 known)")
        assert await it.bench.format() == ["m.py"]
        assert (it.worktree.path / "m.py").read_text() == ugly + "g=1\n"
        assert (await it.bench.lint()).conclusion is Conclusion.passed


async def test_rules_of_the_repository_are_followed(bay):
    base = {"pyproject.toml": "[tool.ruff.lint]\nselect = ['T20']\n", "m.py": "import os\n"}
    async with bay(base, {"m.py": "import os\n\nprint()\n"}) as it:
        lint = await it.bench.lint()
    assert [f.code for f in lint.findings] == ["T201"]


async def test_edited_rules_are_told(bay):
    base = {"pyproject.toml": "[tool.ruff.lint]\nselect = ['T20']\n", "m.py": "x = 1\n"}
    async with bay(base, {"pyproject.toml": "[tool.ruff.lint]\nselect = []\n", "m.py": "print()\n"}) as it:
        lint = await it.bench.lint()
    assert "`pyproject.toml` [tool.ruff]" in lint.summary


async def test_syntax_errors_are_found_in_every_language_and_old_ones_forgiven(bay):
    broken = {
        "a.py": "def f(:\n",
        "b.js": "let = = 1;\n",
        "c.ts": "const x: = 1;\n",
        "d.json": "{,}",
        "e.toml": "a = \n",
        "f.yml": "a: [\n",
    }
    async with bay({"old.py": "def (\n"}, broken | {"old.py": "def (\nx\n"}) as it:
        result = await it.bench.syntax()
        assert result.conclusion is Conclusion.failed
        assert [f.path for f in result.new_findings] == sorted(broken)
        assert [f.path for f in result.findings if not f.is_new] == ["old.py"]
        assert result.title == "6 new syntax errors (1 known)"
        assert it.bench.syntax_error("x.py", "def f(:\n").line == 1
        assert it.bench.syntax_error("old.py", "def ((\n") is None
        assert it.bench.syntax_error("x.py", "def f():\n    pass\n") is None


async def test_a_file_that_is_not_text_neither_passes_as_source_nor_hurts(bay):
    async with bay({}, {}) as it:
        (it.worktree.path / "bytes.py").write_bytes(b"x = '\xff\xfe'\n")
        (it.worktree.path / "nul.py").write_bytes(b"x = 1\0\n")
        (it.worktree.path / "deep.json").write_text("[" * 100_000)
        (it.worktree.path / "link.py").symlink_to("/etc/passwd")
        result = await it.bench.syntax()
        assert [f.path for f in result.new_findings] == ["bytes.py", "deep.json", "nul.py"]


async def test_commands_of_the_repository_replace_ours(bay):
    commands = CommandSettings(types="sh check.sh", lint="true", tests="sh check.sh")
    base = {"check.sh": "grep -q bad b.rs 2>/dev/null || exit 0; echo 'b.rs:2: bad'; exit 3\n", "a.rs": "good\n"}
    async with bay(base, {"b.rs": "one\nbad\n"}, commands) as it:
        types, lint, tests = await it.bench.types(), await it.bench.lint(), await it.bench.tests()
    assert [(f.path, f.line, f.message) for f in types.new_findings] == [("b.rs", 2, "bad")]
    assert lint.conclusion is Conclusion.passed
    assert tests.title == "sh check.sh ended with exit code 3"


async def test_a_command_that_was_red_before_does_not_count(bay):
    async with bay({"a.rs": ""}, {"b.rs": ""}, CommandSettings(tests="echo no; exit 1")) as it:
        tests = await it.bench.tests()
    assert (tests.conclusion, tests.title) == (Conclusion.passed, "The tests failed before this change too")


async def test_pytest_behind_a_command_tells_test_by_test(bay):
    commands = CommandSettings(tests="python -m pytest -q tests")
    base = {"tests/test_a.py": "def test_a():\n    pass\n"}
    async with bay(base, {"tests/test_b.py": "def test_b():\n    assert 0\n"}, commands) as it:
        tests = await it.bench.tests()
    assert [f.code for f in tests.new_findings] == ["tests/test_b.py::test_b"]


async def test_without_a_sandbox_only_syntax_is_judged(bay, tmp_path, checkers):
    refusing = Checkers(Refusal("This machine can't confine anything."), tmp_path / "none", checkers._equipment.clock)
    async with bay({"m.py": "x = 1\n"}, {"m.py": "x = 2\n", "test_m.py": "def test(): pass\n"}, using=refusing) as it:
        await refusing.prepare(it.clone, it.worktree.base, CommandSettings(), None)
        assert (await it.bench.syntax()).conclusion is Conclusion.passed
        for result in (await it.bench.types(), await it.bench.lint(), await it.bench.tests()):
            assert result.conclusion is Conclusion.not_run
            assert result.blocks
            assert "can't confine anything" in result.summary
        try:
            await it.bench.run("true", 5)
        except SandboxUnavailable:
            pass
        else:
            raise AssertionError("it ran")


async def test_the_same_tree_is_judged_once(bay, checkers):
    async with bay({"m.py": "x = 1\n"}, {"m.py": "x = 2\n", "test_m.py": "def test():\n    pass\n"}) as it:
        first = await it.bench.tests()
        again = checkers.bench(it.clone, it.worktree, CommandSettings(), None)
        assert await again.tests() == first
        it.change({"m.py": "x = 3\n"})
        assert (await again.tests()).started_at > first.started_at


async def test_a_fresh_bench_judges_the_same_tree_anew_and_its_base_too(bay, checkers):
    """What it finds is what the others know from then on."""
    async with bay({"m.py": "x = 1\n"}, {"m.py": "x = 2\n", "test_m.py": "def test():\n    pass\n"}) as it:
        first = await it.bench.tests()
        fresh = checkers.bench(it.clone, it.worktree, CommandSettings(), None, fresh=True)
        second = await fresh.tests()
        assert second.conclusion is first.conclusion
        assert second.started_at > first.started_at
        assert await fresh.tests() == second
        assert await it.bench.tests() == second


async def test_commands_of_a_section_run_in_its_folder_and_name_paths_of_the_repository(bay):
    files = {
        "api/sums.py": "def add(a, b):\n    return a + b\n",
        "api/tests/test_sums.py": "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
        "api/check.sh": "grep -Hn BAD *.py | sed 's/BAD/ BAD/'; ! grep -q BAD *.py\n",
    }
    commands = CommandSettings(lint="sh check.sh", tests="python -m pytest -q")
    section = RepositorySettings(paths={"api": SectionSettings(checkpoints=commands)}).concerning(["api/sums.py"])
    broken = {"api/sums.py": "def add(a, b):\n    return a - b\nBAD = 1\n"}
    async with bay(files, broken, section.checkpoints) as it:
        lint, tests = await it.bench.lint(), await it.bench.tests()
    assert ("api/sums.py", 3) in {(finding.path, finding.line) for finding in lint.findings}
    assert [(finding.path, finding.line, finding.code) for finding in tests.findings] == [
        ("api/tests/test_sums.py", 5, "api/tests/test_sums.py::test_add")
    ]
