"""Reports as the tools really write them become findings and tests."""

from pathlib import Path

import pytest

from workers.checkpoints.observation import Status
from workers.checkpoints.reports import javascript, junit, lines, records

ROOT = Path("/repo")
RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def test_pytest_s_junit_gives_node_ids_statuses_and_the_deepest_place():
    tests = {test.id: test for test in junit.pytest(recorded("pytest.xml"), ROOT)}
    assert {id_: test.status for id_, test in tests.items()} == {
        "test_b.py": Status.failed,
        "test_a.py::TestX::test_p[x y]": Status.failed,
        "test_a.py::TestX::test_p[\\xe9::]": Status.failed,
        "test_a.py::TestX::test_p[<z>]": Status.failed,
        "test_a.py::TestX::TestIn::test_q": Status.passed,
        "test_a.py::U::test_u": Status.failed,
        "test_a.py::test_xf": Status.skipped,
        "test_a.py::test_s": Status.skipped,
        "test_a.py::test_td": Status.failed,
    }
    parametrised = tests["test_a.py::TestX::test_p[x y]"]
    assert (parametrised.path, parametrised.line, parametrised.group) == ("test_a.py", 2, "test_a.py::TestX::test_p")
    assert (tests["test_b.py"].path, tests["test_b.py"].line) == ("test_b.py", 1)


def test_node_s_junit_gives_suites_and_places():
    tests = {test.id: test for test in junit.scripts(recorded("node.xml"), ROOT)}
    assert {id_: test.status.value for id_, test in tests.items()} == {
        "ok": "passed",
        "bad": "failed",
        "sk": "skipped",
        "grp > inner": "failed",
        "grp > fine": "passed",
        "td": "skipped",
    }
    assert (tests["grp > inner"].path, tests["grp > inner"].line) == ("a.test.mjs", 3)


def test_vitest_s_junit_is_read_as_well():
    tests = {test.id: test for test in junit.scripts(recorded("vitest.xml"), ROOT)}
    assert {id_: test.status.value for id_, test in tests.items()} == {
        "t/v.spec.mjs > grp > ok": "passed",
        "t/v.spec.mjs > grp > bad": "failed",
        "t/v.spec.mjs > grp > sk": "skipped",
    }
    assert (tests["t/v.spec.mjs > grp > bad"].path, tests["t/v.spec.mjs > grp > bad"].line) == ("t/v.spec.mjs", 2)


def test_jest_and_mocha_agree_on_the_same_file():
    jest = {test.id: test for test in javascript.jest(recorded("jest.json"), ROOT)}
    mocha = {test.id: test for test in javascript.mocha(recorded("mocha.json"), ROOT)}
    assert jest.pop("t/broken.test.js").status is Status.failed
    assert {id_: test.status for id_, test in jest.items()} == {id_: test.status for id_, test in mocha.items()}
    assert (jest["t/a.test.js > grp bad"].path, jest["t/a.test.js > grp bad"].line) == ("t/a.test.js", 4)
    assert mocha["t/a.test.js > grp bad"].line == 4


@pytest.mark.parametrize("text", [b"", b"<testsuites>", b"not xml", b'{"a":', b"[]", b"[" * 100_000])
def test_what_is_no_report_is_said_to_be_none(text):
    for read in (junit.pytest, junit.scripts, javascript.jest, javascript.mocha):
        with pytest.raises(junit.Unreadable):
            read(text, ROOT)


def test_an_entity_bomb_is_refused():
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 50}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "{"x" * 1000}">{entities}]><testsuite><testcase name="&a11;"/></testsuite>'
    with pytest.raises(junit.Unreadable):
        junit.scripts(bomb.encode(), ROOT)


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (
            lines.ty,
            "a.py:4:12: error[invalid-return-type] Return type is `str`, found `int`\n"
            "a.py:9:1: warning[possibly-unbound] x\nFound 2 diagnostics\n",
            [("a.py", 4, "invalid-return-type", "Return type is `str`, found `int`")],
        ),
        (
            lines.mypy,
            "pkg/a.py:2: error: Incompatible return value  [return-value]\npkg/a.py:3: note: see\n",
            [("pkg/a.py", 2, "return-value", "Incompatible return value")],
        ),
        (
            lines.tsc,
            "x.ts(1,5): error TS2322: Type 'string' is not assignable to type 'number'.\n",
            [("x.ts", 1, "TS2322", "Type 'string' is not assignable to type 'number'.")],
        ),
        (
            lines.flake8,
            "./a.py:1:1: F401 'os' imported but unused\n",
            [("a.py", 1, "F401", "'os' imported but unused")],
        ),
        (
            lines.any_lines,
            "\x1b[31m/repo/src/main.rs:10:5: error: no\x1b[0m\nhttps://example.com: see\nmain.go:3: undefined: x\n",
            [("src/main.rs", 10, "", "error: no"), ("main.go", 3, "", "undefined: x")],
        ),
        (
            lines.github,
            "::error title=lint/x,file=a.js,line=2,endLine=2,col=1::Unexpected%0Adebugger.\n",
            [("a.js", 2, "lint/x", "Unexpected debugger.")],
        ),
        (
            records.eslint,
            '[{"filePath":"/repo/l.js","messages":[{"ruleId":"no-unused-vars","severity":2,"message":"unused","line":1},'
            '{"ruleId":"no-undef","severity":1,"message":"w","line":1}]}]',
            [("l.js", 1, "no-unused-vars", "unused")],
        ),
        (
            records.pyright,
            'No configuration file.\n{"generalDiagnostics":[{"file":"/repo/a.py","severity":"error",'
            '"message":"x\\n y","range":{"start":{"line":2,"character":0}},"rule":"reportX"}]}',
            [("a.py", 3, "reportX", "x y")],
        ),
        (
            records.oxlint,
            '{"diagnostics":[{"message":"`debugger` statement","code":"eslint(no-debugger)","severity":"error",'
            '"filename":"b.ts","labels":[{"span":{"offset":1,"length":2,"line":3,"column":1}}]}]}',
            [("b.ts", 3, "eslint(no-debugger)", "`debugger` statement")],
        ),
    ],
)
def test_findings_are_read_from_what_checkers_print(read, text, expected):
    assert [(f.path, f.line, f.code, f.message) for f in read(text, ROOT)] == expected


def test_a_report_of_another_form_is_unreadable():
    for text in ("", "no json", '{"other": 1}', "[1]"):
        with pytest.raises(records.Unreadable):
            records.pyright(text, ROOT)
