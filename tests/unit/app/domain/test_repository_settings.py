"""`.github/aurora.yml`: sensible when absent, exact about what is wrong, and never a surprise."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.repository_settings import (
    MergePolicy,
    PlanApproval,
    Problem,
    RepositorySettings,
    SettingsError,
    entered,
    parse_settings,
    problem_with,
)

KEYS = (
    "merge",
    "plan_approval",
    "max_attempts",
    "budget",
    "setup",
    "checkpoints",
    "protected_paths",
    "labels",
    "typo",
    "base",
    "sign_off",
    "paths",
    "commits",
    "merge_method",
)
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
        ("- merge\n", ("Line 1: ",)),
        ("merge: [\n", ("Line 2: This is not YAML",)),
        ("setup: 'a\n", ("Line 2: This is not YAML",)),
        ("merge: auto\nsetup: 2020-13-45\n", ("Line 2: This is not YAML: this is no timestamp",)),
        ("checkpoint:\n  tests: a\n", ("Line 1, `checkpoint`: There is no such key (did you mean `checkpoints`?).",)),
        ("sign_off: maybe\n", ("Line 1, `sign_off`: This should be `auto`, `true` or `false`.",)),
        ("base: --upload-pack=x\n", ("Line 1, `base`: This can't be the name of a branch.",)),
        ("merge_method: octopus\n", ("Line 1, `merge_method`",)),
        ("paths:\n  services/*/x:\n    setup: a\n", ("Line 2, `paths.services/*/x`: A section is for a folder",)),
        ("paths:\n  ../x/**:\n    setup: a\n", ("Line 2, `paths.../x/**`: A section is for a folder",)),
        ("paths:\n  a;b/**:\n    setup: a\n", ("Line 2, `paths.a;b/**`: A section is for a folder",)),
        ("paths:\n  a/**:\n    merge: auto\n", ("Line 3, `paths.a/**.merge`: There is no such key.",)),
    ],
)
def test_each_problem_names_its_line_and_key(text: str, beginnings: tuple[str, ...]):
    """One sentence for each thing that is wrong."""
    with pytest.raises(SettingsError) as refusal:
        parse_settings(text)
    problems = [str(problem) for problem in refusal.value.problems]
    assert len(problems) == len(beginnings)
    assert all(problem.startswith(start) for problem, start in zip(problems, beginnings, strict=True))


def test_a_problem_is_data_too():
    """Whoever shows it at its line needs no words to be taken apart."""
    with pytest.raises(SettingsError) as refusal:
        parse_settings("merge: auto\nmax_attempts: 0\n")
    (problem,) = refusal.value.problems
    assert (problem.line, problem.key) == (2, "max_attempts")
    assert "greater than or equal to 1" in problem.message
    assert problem_with("merge: auto\nbase: x\n", "base", "There is no such branch") == Problem(
        2, "base", "There is no such branch"
    )


def problems(text: str) -> tuple[str, ...]:
    """Return what is wrong with the text, in sentences; nothing when it can be used."""
    try:
        parse_settings(text)
    except SettingsError as error:
        return tuple(map(str, error.problems))
    return ()


SECTIONS = """
setup: make deps
checkpoints: {lint: make lint, tests: make test}
protected_paths: [LICENSE]
paths:
  services/**:
    setup: make all
  services/api/**:
    checkpoints: {tests: npm test, types: "tsc; vue-tsc"}
    protected_paths: ["migrations/**"]
"""


@pytest.mark.parametrize(
    ("paths", "setup", "tests"),
    [
        (["services/api/a.js", "services/api/b/c.js"], "make deps", "cd services/api && npm test"),
        (["services/api/**"], "make deps", "cd services/api && npm test"),
        (["./services/api"], "make deps", "cd services/api && npm test"),
        (["services/api/a.js", "services/web/a.js"], "cd services && make all", "make test"),
        (["services/api/a.js", "README.md"], "make deps", "make test"),
        (["services/apix/a.js"], "cd services && make all", "make test"),
        ([], "make deps", "make test"),
    ],
)
def test_a_section_counts_for_what_lies_in_its_folder_as_a_whole(paths: list[str], setup: str, tests: str):
    """Its commands run there; what it doesn't name is as for the whole repository; the innermost folder wins."""
    concerned = parse_settings(SECTIONS).concerning(paths)
    assert (concerned.setup, concerned.checkpoints.tests, concerned.checkpoints.lint) == (setup, tests, "make lint")


def test_what_sections_protect_is_protected_from_everybody():
    """A task elsewhere may stray into the folder."""
    assert parse_settings(SECTIONS).protected == ("LICENSE", "services/api/migrations/**")


def test_several_commands_all_run_in_the_folder():
    """And nobody takes the rest for being at the root."""
    types = parse_settings(SECTIONS).concerning(["services/api/a.ts"]).checkpoints.types
    assert types == "cd services/api && {\ntsc; vue-tsc\n}"
    assert entered(types) == "services/api"
    assert entered("cd api && cat ../../x") == "api"
    outside = ("npm test", "cd $HOME && x", "cd ../x && y", "cd .. && x", "cd a/.. && x", "cd a; cd b && x")
    assert [command for command in outside if entered(command)] == []


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


def test_merged_mappings_are_refused():
    """A few lines of them come to more entries than a machine can hold."""
    lines = ["a0: &a0 {k: v}", *(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    with pytest.raises(SettingsError) as error:
        parse_settings("\n".join(lines))
    assert str(error.value) == "Line 3: This is not YAML: `<<` isn't read here."
