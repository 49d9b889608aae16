"""A plan that can't be carried out is sent back in words."""

import pytest

from app.domain.plan import Kind, Plan, check_plan
from app.domain.task import PlanError


def plan(*tasks):
    return Plan.model_validate({"tasks": [{"title": "Do", **task} for task in tasks]})


def test_a_kind_that_does_not_exist_is_general_work():
    assert plan({"key": "t1", "kind": "wizardry"}).tasks[0].kind is Kind.integration


def test_one_task_needs_no_list_of_requirements():
    check_plan(plan({"key": "t1"}), ("REQ-001",))


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([{"key": "t1"}, {"key": "t1"}], "more than one task: t1"),
        ([{"key": "t1", "dependencies": ["t2"]}, {"key": "t2", "dependencies": ["t1"]}], "in a circle: t1, t2"),
        ([{"key": "t1", "dependencies": ["t1"]}], "in a circle: t1"),
        ([{"key": "t1", "dependencies": ["t9"]}], "depends on t9"),
        ([{"key": "t1", "requirements": ["REQ-001"]}, {"key": "t2"}], "meets these requirements: REQ-002"),
        ([{"key": "t1", "requirements": ["REQ-001", "REQ-002"]}, {"key": "t2", "requirements": ["X"]}], "no such"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(tasks, words):
    with pytest.raises(PlanError, match=words):
        check_plan(plan(*tasks), ("REQ-001", "REQ-002"))
