"""Comments and pull requests say what is true, calmly, and carry nothing hostile."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.domain.budget import Cap, Refusal
from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.concerns import Concern, ConcernKind
from app.domain.ports import Usual
from app.domain.project import Pause, Project, ProjectStatus, PullRequestRef, Repository
from app.domain.requirements import Requirement
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus
from app.github import pull_request, remarks, render
from app.github.checks import check_run

NOW = datetime(2026, 11, 1, tzinfo=UTC)
URL = "https://github.example/o/r"
EVIL = '<!-- aurora:progress x --> @octocat closes #1 ![x](https://evil.example/x.png) | `a` "]; click </details>'


def project(**changes: Any) -> Project:
    values = {
        "id": UUID(int=1),
        "repository": Repository(full_name="o/r", installation_id=5),
        "issue_number": 12,
        "run": 1,
        "title": "Add a parser",
        "requested_by": "alice",
        "status": ProjectStatus.building,
        "phase": "dispatch",
        "requirements": (Requirement(id="REQ-001", title="Parses dates", criteria=("accepts ISO",)),),
        "budget_usd": 5.0,
        "spent_usd": 0.1234,
        "created_at": NOW - timedelta(seconds=185),
    }
    return Project.model_validate(values | changes)


def task(number: int = 1, **changes: Any) -> Task:
    values = {
        "id": UUID(int=100 + number),
        "project_id": UUID(int=1),
        "key": f"t{number}",
        "title": "Write the parser",
        "description": "",
        "assigned_agent": AgentRole.backend,
        "status": TaskStatus.completed,
        "requirements": ("REQ-001",),
        "branch": f"aurora/12.1-t{number}-parser",
        "attempts": 2,
        "created_at": NOW,
        "result": TaskResult(commit="c0ffee", summary="Wrote it.", lessons=("Mind time zones.",)),
    }
    return Task.model_validate(values | changes)


def result(conclusion: Conclusion = Conclusion.passed, **changes: Any) -> CheckResult:
    values = {
        "checkpoint": Checkpoint.tests,
        "conclusion": conclusion,
        "title": "12 tests passed",
        "summary": "`pytest`: 12 passed",
        "started_at": NOW,
        "completed_at": NOW + timedelta(seconds=3),
    }
    return CheckResult.model_validate(values | changes)


def hostile() -> tuple[Project, list[Task], list[CheckResult]]:
    evil = EVIL * 20
    finding = Finding(path="a|b`.py", message=evil, is_new=False)
    requirement = Requirement(id="REQ-001", title=EVIL, criteria=(EVIL,))
    return (
        project(title=evil, reason=evil, notes=(evil,), requirements=(requirement,)),
        [
            task(
                title=evil,
                branch=EVIL,
                footprint=(EVIL,),
                status=TaskStatus.failed,
                result=TaskResult(summary=evil, failure=evil, lessons=(evil,)),
            )
        ],
        [result(Conclusion.failed, title=evil, summary=evil, findings=(finding,), log=evil)],
    )


def test_progress_shows_the_plan_the_money_and_what_is_next():
    tasks = [task(1), task(2, dependencies=(UUID(int=101),), status=TaskStatus.running, result=None)]
    shown = render.progress(project(), tasks, NOW, repository_url=URL)
    assert shown.startswith(f"<!-- aurora:progress {UUID(int=1)} -->\n### Building: 1 of 2 tasks done")
    assert '  n0["t1: Write the parser"]:::completed' in shown
    assert "  n0 --> n1" in shown
    assert "classDef running" in shown
    assert "| ◐ running | t2 Write the parser | backend | 2 | `aurora/12.1-t2-parser` |" in shown
    assert f"[`aurora/12.1-t1-parser`]({URL}/commit/c0ffee)" in shown
    assert "$0.12 of $5.00 · 3 min 5 s · run 1" in shown


@pytest.mark.parametrize("status", list(ProjectStatus))
def test_progress_has_words_for_every_status(status: ProjectStatus):
    shown = render.progress(project(status=status), [], NOW, repository_url=URL)
    assert len(shown.splitlines()) > 3


@pytest.mark.parametrize("status", ["waiting", "paused", "open", "cancelled"])
def test_progress_says_why_it_stands_still(status: str):
    shown = render.progress(
        project(status=status, reason="Somebody pushed to the branch."), [], NOW, repository_url=URL
    )
    assert "> Somebody pushed to the branch." in shown


@pytest.mark.parametrize(
    ("cap", "words"),
    [
        (None, "It goes on with `/aurora resume`."),
        (Cap.project, "It goes on with `/aurora budget <amount>`; the comment below says how much it takes."),
        (Cap.task, "It goes on with `/aurora resume` once the operator has raised `AURORA_BUDGET_TASK`."),
        (Cap.day, "It goes on by itself when the day is over, at 00:00 UTC."),
    ],
)
def test_a_paused_run_says_what_lets_it_go_on(cap: Cap | None, words: str):
    """And no more that it is going to pause."""
    five, one = Decimal(5), Decimal(1)
    refusal = cap and Refusal(cap=cap, step="plan", limit=five, spent=five, reserved=Decimal(0), needed=one)
    paused = project(status=ProjectStatus.paused, spent_usd=5.0, pause=Pause(refusal=refusal))
    shown = render.progress(paused, [], NOW, repository_url=URL)
    assert words in shown
    assert "At the cap it pauses" not in shown


def test_a_delivered_project_names_its_pull_request():
    ref = PullRequestRef(number=13, url=f"{URL}/pull/13", head_sha="a" * 40)
    shown = render.progress(project(status="merged", pull_request=ref), [], NOW, repository_url=URL)
    assert "### Merged in #13" in shown


def test_a_graph_of_many_tasks_stays_readable():
    tasks = [task(number) for number in range(60)]
    shown = render.graph(tasks)
    assert shown.count(":::completed") == render.MOST_NODES
    assert "and 20 more tasks" in shown


def test_an_escalation_names_the_person_the_attempts_the_logs_and_the_way_on():
    failed = task(1, status="failed", result=TaskResult(failure="2 tests fail", lessons=("First.", "Second.")))
    shown = render.escalation(
        project(reason="The tests of `t1` still fail."),
        [failed, task(2)],
        repository_url=URL,
        logs="https://aurora.example/logs/1",
    )
    assert "@alice" in shown
    assert "2 attempts by the backend agent" in shown
    assert "> 2 tests fail" in shown
    assert "After attempt 1:\n\n> First." in shown
    assert "After attempt 2:\n\n> Second." in shown
    assert "https://aurora.example/logs/1" in shown
    assert "take the label off issue #12 and put it on again" in shown
    assert "Done, and kept on their branches:\n\n- Write the parser" in shown


def test_an_escalation_says_what_went_wrong_once():
    """Where its reason is the only task's failure."""
    failed = task(status=TaskStatus.failed, attempts=2, result=TaskResult(failure="tests: exit code 1"))
    escalated = project(status=ProjectStatus.escalated, reason="Task t1, Do it: tests: exit code 1")
    shown = render.escalation(escalated, [failed], repository_url="http://hub/o/r")
    assert shown.count("tests: exit code 1") == 1
    assert "- `/aurora fix <text>`: try again with your hint" in shown


def test_a_graph_leaves_out_what_other_arrows_say():
    """A follow-up depends on everything before it."""
    first, second = task(1, dependencies=()), task(2)
    second = second.model_copy(update={"dependencies": (first.id,)})
    third = task(3).model_copy(update={"dependencies": (first.id, second.id)})
    arrows = [line.strip() for line in render.graph([first, second, third]).splitlines() if "-->" in line]
    assert arrows == ["n0 --> n1", "n1 --> n2"]


def test_a_plan_made_anew_says_that_the_one_before_is_void():
    """Two comments with a box each leave nobody guessing."""
    first, second = (render.plan(project(plans=number), [task()], Usual(0, 0.0)) for number in (1, 2))
    assert "takes the place" not in first
    assert "### The plan, made anew" in second
    assert "It takes the place of the plan before it, whose box does nothing any more." in second


def test_hardly_any_money_isn_t_shown_as_none():
    assert render.usd(0.00003) == "less than $0.0001"
    assert render.usd(0) == "$0.00"


def test_questions_are_numbered():
    shown = render.questions(project(), ["Which format?", "Which zone?"])
    assert "### Questions before work starts" in shown
    assert "### A question before work starts" in render.questions(project(), ["Which format?"])
    assert "1. Which format?\n2. Which zone?" in shown


def test_a_pull_request_shows_requirements_checkpoints_cost_and_what_was_red_before():
    known = Finding(path="old.py", line=3, message="was here", is_new=False)
    results = [result(findings=(known,)), result(Conclusion.not_run, checkpoint="types", title="no checker")]
    text = pull_request.body(
        project(rounds=2, notes=("No tests existed.",)),
        [task()],
        results,
        evidence={"REQ-001": ["tests/test_parser.py"]},
    )
    assert "Closes #12" in text
    assert "- **REQ-001** Parses dates\n  - accepts ISO\n  - *Shown by:* tests/test\\_parser.py" in text
    assert "| `aurora / tests` | passed | 12 tests passed | 3 s |" in text
    assert "| `aurora / types` | **not run** | no checker | 3 s |" in text
    assert "What was red before this change (1)" in text
    assert "`old.py:3` was here" in text
    assert "> No tests existed." in text
    assert "$0.12 · 2 attempts · sent back 2 times · run 1" in text


def test_a_pull_request_counts_as_people_do():
    text = pull_request.body(project(rounds=1, spent_usd=0.0), [task(attempts=1)], [], evidence={})
    assert "$0.00 · 1 attempt · sent back 1 time · run 1" in text


def test_without_evidence_a_requirement_names_its_tasks():
    made = pull_request.body(project(), [task()], [], evidence={}, changed=["b.py", "Dockerfile", "docs/a.md", "a.py"])
    assert "- **Code** (2 files): `a.py`, `b.py`\n- **Documentation** (1 file): `docs/a.md`\n" in made
    assert "- **Deployment configuration** (1 file): `Dockerfile`\n" in made
    assert "*Shown by:* task t1" in pull_request.body(project(), [task()], [], evidence={})


def every_text() -> dict[str, str]:
    one, tasks, results = hostile()
    check = check_run(results[0], "a" * 40, "x")
    concerns = (Concern(kind=ConcernKind.review, id=1, author=EVIL, text=EVIL),)
    declined = TaskResult(summary=f"C1 no: {EVIL}")
    return {
        "answer": remarks.answers(task(concerns=concerns, result=declined), concerns),
        "failure": remarks.answers(tasks[0].model_copy(update={"concerns": concerns}), concerns),
        "progress": render.progress(one, tasks, NOW, repository_url=URL),
        "plan": render.plan(one, tasks, Usual(0, 0.0)),
        "questions": render.questions(one, [EVIL]),
        "escalation": render.escalation(one, tasks, repository_url=URL),
        "pull request": pull_request.body(one, tasks, results, evidence={"REQ-001": [EVIL]}),
        "title": pull_request.title(one),
        "check": check.summary + "\n" + check.text,
        "check's title": check.title,
    }


@pytest.mark.parametrize("name", every_text())
def test_hostile_text_has_no_effect_anywhere(name: str):
    text = every_text()[name]
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE))
    assert "@octocat" not in prose
    assert "https://evil" not in prose
    assert not re.search(r"closes #1\b", text)
    assert text.count("<!-- aurora:progress") == (name == "progress")
    if "title" not in name:  # titles aren't Markdown
        assert prose.count("<details>") == prose.count("</details>")
    assert len(text) <= 65_536


def test_a_title_stays_short():
    assert len(pull_request.title(project(title="x" * 500))) <= 120


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (0.31, "0.3 s"), (42.4, "42 s"), (60, "1 min"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations_are_said_as_people_do(seconds: float, shown: str):
    assert render.duration(seconds) == shown


@pytest.mark.parametrize(
    ("conclusion", "shown"),
    [("passed", "success"), ("failed", "failure"), ("not_run", "action_required"), ("skipped", "skipped")],
)
def test_a_checkpoint_becomes_a_check_run(conclusion: Conclusion, shown: str):
    findings = (
        Finding(path="a.py", line=2, message="new"),
        Finding(path="a.py", line=3, message="old", is_new=False),
        Finding(path="", message="nowhere"),
    )
    check = check_run(result(Conclusion(conclusion), findings=findings, log="$ pytest\nok"), "a" * 40, "x1")
    assert (check.name, check.conclusion, check.external_id) == ("aurora / tests", shown, "x1")
    assert [one.message for one in check.annotations] == ["new"]
    assert check.text == "```text\n$ pytest\nok\n```"
