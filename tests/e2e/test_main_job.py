"""The main job, from the label to the merge, through every process and the local GitHub."""

import asyncio

import pytest

from app.domain.checks import Checkpoint
from tests.e2e.team import planned, requirements, writes

pytestmark = pytest.mark.asyncio(loop_scope="session")
THRICE = {
    "thrice.py": "def thrice(n: int) -> int:\n    return 3 * n\n",
    "tests/test_thrice.py": "from thrice import thrice\n\n\ndef test_thrice():\n    assert thrice(2) == 6\n",
}


async def test_a_labelled_issue_becomes_a_merged_pull_request(team, model):
    """One task: four green checks and a review, merged, closed, labelled, one comment, no branch left."""
    model.answers |= {
        "parse": lambda _: requirements("thrice"),
        "plan": lambda _: {"tasks": [planned("t1", "thrice.py", "tests/test_thrice.py")]},
        "generate": lambda _: writes(THRICE, "Added thrice."),
    }
    number = await team.ask("acme/sound", "Add thrice")

    assert await team.settled("acme/sound", number) == "Merged in"
    issue = await team.see(f"/repos/acme/sound/issues/{number}")
    pull = await team.pull_request("acme/sound", number)
    checks = await team.checks("acme/sound", pull["head"]["sha"])
    branches = {branch["name"] for branch in await team.see("/repos/acme/sound/branches")}
    assert issue["state"] == "closed"
    assert pull["merged_at"]
    assert f"Closes #{number}" in pull["body"]
    assert {check.check_name for check in Checkpoint} | {"aurora / review"} == set(checks)
    assert {check["conclusion"] for check in checks.values()} == {"success"}
    assert "aurora: done" in await team.labels("acme/sound", number)
    assert len(await team.comments("acme/sound", number)) == 1
    assert f"aurora/{number}.1" not in branches
    assert [asked.step for asked in model.asked] == ["parse", "plan", "generate", "review"]


async def test_tasks_run_in_parallel_and_in_the_order_of_their_dependencies(team, model):
    """Two tasks are asked for at the same time; the third starts on top of both."""
    together = asyncio.Barrier(2)

    async def generate(asked):
        if "The work of c." in asked.text:
            return writes({"c.py": "from a import A\nfrom b import B\n\nC = A + B\n"})
        async with asyncio.timeout(30):
            await together.wait()
        name = "a" if "The work of a." in asked.text else "b"
        return writes({f"{name}.py": f"{name.upper()} = 1\n"})

    model.answers |= {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {
            "tasks": [planned("a", "a.py"), planned("b", "b.py"), planned("c", "c.py", after=("a", "b"))]
        },
        "generate": generate,
    }
    number = await team.ask("acme/untested", "Add numbers")

    assert await team.settled("acme/untested", number) == "Merged in"
    pull = await team.pull_request("acme/untested", number)
    files = {file["filename"] for file in await team.see(f"/repos/acme/untested/pulls/{pull['number']}/files")}
    (comment,) = await team.comments("acme/untested", number)
    branches = {branch["name"] for branch in await team.see("/repos/acme/untested/branches")}
    assert files == {"a.py", "b.py", "c.py"}
    assert "```mermaid" in comment
    assert branches == {"main"}
    assert "No tests" in (await team.checks("acme/untested", pull["head"]["sha"]))["aurora / tests"]["output"]["title"]


async def test_work_that_never_passes_is_handed_over_with_its_failing_checks(team, model):
    """After the last attempt: branch pushed, failing check annotated, one comment that says what was learned."""
    wrong = {**THRICE, "thrice.py": "def thrice(n: int) -> int:\n    return n\n"}
    model.answers |= {
        "parse": lambda _: requirements("thrice"),
        "plan": lambda _: {"tasks": [planned("t1", "thrice.py")]},
        "generate": lambda asked: writes({**wrong, "thrice.py": wrong["thrice.py"] + f"\n\nTRY = {asked.attempt}\n"}),
    }
    number = await team.ask("acme/red", "Add thrice badly")

    assert await team.settled("acme/red", number) == "This needs a person"
    commits = await team.see("/repos/acme/red/commits", sha=f"aurora/{number}.1")
    checks = await team.checks("acme/red", commits[0]["sha"])
    tests = checks["aurora / tests"]
    notes = await team.see(f"/repos/acme/red/check-runs/{tests['id']}/annotations")
    escalations = [body for body in await team.comments("acme/red", number) if "aurora:escalation" in body]
    assert {check.check_name for check in Checkpoint} == set(checks)
    assert tests["conclusion"] == "failure"
    assert [note["path"] for note in notes] == ["tests/test_thrice.py"]
    assert len(escalations) == 1
    assert "Return the right one." in escalations[0]
    assert len(model.steps("reflect")) == 5
    assert "aurora: escalated" in await team.labels("acme/red", number)


async def test_what_was_red_before_does_not_count_and_is_said(team, model):
    """A repository with a failing test is worked on; the pull request waits for approval and names the test."""
    model.answers |= {
        "parse": lambda _: requirements("thrice"),
        "plan": lambda _: {"tasks": [planned("t1", "thrice.py")]},
        "generate": lambda _: writes(THRICE),
    }
    number = await team.ask("acme/red", "Add thrice well")

    assert await team.settled("acme/red", number) == "Ready for review"
    pull = await team.pull_request("acme/red", number)
    assert "red before" in pull["body"]
    await team.stack.person.post(
        f"/repos/acme/red/pulls/{pull['number']}/reviews", {"event": "APPROVE", "commit_id": pull["head"]["sha"]}
    )
    assert await team.settled("acme/red", number) in {"Ready for review", "Merged in"}
    await team.label("acme/red", number, "aurora: done")
    async with asyncio.timeout(30):
        while not (await team.pull_request("acme/red", number))["merged_at"]:
            await asyncio.sleep(0.1)


async def test_a_killed_worker_s_task_goes_on_where_it_was(team, model, stack):
    """Killed (-9) in its second model call: the first is not asked again, and its edit is there."""
    hanging = asyncio.Event()

    async def generate(asked):
        if asked.turn == 0:
            return (("write_file", {"path": "kept.py", "content": "KEPT = True\n"}),)
        if not hanging.is_set():
            hanging.set()
            await asyncio.sleep(3600)
        return (("done", {"summary": "Kept."}),)

    model.answers |= {
        "parse": lambda _: requirements("kept"),
        "plan": lambda _: {"tasks": [planned("t1", "kept.py")]},
        "generate": generate,
    }
    number = await team.ask("acme/sound", "Keep what was done")
    async with asyncio.timeout(60):
        await hanging.wait()
    await stack.restart_worker()

    async with asyncio.timeout(30):
        while len(model.steps("generate")) < 3:
            await asyncio.sleep(0.1)
    assert await team.settled("acme/sound", number) == "Merged in"
    assert [asked.turn for asked in model.steps("generate")] == [0, 1, 1]
    files = await team.see("/repos/acme/sound/contents/kept.py")
    assert files["size"] == len("KEPT = True\n")


async def test_an_issue_that_says_nothing_gets_questions_and_goes_on_from_the_answer(team, model):
    """No model is asked about an empty issue; the answer in a comment is enough to begin."""
    model.answers |= {
        "parse": lambda asked: requirements("four") if "FOUR" in asked.text else {},
        "plan": lambda _: {"tasks": [planned("t1", "four.py")]},
        "generate": lambda _: writes({"four.py": "FOUR = 4\n"}),
    }
    number = await team.ask("acme/untested", "test", "")

    assert await team.settled("acme/untested", number) == "Waiting for"
    assert model.asked == []
    await team.stack.person.comment("acme/untested", number, "Add a constant FOUR to four.py.")
    async with asyncio.timeout(60):
        while (await team.see(f"/repos/acme/untested/issues/{number}"))["state"] == "open":
            await asyncio.sleep(0.1)


async def test_an_empty_repository_is_answered_in_a_comment(team, model):
    """Nothing to branch from: one comment says what to do."""
    number = await team.ask("acme/empty", "Add a thing to nothing")

    assert await team.settled("acme/empty", number) == "This needs a person"
    comments = await team.comments("acme/empty", number)
    assert any("first commit" in body for body in comments)
    assert model.asked == []


async def test_a_combination_that_is_red_goes_back_to_the_task_that_made_it_so(team, model):
    """Each task passes alone; together they don't: the later one is sent back, fixes it, and all is merged."""

    def generate(asked):
        if "The work of limit." in asked.text:
            return writes({"limit.py": "LIMIT = 1\n"})
        items = "[1]" if "Sent back" in asked.text else "[1, 2]"
        test = (
            "import importlib\nimport importlib.util\n\nfrom items import ITEMS\n\n\ndef test_limit():\n"
            "    if importlib.util.find_spec('limit'):\n        limit = importlib.import_module('limit')\n"
            "        assert len(ITEMS) <= limit.LIMIT\n"
        )
        return writes({"items.py": f"ITEMS = {items}\n", "tests/test_items.py": test})

    model.answers |= {
        "parse": lambda _: requirements("both"),
        "plan": lambda _: {"tasks": [planned("limit", "limit.py"), planned("items", "items.py")]},
        "generate": generate,
    }
    number = await team.ask("acme/sound", "Add limit and items")

    assert await team.settled("acme/sound", number) == "Merged in"
    assert len(model.steps("generate")) == 3
