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
# Every number that a file promises must be the sum of the two before it, and a file that says `wrong` is wrong.
CHECK = "! grep -l wrong numbers/*\n"
REPOSITORY = {"numbers/one": "1\n", "check.sh": CHECK, ".github/aurora.yml": QUICK_CHECKS}


@dataclass(frozen=True)
class Act:
    """What a person does when the project has reached a status."""

    status: str
    comment: str


@dataclass(frozen=True)
class Scenario:
    """One issue from its label to its end."""

    name: str
    story: str
    end: str  # the project's status
    answers: Mapping[str, Callable[[Asked], Any]]
    files: Mapping[str, str]
    title: str = "Add numbers"
    body: str = "Please."
    acts: tuple[Act, ...] = ()
    server_is_late: bool = False  # it starts when GitHub has tried in vain to bring its deliveries


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
    acts=(Act("waiting", "Add the number two in numbers/two."),),
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

SCENARIOS = {scenario.name: scenario for scenario in (MERGED, ESCALATED, WAITING, MISSED)}
