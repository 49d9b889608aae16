"""What small models write instead of the form that they were asked for is read as what it plainly means."""

import json

import pytest
from langchain_core.messages import AIMessage

from app.errors import BadAnswer
from workers.llm.thinker import read_answer
from workers.maestro.answers import IssueAnswer, MergeAnswer, PlanAnswer, ReviewAnswer


def issue(value):
    return read_answer(AIMessage(json.dumps(value)), IssueAnswer)


def plan(*tasks):
    return read_answer(AIMessage(json.dumps({"tasks": tasks})), PlanAnswer).tasks


def review(value):
    return read_answer(AIMessage(json.dumps(value)), ReviewAnswer)


@pytest.mark.parametrize(
    "requirements",
    [
        [{"title": "Do it", "criteria": ["it works"]}],
        [{"id": "1", "title": "Do it", "criteria": ["it works"]}],
        [{"id": 1, "title": "Do it", "criteria": ["it works"]}],
        [{"id": "REQ-1", "title": "Do it", "criteria": ["it works"]}],
        [{"id": None, "title": "Do it", "criteria": "it works"}],
        [{"id": "REQ-001", "name": "Do it", "acceptance_criteria": [{"criterion": "it works"}]}],
        [{"ID": "REQ-001", "Title": "Do it", "Acceptance Criteria": ["it works", None, "…"]}],
        [{"id": "REQ-001", "title": "Do it", "description": "it works"}],
        {"id": "REQ-001", "title": "Do it", "criteria": ["it works"]},
        {"REQ-001": {"title": "Do it", "criteria": ["it works"]}},
    ],
)
def test_a_requirement_is_one_whatever_its_id_and_the_names_of_its_fields(requirements):
    (found,) = issue({"requirements": requirements, "questions": None}).requirements
    assert (found.id, found.title, found.criteria) == ("REQ-001", "Do it", ("it works",))


@pytest.mark.parametrize("wrapped", [{"requirement": {"title": "Do it"}}, [{"title": "Do it"}], {"result": ["Do it"]}])
def test_what_is_around_the_requirements_does_not_matter(wrapped):
    (found,) = issue(wrapped).requirements
    assert (found.title, found.criteria) == ("Do it", ("Do it",))


def test_ids_that_repeat_are_given_anew():
    item = {"id": "REQ-001", "title": "Do it", "criteria": ["it works"]}
    assert [found.id for found in issue({"requirements": [item, item]}).requirements] == ["REQ-001", "REQ-002"]


def test_of_too_many_requirements_neighbours_become_one_and_nothing_is_lost():
    items = [{"id": f"REQ-{n:03}", "title": f"Part {n}", "criteria": [f"part {n} works"]} for n in range(1, 41)]
    found = issue({"requirements": items}).requirements
    assert len(found) == 20
    assert [line for one in found for line in one.criteria] == [f"part {n} works" for n in range(1, 41)]


def test_what_is_too_long_is_shortened():
    found = issue({"requirements": [{"title": "x" * 900, "criteria": ["y" * 900] * 30}], "questions": ["z"] * 9})
    assert len(found.requirements[0].title) == 500
    assert len(found.requirements[0].criteria) == 20
    assert len(found.questions) == 5


@pytest.mark.parametrize("value", [{"answer": 42}, {"requirements": [{"id": "REQ-001"}]}, {"requirements": 3}])
def test_what_says_nothing_of_what_is_wanted_stays_wrong(value):
    """It must not be taken for an issue that asks for nothing."""
    with pytest.raises(BadAnswer):
        issue(value)


def test_an_issue_may_still_ask_for_nothing():
    assert issue({"requirements": [], "questions": []}).requirements == ()


def test_a_task_needs_no_more_than_a_title():
    (task,) = plan({"title": "Do it", "description": None, "dependencies": None, "priority": "high"})
    assert (task.key, task.title, task.dependencies, task.priority) == ("t1", "Do it", (), 0)


def test_a_task_alone_waits_for_nobody_and_names_requirements_as_they_are_named():
    (task,) = plan({"key": 1, "title": "Do it", "dependencies": ["t0"], "requirements": "REQ-1", "priority": 500})
    assert (task.key, task.dependencies, task.requirements, task.priority) == ("1", (), ("REQ-001",), 100)


def test_footprints_are_paths_of_the_repository():
    (task,) = plan(
        {"title": "Do it", "files": ["/src/a.py", "/workspace/b.py", "../c.py", "C:\\d.py", "~/e", "./f.py"]}
    )
    assert task.footprint == ("src/a.py", "b.py", "f.py")


def test_a_task_does_not_wait_for_itself():
    first, _ = plan({"key": "a", "title": "A", "depends_on": ["a"]}, {"key": "b", "title": "B"})
    assert first.dependencies == ()


@pytest.mark.parametrize(
    ("value", "approved", "severities"),
    [
        ({"approved": "yes", "findings": [{"severity": "critical", "message": "m", "path": None, "line": None}]},
         True, ["blocking"]),
        ({"approved": True, "findings": ["fine", "this too"]}, True, ["advice", "advice"]),
        ({"approved": False, "findings": ["wrong"]}, False, ["blocking"]),
        ({"findings": [{"severity": "Minor", "comment": "m", "file": "a.py", "line": "3"}]}, True, ["advice"]),
        ({"findings": [{"level": "High", "message": "m"}]}, False, ["blocking"]),
        ({"approved": True, "findings": None}, True, []),
    ],
)  # fmt: skip
def test_a_review_is_read_by_what_it_says(value, approved, severities):
    found = review(value)
    assert found.approved is approved
    assert [finding.severity for finding in found.findings] == severities


@pytest.mark.parametrize(
    "value",
    [
        {"files": [{"path": "a.py", "content": "x = 1\n"}]},
        {"files": {"a.py": "x = 1\n"}},
        {"files": {"path": "a.py", "content": "x = 1\n"}},
        {"files": [{"path": "a.py", "text": "x = 1\n"}]},
        {"path": "a.py", "content": "x = 1\n"},
        {"a.py": "x = 1\n"},
        [{"path": "a.py", "content": "x = 1\n"}],
    ],
)
def test_merged_files_are_found_by_their_paths(value):
    """Whatever they are wrapped in; the text is left as it is."""
    (file,) = read_answer(AIMessage(json.dumps(value)), MergeAnswer).files
    assert (file.path, file.content) == ("a.py", "x = 1\n")


def test_a_file_without_its_text_is_no_answer():
    """It is asked for again."""
    with pytest.raises(BadAnswer):
        read_answer(AIMessage(json.dumps({"files": [{"path": "a.py"}]})), MergeAnswer)
