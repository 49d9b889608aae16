"""What a test run means beside that of its base, and what people read of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.checks import Finding
from app.domain.sandbox import Outcome, Stopped
from workers.checkpoints import removal, runners, tests, verdict, wording
from workers.checkpoints.observation import Observation, Status, TestCase

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PYTEST = runners.pytest(Path("/env/bin/python"))


def case(id_: str, status: Status = Status.passed) -> TestCase:
    return TestCase(id=id_, group=id_.partition("[")[0], status=status, path=id_.partition("::")[0], message="E   no")


def seen(*cases: TestCase, findings: tuple[Finding, ...] = ()) -> Observation:
    return Observation(tests=cases, findings=findings, started_at=NOW, completed_at=NOW)


def test_renamed_parameters_are_no_loss_but_fewer_are():
    before = [case("t.py::test[a]"), case("t.py::test[b]")]
    assert verdict.gone(before, [case("t.py::test[1]"), case("t.py::test[2]")]) == ()
    assert [test.id for test in verdict.gone(before, [case("t.py::test[a]")])] == ["t.py::test[b]"]


def test_a_new_failure_counts_and_an_old_one_does_not():
    base = seen(case("t.py::old", Status.failed), case("t.py::new"))
    judged = verdict.judge(base, seen(case("t.py::old", Status.failed), case("t.py::new", Status.failed)))
    assert [(f.code, f.is_new) for f in judged.findings] == [("t.py::old", False), ("t.py::new", True)]
    assert judged.red_before == ("t.py::old",)
    assert wording.tests_title(seen(case("a"), case("b", Status.failed)), judged) == "1 of 2 tests fails"


def test_only_what_passed_before_is_run_again():
    base = seen(case("t.py::a"), case("t.py::b", Status.failed))
    failed = seen(*(case(f"t.py::{name}", Status.failed) for name in "abc"))
    assert verdict.to_repeat(base, failed) == ("t.py::a",)


ids = st.sampled_from([f"t.py::test_{n}" for n in range(6)] + ["u.py::test_1", "t.py::test_p[1]", "t.py::test_p[2]"])
runs = st.dictionaries(ids, st.sampled_from(list(Status))).map(lambda d: seen(*(case(i, s) for i, s in d.items())))


@given(runs)
def test_a_run_equal_to_its_base_brings_nothing_new(run):
    assert not any(finding.is_new for finding in verdict.judge(run, run).findings)


@given(runs, runs)
def test_fewer_passing_names_are_never_green(base, now):
    """When a name, whatever its parameters, ran green before and runs nowhere now, something new is reported."""
    names = {test.id.partition("::")[2].partition("[")[0] for test in base.tests if test.status is Status.passed}
    left = {test.id.partition("::")[2].partition("[")[0] for test in now.tests if test.ran}
    findings = verdict.judge(base, now).findings
    if names - left:
        assert any(finding.is_new for finding in findings)


@pytest.mark.parametrize(
    ("outcome", "report", "problem"),
    [
        (Outcome(0, b"", b"", 1), None, "left no report"),
        (Outcome(None, b"", b"", 1, Stopped.time), None, "was stopped by its time limit"),
        (Outcome(0, b"", b"", 1), b"<half", "left no report"),
        (Outcome(1, b"", b"", 1), b'<t><testcase name="a" classname="t" file="t.py"/></t>', "although no test failed"),
        (Outcome(3, b"", b"", 1), b"<t/>", "ended with exit code 3"),
        (Outcome(5, b"", b"", 1), b"<t/>", ""),
        (Outcome(0, b"", b"", 1), b'<t><testcase name="a" classname="t" file="t.py"/></t>', ""),
    ],
)
def test_exit_code_and_report_must_agree(outcome, report, problem):
    observation = tests.understand(PYTEST, outcome, report, Path("/repo"), NOW, NOW)
    assert [problem in finding.message for finding in observation.findings] == ([True] if problem else [])


def test_a_test_is_excused_only_when_its_source_went_with_what_it_names():
    before = {"t.py": "import m\ndef test_f():\n    assert m.f()\ndef test_g():\n    assert m.g()\n"}
    missing = [case("t.py::test_f"), case("t.py::test_g")]
    removed = removal.removed_names(["def f(): ...\ndef g(): ..."], ["def g(): ..."])
    assert removed == {"f"}
    assert removal.excused(missing, before, {"t.py": ""}, removed) == {"t.py::test_f"}
    assert removal.excused(missing, before, before, removed) == frozenset()


def test_a_summary_can_not_be_broken_out_of_by_output():
    observation = Observation(log="</pre></details><b>x</b>", started_at=NOW, completed_at=NOW)
    summary = wording.tests_summary(observation, observation, verdict.Verdict(()), ())
    assert "<b>x</b>" not in summary
