"""What is played through: a repository, an issue, what the model says to each request, and what a person does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.e2e.team import Asked, approves, learns, planned, requirements, writes

# Checkpoints that take milliseconds: what they say is for other tests, that they are asked is for this one.
QUICK_CHECKS = """\
merge: auto
max_attempts: 2
checkpoints:
  types: "true"
  lint: "true"
  tests: sh check.sh
"""
TALKATIVE = QUICK_CHECKS.replace("merge: auto\n", "merge: on-approval\nplan_approval: always\n")
# Every number that a file promises must be the sum of the two before it, and a file that says `wrong` is wrong.
CHECK = "! grep -l wrong numbers/*\n"
ONE = "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d"  # what git calls the content of numbers/one
LONG = "7\n" * 8000  # an agent that is to change this file is asked dearly
CAP = 0.03  # US dollars: room for reading, planning and one such call lost in flight, but not for the agent's first
REPOSITORY = {"numbers/one": "1\n", "check.sh": CHECK, ".github/aurora.yml": QUICK_CHECKS}


@dataclass(frozen=True)
class Act:
    """A request that a person makes once the last of `runs` projects has reached a status and nothing moves."""

    status: str
    path: str  # below the repository; may name {issue} and {pull}, the newest one
    content: Mapping[str, Any]
    method: str = "POST"
    runs: int = 1


def _says(status: str, body: str, on: str = "issue", runs: int = 1) -> Act:
    """Comment on the issue, or on the pull request."""
    return Act(status, f"issues/{{{on}}}/comments", {"body": body}, runs=runs)


def _reviews(event: str, *lines: tuple[str, int, str], runs: int = 1) -> Act:
    """Review the open pull request, with comments on lines."""
    comments = [{"path": path, "line": line, "side": "RIGHT", "body": body} for path, line, body in lines]
    return Act("open", "pulls/{pull}/reviews", {"event": event, "body": "", "comments": comments}, runs=runs)


@dataclass(frozen=True)
class Scenario:
    """One issue from its label to its end."""

    name: str
    story: str
    end: str  # the status of every project
    answers: Mapping[str, Callable[[Asked], Any]]
    files: Mapping[str, str]
    title: str = "Add numbers"
    body: str = "Please."
    acts: tuple[Act, ...] = ()
    runs: int = 1  # how many projects there are in the end
    server_is_late: bool = False  # it starts when GitHub has tried in vain to bring its deliveries
    by_program: bool = False  # the project is asked for by HTTP, and the issue is the app's own


def _numbers(asked: Asked) -> Any:
    """Do task `two` wrongly at first, with every tool at the second attempt; then do task `three`."""
    if "The work of three." in asked.text:
        return writes({"numbers/three": "3\n"}, "Added three.")
    if asked.attempt == 1:
        return writes({"numbers/two": "wrong\n"}, "Added two.")
    steps = (
        (("search", {"pattern": "1", "path": "numbers"}),),
        (("read_file", {"path": "numbers/two"}),),
        (("edit_file", {"path": "numbers/two", "old": "wrong", "new": "2"}),),
        (("run", {"command": "sh check.sh"}), ("done", {"summary": "Made it two."})),
    )
    return steps[asked.turn]


MERGED = Scenario(
    "merged",
    "Two tasks, one upon the other; the first needs a second attempt.",
    "merged",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/two"), planned("three", "numbers/three", after=("two",))]},
        "generate": _numbers,
        "review": approves,
        "reflect": learns,
    },
    REPOSITORY,
)

ESCALATED = Scenario(
    "escalated",
    "One task that never passes: a person is asked.",
    "escalated",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/two")]},
        "generate": lambda asked: writes({"numbers/two": f"wrong {asked.attempt}\n"}, "Added two."),
        "reflect": learns,
    },
    REPOSITORY,
)

WAITING = Scenario(
    "waiting",
    "An issue that says nothing: questions, a person's answer, then as usual.",
    "merged",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/two")]},
        "generate": lambda _: writes({"numbers/two": "2\n"}, "Added two."),
        "review": approves,
    },
    REPOSITORY,
    title="test",
    body="",
    acts=(_says("waiting", "Add the number two in numbers/two."),),
)

MISSED = replace(
    WAITING,
    name="missed",
    story="The server is down when the issue is opened: what was missed is asked for, and what is there compared.",
    title="Add numbers",
    body="Please.",
    acts=(),
    server_is_late=True,
)


def _as_told(asked: Asked) -> Any:
    """Do the task; then what is wished for, and what a review wants of two lines: one of them is left."""
    if "Make it round." in asked.text:
        return writes({"numbers/two": "20\n2\n"}, "C1 done: it is round\nC2 no: two is enough")
    if "the number three" in asked.text:
        return writes({"numbers/three": "3\n3\n"}, "C1 done: added three")
    return writes({"numbers/two": "2\n2\n"}, "Added two.")


SUGGESTION = "As one.\n\n```suggestion\n33\n```"

TALKED = Scenario(
    "talked",
    "A plan that is approved; then a question, a wish, a review with a suggestion, and an approval.",
    "merged",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/two")]},
        "generate": _as_told,
        "review": approves,
    },
    {**REPOSITORY, ".github/aurora.yml": TALKATIVE},
    acts=(
        _says("waiting", "/aurora approve"),
        _says("open", "/aurora status"),
        _says("open", "/aurora fix Add the number three.", on="pull"),
        _reviews(
            "REQUEST_CHANGES",
            ("numbers/two", 1, "Make it round."),
            ("numbers/two", 2, "Make it three."),
            ("numbers/three", 1, SUGGESTION),
        ),
        _reviews("APPROVE"),
    ),
)

REVERTED = Scenario(
    "reverted",
    "The base moves and is brought in, the work is merged when asked for, and then taken back.",
    "merged",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/two")]},
        "generate": lambda _: writes({"numbers/two": "2\n"}, "Added two."),
        "review": approves,
    },
    {**REPOSITORY, ".github/aurora.yml": TALKATIVE.replace("plan_approval: always\n", "")},
    acts=(
        Act("open", "contents/numbers/zero", {"message": "Add zero", "content": "MAo="}, method="PUT"),
        _says("open", "/aurora rebase", on="pull"),
        _says("open", "/aurora merge"),
        _says("merged", "/aurora revert"),
        _reviews("APPROVE", runs=2),
    ),
    runs=2,
)

REQUESTED = Scenario(
    "requested",
    "A program asks for it; the cap is met by the agent's first call and raised by a person.",
    "merged",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/two", "numbers/sevens")]},
        "generate": lambda _: writes({"numbers/two": "2\n"}, "Added two."),
        "review": approves,
    },
    {**REPOSITORY, "numbers/sevens": LONG, ".github/aurora.yml": f"budget: {CAP}\n{QUICK_CHECKS}"},
    acts=(_says("paused", "/aurora budget 5"),),
    by_program=True,
)

DISPUTED = Scenario(
    "disputed",
    "The checks are asked for once more; then the base changes the same line, and a model brings both together.",
    "merged",
    {
        "parse": lambda _: requirements("numbers"),
        "plan": lambda _: {"tasks": [planned("two", "numbers/one")]},
        "generate": lambda _: writes({"numbers/one": "1 2\n"}, "Added two."),
        "review": approves,
        "merge": lambda _: {"files": [{"path": "numbers/one", "content": "1 2 3\n"}]},
    },
    {**REPOSITORY, ".github/aurora.yml": TALKATIVE.replace("plan_approval: always\n", "")},
    acts=(
        _says("open", "/aurora retry", on="pull"),
        Act("open", "contents/numbers/one", {"message": "Add three", "content": "MSAzCg==", "sha": ONE}, method="PUT"),
        _says("open", "/aurora rebase", on="pull"),
        _reviews("APPROVE"),
    ),
)

ALL = (MERGED, ESCALATED, WAITING, MISSED, TALKED, REVERTED, REQUESTED, DISPUTED)
SCENARIOS = {scenario.name: scenario for scenario in ALL}
