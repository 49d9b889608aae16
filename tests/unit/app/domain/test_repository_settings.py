"""`.github/aurora.yml`: sensible when absent, exact about what is wrong, and never a surprise."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.repository_settings import (
    MergePolicy,
    PlanApproval,
    RepositorySettings,
    SettingsError,
    parse_settings,
)

KEYS = ("merge", "plan_approval", "max_attempts", "budget", "setup", "checkpoints", "protected_paths", "labels", "typo")
SCALARS = (
    "auto", "on-approval", "never", "5", "0", "-1", "1.5", ".nan", ".inf", "null", "true", "''", "[]", "{}", "[1]",
    "2020-13-45", "0b_", "0x_", "0o8", "1:99", "&a [*a]", "*b", "!!python/object:os.system x", "{a: b}", "\"\\0\"",
    "=", "<<: 1", "? x", "!!binary =", "!!int x", "!!float x", "!!timestamp x", "9" * 5000,
)  # fmt: skip
LINES = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(SCALARS)), max_size=6)


def test_without_a_file_or_with_an_empty_one_the_defaults_are_in_force():
    """A person decides about the merge, five attempts, no approval of plans."""
    defaults = RepositorySettings()
    assert parse_settings("") == parse_settings("# nothing\n") == parse_settings("{}") == defaults
    assert defaults.merge is MergePolicy.on_approval
    assert defaults.plan_approval is PlanApproval.never
    assert defaults.max_attempts == 5
    assert defaults.budget is None
    assert defaults.protected_paths == ()
    assert defaults.labels.working == "aurora: working"


def test_every_key_is_read():
    """As the reference describes them."""
    settings = parse_settings(
        "merge: auto\nplan_approval: large\nmax_attempts: 2\nbudget: 1.5\nsetup: make deps\n"
        "checkpoints:\n  tests: make test\nprotected_paths:\n  - secrets/**\nlabels:\n  done: shipped\n"
    )
    assert settings.merge is MergePolicy.auto
    assert settings.plan_approval is PlanApproval.large
    assert (settings.max_attempts, settings.budget, settings.setup) == (2, 1.5, "make deps")
    assert settings.checkpoints.tests == "make test"
    assert settings.protected_paths == ("secrets/**",)
    assert (settings.labels.done, settings.labels.working) == ("shipped", "aurora: working")


@pytest.mark.parametrize(
    ("text", "beginnings"),
    [
        ("merge: soon\n", ("Line 1, `merge`",)),
        ("merge: auto\nmax_attempts: many\n", ("Line 2, `max_attempts`",)),
        ("\n\nmax_attempts: 0\n", ("Line 3, `max_attempts`",)),
        ("checkpoints:\n  types: mypy\n  tset: make\n", ("Line 3, `checkpoints.tset`",)),
        ("protected_paths:\n  - a\n  - [b]\n", ("Line 3, `protected_paths.1`",)),
        ("labels:\n  - aurora\n", ("Line 1, `labels`",)),
        ("typo:\n  - a\n", ("Line 1, `typo`",)),
        ("budget: -1\nmerge: 7\n", ("Line 2, `merge`", "Line 1, `budget`")),
        ("- merge\n", ("Line 1, `the file`",)),
        ("merge: [\n", ("Line 2 is not YAML",)),
        ("setup: 'a\n", ("Line 2 is not YAML",)),
        ("merge: auto\nsetup: 2020-13-45\n", ("Line 2 is not YAML: this is no timestamp",)),
    ],
)
def test_each_problem_names_its_line_and_key(text: str, beginnings: tuple[str, ...]):
    """One sentence for each thing that is wrong."""
    with pytest.raises(SettingsError) as refusal:
        parse_settings(text)
    problems = refusal.value.problems
    assert len(problems) == len(beginnings)
    assert all(problem.startswith(start) for problem, start in zip(problems, beginnings, strict=True))


def problems(text: str) -> tuple[str, ...]:
    """Return what is wrong with the text, in sentences; nothing when it can be used."""
    try:
        parse_settings(text)
    except SettingsError as error:
        return error.problems
    return ()


def test_a_huge_file_is_refused_unread():
    """Parsing it would hold everything else up."""
    (problem,) = problems("# x\n" * 100_000)
    assert "characters" in problem


@given(st.text())
@example("[" * 2000)
@example("a: &a [*a, *a]\nmerge: *a")
@example("\x00")
@example("a: 1\n---\nb: 2")
@example("? [merge]\n: auto")
@example("? {merge: 1}\n: auto")
@example("1: 2\nnull: 3\n2020-01-01: x")
def test_any_text_gives_settings_or_a_settings_error(text: str):
    """Nothing else comes out, since anybody who can push can write this file."""
    assert all(problem.endswith(".") for problem in problems(text))


@given(LINES)
def test_any_mixture_of_keys_and_values_gives_settings_or_a_settings_error(lines: list[tuple[str, str]]):
    """Dates that aren't, numbers without digits, tags, anchors."""
    problems("\n".join(f"{key}: {value}" for key, value in lines))


@pytest.mark.parametrize("value", SCALARS)
def test_each_odd_value_alone_gives_settings_or_a_settings_error(value: str):
    """Each of them once for sure."""
    problems(f"setup: {value}")
