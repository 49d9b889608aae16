"""What small models plan too finely is put together where nothing is lost by it."""

from app.domain.plan import Plan
from workers.maestro.plan import leave_to_makers


def plan(*tasks):
    return Plan.model_validate({"tasks": tasks})


def task(key, kind, *footprint, needs=(), requirements=("REQ-001",)):
    return {
        "key": key, "title": key, "kind": kind, "footprint": footprint, "dependencies": needs,
        "requirements": requirements,
    }  # fmt: skip


def test_tests_of_files_that_their_maker_changes_anyway_are_left_to_it():
    found = leave_to_makers(
        plan(
            task("t", "tests", "tests/a.py", needs=["c"], requirements=["REQ-002"]),
            task("c", "backend", "a.py", "tests/a.py"),
            task("d", "documentation", "README.md", needs=["t"]),
        )
    )
    assert [(one.key, one.dependencies, one.requirements) for one in found.tasks] == [
        ("c", (), ("REQ-002", "REQ-001")),
        ("d", ("c",), ("REQ-001",)),
    ]


def test_tests_in_files_of_their_own_stay_a_task():
    wanted = plan(task("t", "tests", "tests/a.py", needs=["c"]), task("c", "backend", "a.py"))
    assert leave_to_makers(wanted) == wanted


def test_what_would_make_a_circle_stays():
    wanted = plan(
        task("a", "backend", "a.py", "tests/a.py"),
        task("b", "backend", "b.py", needs=["a"]),
        task("t", "tests", "tests/a.py", needs=["b"]),
    )
    assert leave_to_makers(wanted) == wanted
