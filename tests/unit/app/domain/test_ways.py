"""A repository's ways: read from what it has done and says, and kept to in words."""

import pytest

from app.domain.repository_settings import CommitStyle, RepositorySettings
from app.domain.ways import Ways, is_about_a_fix, is_conventional, subject, template_path, wants_conventional


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        (["feat: a", "fix(api): b", "chore(deps)!: c"], True),
        (["feat: a", "fix: b", "Tidy up", "docs: d", "Release 1.2"], False),
        (["feat: a", "fix: b", "Tidy up"], True),
        (["feat: a", "fix: b"], False),  # two show no habit
        (["Note: a", "http://x: b", "feature: c"], False),
        ([], False),
    ],
)
def test_most_of_the_last_commits_show_the_style(subjects: list[str], expected: bool):
    assert is_conventional(subjects) is expected


def test_the_settings_go_before_what_is_seen():
    told = {style: wants_conventional(RepositorySettings(commits=style), ["feat: a"] * 3) for style in CommitStyle}
    assert told == {CommitStyle.auto: True, CommitStyle.plain: False, CommitStyle.conventional: True}
    assert wants_conventional(RepositorySettings(commits=CommitStyle.conventional), [])


@pytest.mark.parametrize(
    ("title", "changed", "fixing", "expected"),
    [
        ("Add a parser", ["parser.py", "tests/test_parser.py"], False, "feat: add a parser"),
        ("Parse leap days", ["parser.py"], True, "fix: parse leap days"),
        ("Explain the parser", ["docs/parser.md", "README.md"], True, "docs: explain the parser"),
        ("Cover leap days", ["tests/test_parser.py", "web/a.spec.ts"], True, "test: cover leap days"),
        ("Use a smaller image", ["Dockerfile"], False, "chore: use a smaller image"),
        ("API answers slowly", ["api.py"], True, "fix: API answers slowly"),
        ("GitHub's name is spelled wrong", ["a.py"], True, "fix: GitHub's name is spelled wrong"),
        ("perf(parser): no copies", ["a.py"], False, "perf(parser): no copies"),
        ("Do it", [], False, "feat: do it"),
    ],
)
def test_a_conventional_subject_says_what_kind_of_change_it_is(
    title: str, changed: list[str], fixing: bool, expected: str
):
    assert subject(title, Ways(conventional=True, fixing=fixing), changed) == expected
    assert subject(title, Ways(fixing=fixing), changed) == title


def test_labels_say_that_something_is_broken():
    assert is_about_a_fix(["aurora", "type: bug"])
    assert is_about_a_fix(["kind/fix"])
    assert is_about_a_fix(["Bug"])
    assert not is_about_a_fix(["aurora", "enhancement", "debugger", "prefix"])


def test_the_template_is_the_first_that_github_would_take():
    paths = ["docs/pull_request_template.md", "PULL_REQUEST_TEMPLATE.md", ".github/PULL_REQUEST_TEMPLATE.md", "a.py"]
    assert template_path(paths) == ".github/PULL_REQUEST_TEMPLATE.md"
    assert template_path(paths[:2]) == "PULL_REQUEST_TEMPLATE.md"
    assert template_path([".github/PULL_REQUEST_TEMPLATE/feature.md", "src/pull_request_template.md"]) is None
