"""A pull request takes the form of the repository's own template."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.checks import Checkpoint, CheckResult, Conclusion
from app.domain.project import Phase, Project, ProjectStatus, Repository
from app.domain.repository_settings import Problem
from app.domain.requirements import Requirement
from app.domain.ways import Ways
from app.github import mistakes, pull_request
from app.github.template import Part, Topic, fill, read

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATE = """<!-- Thank you!
Fill in everything. -->
Please read the guide.

## What does this PR do?

<!-- one sentence -->

## Related issue
Fixes #(issue number)

## How has this been tested?
- [ ] Unit tests
- [x] By hand

```
# not a heading
```

Type of change
--------------
- [ ] Bug fix

## Checklist
* [X] I signed the CLA
"""
CLOSES = "Closes #12, as asked for by `alice`."


def body(template: str, **changes: object) -> str:
    """Return the text of a pull request in a repository with this template."""
    project = Project(
        id=UUID(int=1), repository=Repository(full_name="o/r", installation_id=5), issue_number=12, run=1,
        title="Add a parser", requested_by="alice", status=ProjectStatus.open, phase=Phase.deliver, budget_usd=5.0,
        requirements=(Requirement(id="REQ-001", title="Parses dates", criteria=("accepts ISO",)),), created_at=NOW,
        ways=Ways(template=template), notes=("Mind the zone.",),
    ).model_copy(update=changes)  # fmt: skip
    tests = CheckResult(
        checkpoint=Checkpoint.tests, conclusion=Conclusion.passed, title="12 tests passed", summary="",
        started_at=NOW, completed_at=NOW,
    )  # fmt: skip
    return pull_request.body(project, [], [tests], evidence={}, changed=["parser.py"])


def under(text: str, heading: str) -> str:
    """Return what stands under a heading."""
    return re.split(r"^#+ ", text.partition(heading)[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_template_s_headings_stay_in_order_with_what_fits_under_them():
    text = body(TEMPLATE)
    headings = [line for line in text.splitlines() if re.match(r"#+ (?!not)", line)]
    assert headings == [
        "## What does this PR do?", "## Related issue", "## How has this been tested?", "## Type of change",
        "## Checklist", "### What a reviewer should know",
    ]  # fmt: skip
    assert "**REQ-001** Parses dates" in under(text, "## What does this PR do?")
    assert "**What was made**" in under(text, "## What does this PR do?")
    assert CLOSES in under(text, "## Related issue")
    assert "12 tests passed" in under(text, "## How has this been tested?")
    assert text.index("Please read the guide.") < text.index("## What does")


def test_comments_go_and_boxes_are_left_to_people():
    text = body(TEMPLATE)
    assert text.count("<!--") == 1  # ours
    assert text.startswith("<!-- aurora:pull-request ")
    assert "Thank you" not in text
    assert "Fixes #" not in text
    assert not re.search(r"\[[xX]\]", text)
    assert text.count("[ ]") == 4


def test_without_a_template_each_part_has_its_own_heading():
    text = body("")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "### Requirements", "### What was made", "### Checkpoints", "### What a reviewer should know",
    ]  # fmt: skip
    assert text.splitlines()[2] == CLOSES


def test_a_template_without_headings_comes_first():
    text = body("- [ ] I have read the guide\n")
    assert text.index(CLOSES) < text.index("- [ ] I have read the guide") < text.index("### Requirements")


@pytest.mark.parametrize(
    ("heading", "topic"),
    [
        ("Description", Topic.description), ("Summary", Topic.description), ("What", Topic.description),
        ("Changes", Topic.changes), ("Proposed changes", Topic.changes), ("How verified", Topic.tests),
        ("Test plan", Topic.tests), ("Closes", Topic.issue), ("Linked tickets", Topic.issue),
        ("Notes for reviewers", Topic.notes), ("Additional context", Topic.notes),
    ],
)  # fmt: skip
def test_headings_are_known_by_their_words(heading: str, topic: Topic):
    assert fill(f"# {heading}\n", [Part(topic, "Title", "Ours")]) == f"# {heading}\n\nOurs"


@pytest.mark.parametrize("heading", ["Type of change", "Checklist", "Screenshots", "Breaking changes"])
def test_what_only_people_know_is_left_to_them(heading: str):
    parts = [Part(topic, "Ours", "text") for topic in Topic if topic is not Topic.issue]
    assert fill(f"# {heading}\n", parts).startswith(f"# {heading}\n\n### Ours")


def test_a_heading_may_be_underlined():
    sections = read("Summary\n=======\nwords\n\nTests\n-----\n- item\n---\n")
    assert [(one.level, one.title) for one in sections] == [(0, ""), (1, "Summary"), (2, "Tests")]


def test_a_template_reaches_nobody():
    evil = "## Summary\n@octocat closes #1 <!-- aurora:progress x --> <details> ![x](https://evil.example/x.png)\n"
    text = body(evil + "<!-- never closed\n## Tests")
    assert "@octocat" not in text
    assert "closes #1 " not in text
    assert "https://evil" not in text
    assert "## Tests" not in text
    assert text.count("<!--") == 1


@pytest.mark.parametrize("template", ["", TEMPLATE, "## Summary\n" + "word " * 2_000 + "\n## Closes\n"])
def test_marker_and_closing_words_survive_any_length(template: str):
    long = tuple(Requirement(id=f"REQ-{n:03}", title="x" * 290, criteria=("y" * 290,)) for n in range(400))
    text = body(template, requirements=long)
    assert len(text) <= 65_536
    assert text.startswith("<!-- aurora:pull-request ")
    assert text.count(CLOSES) == 1


@given(st.text(alphabet="#-=`~ []xX<!>*\n\tab", max_size=200))
def test_any_template_can_be_filled_in(template: str):
    shown = fill(template, [Part(topic, "Ours", f"text about {topic}") for topic in Topic])
    assert all(f"text about {topic}" in shown for topic in Topic)


def test_mistakes_are_told_in_a_sentence_and_at_their_lines():
    wrong = (Problem(3, "max_attempts", "It is too many"), Problem(None, "", "It is @octocat's"))
    said = mistakes.sentence(wrong, "abc" * 12)
    assert "the last good settings, of abcabcabcabc, stay in force. Line 3, `max_attempts`: It is too many." in said
    assert "the defaults are in force" in mistakes.sentence(wrong, None)
    run = mistakes.check_run(wrong, None, "f" * 40, NOW)
    assert (run.name, run.conclusion, run.title) == (
        "aurora / settings", "failure", "2 mistakes in .github/aurora.yml",
    )  # fmt: skip
    assert [(note.path, note.line, note.code) for note in run.annotations] == [
        (".github/aurora.yml", 3, "max_attempts"), (".github/aurora.yml", 1, ""),
    ]  # fmt: skip
    assert "@octocat" not in run.summary
    assert "- line 3, `max_attempts`: It is too many" in run.summary
