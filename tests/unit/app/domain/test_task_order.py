"""The order of tasks: dependencies first, and never two at once where their footprints meet."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.task import Node, PlanError, footprints_meet, serialise_overlaps, topological_order

PATHS = ("a.py", "src/a.py", "src/b.py", "src", "src/", "./src/a.py", "src/*.py", "docs/**", "*.md", "README.md")


@st.composite
def plans(draw: st.DrawFn) -> list[Node]:
    """Plans without circles: a task depends on tasks that were drawn before it, and they are shuffled."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 8))):
        needs = draw(st.sets(st.sampled_from([node.key for node in nodes]))) if nodes else set()
        footprint = draw(st.lists(st.sampled_from(PATHS), max_size=3))
        nodes.append(Node(f"t{number}", tuple(sorted(needs)), tuple(footprint), draw(st.integers(0, 3))))
    return draw(st.permutations(nodes))


def everything_before(order: dict[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """Return what each task waits for, directly or not."""
    before: dict[str, set[str]] = {}
    for key in topological_order(order):
        before[key] = set(order[key]).union(*(before[need] for need in order[key]))
    return before


@given(plans())
def test_an_order_has_every_key_once_and_behind_what_it_needs(nodes: list[Node]):
    """Whatever the plan, as long as it runs in no circle."""
    needs = {node.key: node.dependencies for node in nodes}
    order = topological_order(needs)
    assert sorted(order) == sorted(needs)
    assert all(order.index(need) < order.index(key) for key in needs for need in needs[key])


@given(plans(), st.data())
def test_a_circle_is_refused_and_named(nodes: list[Node], data: st.DataObject):
    """Closing any chain names the tasks of the circle."""
    needs: dict[str, tuple[str, ...]] = {node.key: node.dependencies for node in nodes}
    last = data.draw(st.sampled_from(sorted(needs)))
    first = data.draw(st.sampled_from(sorted({last} | everything_before(needs)[last])))
    needs[first] = (*needs[first], last)
    with pytest.raises(PlanError, match="in a circle") as refusal:
        topological_order(needs)
    assert first in str(refusal.value)
    assert last in str(refusal.value)


def test_a_stranger_among_the_dependencies_is_named():
    """A key that is in no plan can't be waited for."""
    with pytest.raises(PlanError, match="t1 depends on t9, which is not in the plan"):
        topological_order({"t1": ["t9"]})


@given(plans())
def test_serialised_tasks_keep_their_dependencies_and_run_in_no_circle(nodes: list[Node]):
    """What the plan said stays; what is added can always be carried out."""
    order = serialise_overlaps(nodes)
    assert set(order) == {node.key for node in nodes}
    assert all(set(node.dependencies) <= set(order[node.key]) for node in nodes)
    assert len(topological_order(order)) == len(nodes)


@given(plans())
def test_tasks_whose_footprints_meet_never_run_at_once(nodes: list[Node]):
    """Of any two that may touch the same path, one waits for the other."""
    before = everything_before(serialise_overlaps(nodes))
    for one, other in combinations(nodes, 2):
        if footprints_meet(one.footprint, other.footprint):
            assert one.key in before[other.key] or other.key in before[one.key]


@given(plans())
def test_tasks_that_meet_nobody_wait_for_nobody_new(nodes: list[Node]):
    """Nothing is serialised without need."""
    order = serialise_overlaps(nodes)
    by_key = {node.key: node for node in nodes}
    for node in nodes:
        for added in set(order[node.key]) - set(node.dependencies):
            assert footprints_meet(node.footprint, by_key[added].footprint)


def test_of_two_that_meet_the_more_urgent_goes_first():
    """Priority decides where dependencies leave it open, whatever the plan's own order."""
    nodes = [Node("later", (), ("a.py",), 1), Node("urgent", (), ("a.py",), 9)]
    assert serialise_overlaps(nodes) == {"later": ("urgent",), "urgent": ()}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.py", "a.py", True),
        ("a.py", "b.py", False),
        ("./a.py", "a.py", True),
        ("/a.py", "a.py", True),
        ("src//a.py", "src/a.py", True),
        ("src", "src/a.py", True),
        ("src/", "src/deep/a.py", True),
        ("src", "srcs/a.py", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a*", True),
        ("src/*.py", "src/*.ts", False),
        ("src/*.py", "docs/*.py", False),
        ("**/*.py", "src", True),
        ("*.py", "src/", True),
        ("docs/**", "docs", True),
        ("docs/**", "src/docs.py", False),
        ("*.py", "README.md", False),
        ("app/[id]/page.tsx", "app/[id]/page.tsx", True),
        ("app/[id]/page.tsx", "app/[id]", True),
        (".", "a.py", True),
        ("./", "src/a.py", True),
        ("/", "src/a.py", True),
        ("*", "src/a.py", True),
    ],
)
def test_footprints_meet_where_some_path_is_in_both(one: str, other: str, expected: bool):
    """Paths, directories and globs, in either order."""
    assert footprints_meet([one], [other]) is expected
    assert footprints_meet([other], [one]) is expected


@given(st.lists(st.sampled_from(PATHS)))
def test_an_empty_footprint_meets_everything(footprint: list[str]):
    """Who doesn't say what a task touches gets no second one beside it."""
    assert footprints_meet([], footprint)
    assert footprints_meet(footprint, [])


@given(st.lists(st.sampled_from(PATHS), min_size=1), st.lists(st.sampled_from(PATHS), min_size=1))
def test_meeting_is_mutual_and_reflexive(one: list[str], other: list[str]):
    """It doesn't matter from which side one asks."""
    assert footprints_meet(one, one)
    assert footprints_meet(one, other) == footprints_meet(other, one)
