"""Nothing in app or workers writes around the crash points: read from the code, so that nobody has to remember."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITES = re.compile(r"^\s*(INSERT|UPDATE|DELETE)\b|\(\s*(INSERT|UPDATE|DELETE)\b", re.MULTILINE)

# What leads outside, and the adapters that may call it: each does so within `edge`, or is no part of a run.
ADAPTERS = {
    "enqueue_job": {"app/queue.py"},
    "transaction": {
        "app/storage/pool.py",  # the boundary itself
        "app/storage/leases.py",  # within `leased`
        "app/storage/usage.py",  # within `leased`
        "app/storage/board.py",  # reads only
        "app/storage/migrations/__init__.py",  # before anything runs
        "workers/saver.py",  # within `saved`
        "workers/memory/long_term.py",  # what is lost there is learned again
    },
    "ClientSession": {"app/web/artifacts.py", "workers/wiring.py", "workers/doctor.py", "workers/local/stack.py"},
    "commit_tree": {"workers/workspace/worktree.py", "workers/workspace/merge.py"},
    "create_pool": {"app/storage/pool.py", "app/storage/deliveries.py"},
}

# Statements that write by themselves, in no transaction that crosses a point; why losing or repeating one does no harm.
ALONE = {
    "leases.beat": "the next beat says the same",
    "messages.overdue": "a ring too many finds nothing to do",
    "messages.again": "a ring too many finds nothing to do",
    "deliveries.overdue": "a ring too many finds nothing to do",
    "deliveries.wait": "it is looked at sooner",
    "deliveries.failed": "it is tried once more",
    "recovery.set_mark": "the same is looked at again",
    "recovery.open_door": "what is missing is asked for at the next look",
    "recovery.missed": "the next look finds it again",
    "recovery.arrived": "the next look finds it stored",
    "recovery.asked": "it is asked for once more, and its GUID is known then",
    "artifacts.here": "the next minute says the same",
    "pace.take": "a turn is left unused",
    "pace.block": "GitHub asks again to slow down",
}


def statements() -> dict[str, str]:
    """Return the named statements."""
    found = {}
    for file in (ROOT / "app/storage/queries").glob("*.sql"):
        for block in file.read_text().split("-- name: ")[1:]:
            name, _, body = block.partition("\n")
            found[f"{file.stem}.{name.strip()}"] = body
    return found


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of a method in the code that runs, with its file."""
    for package in ("app", "workers"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    yield file.relative_to(ROOT).as_posix(), node


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


@pytest.mark.parametrize("method", ADAPTERS)
def test_only_adapters_lead_outside(method):
    users = {file for file, call in calls() if name_of(call) == method}
    assert users - ADAPTERS[method] == set(), f"let it go through an adapter that crosses `edge`, not {method}"


def test_statements_that_write_are_part_of_a_transaction_that_crosses_a_point():
    known = statements()
    alone = set()
    for _, call in calls():
        on_a_pool = ast.unparse(call.func).rpartition(".")[0].endswith("pool")
        for argument in call.args:
            if not (isinstance(argument, ast.Call) and ast.unparse(argument.func) == "sql" and on_a_pool):
                continue
            name = ast.literal_eval(argument.args[0])
            if WRITES.search(known[name]):
                alone.add(name)
    assert alone - set(ALONE) == set(), "write in `fenced` or `transaction`, or say in ALONE why it does no harm"
