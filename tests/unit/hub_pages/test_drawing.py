"""Mermaid graphs of the simple kind become pictures."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from app.domain.roles import AgentRole
from app.domain.task import Task, TaskStatus
from app.github.render import graph
from hub.pages.drawing import draw
from hub.pages.layers import layered
from hub.pages.markdown import Place, render
from hub.pages.mermaid import NotDrawable, parse

SOURCE = """graph LR
  n0["1: Add (a) price"]:::done
  n1["2: Test it"]:::open
  n0 --> n1
  classDef done fill:#dafbe1,stroke:#1a7f37,color:#1f2328
"""


def test_the_apps_graph_is_read() -> None:
    """Boxes, arrows, classes and their colours come out as written."""
    read = parse(SOURCE)
    assert [(one.text, one.kind) for one in read.nodes.values()] == [
        ("1: Add (a) price", "done"),
        ("2: Test it", "open"),
    ]
    assert [(one.start, one.end) for one in read.edges] == [("n0", "n1")]
    assert read.classes["done"].fill == "#dafbe1"
    assert read.direction == "LR"


def test_the_apps_own_words_can_be_drawn() -> None:
    """What the app writes into its progress comment is of the kind that is drawn."""
    first, second = uuid4(), uuid4()
    same: dict[str, Any] = {
        "project_id": uuid4(), "description": "", "assigned_agent": AgentRole.backend, "branch": "aurora/1",
        "created_at": datetime.now(UTC),
    }  # fmt: skip
    tasks = [
        Task(id=first, key="t1", title='Say "hello" <b>', status=TaskStatus.completed, **same),
        Task(id=second, key="t2", title="Test; it", status=TaskStatus.running, dependencies=(first,), **same),
    ]
    shown = render(graph(tasks), Place("acme/shop"))
    assert shown.count("<rect") == 2
    assert "t2: Test" in re.sub(r"<[^>]*>", " ", shown)


def test_chains_labels_and_shapes_are_read() -> None:
    """Several arrows in a line, words on arrows, dotted lines and round boxes are understood."""
    read = parse("flowchart TD\na(round) -->|yes| b{why} -.-> c\nc --- d")
    assert [(one.start, one.end, one.text, one.dotted, one.pointed) for one in read.edges] == [
        ("a", "b", "yes", False, True),
        ("b", "c", "", True, True),
        ("c", "d", "", False, False),
    ]
    assert read.nodes["a"].round


@pytest.mark.parametrize(
    "source",
    ["sequenceDiagram\n a->>b: hi", "graph LR\n subgraph x\n a\n end", "graph LR\n style a fill:red", "", "graph LR"],
)
def test_other_diagrams_stay_code(source: str) -> None:
    """What we can't draw is shown as its source."""
    with pytest.raises(NotDrawable):
        parse(source)
    assert "<pre" in render(f"```mermaid\n{source}\n```", Place("acme/shop"))


@pytest.mark.parametrize("direction", ["LR", "RL", "TD", "BT"])
def test_boxes_never_lie_upon_one_another(direction: str) -> None:
    """In every direction each box has a place of its own inside the picture."""
    edges = ["a --> b", "a --> c", "b --> d", "c --> d", "a --> d", "d --> e", "b --> e", "f --> e"]
    picture = draw(parse("\n".join([f"graph {direction}", *edges])))
    boxes = [
        tuple(map(float, found))
        for found in re.findall(
            r'<rect class="\w+" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture
        )
    ]
    assert len(boxes) == 6
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', picture)
    assert size is not None
    for x, y, width, height in boxes:
        assert x + width <= float(size[1]) + 1
        assert y + height <= float(size[2]) + 1
    for index, (x, y, width, height) in enumerate(boxes):
        for ox, oy, owidth, oheight in boxes[index + 1 :]:
            assert x + width <= ox or ox + owidth <= x or y + height <= oy or oy + oheight <= y


def test_layers_follow_the_longest_way() -> None:
    """A box stands after all that lead to it; an arrow over a layer bends there."""
    found = layered(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])
    assert [[name for name in layer if "\0" not in name] for layer in found.names] == [["a"], ["b"], ["c"]]
    assert list(found.bends) == [("a", "c")]


def test_circles_are_drawn_all_the_same() -> None:
    """A graph that goes round in a circle has layers too."""
    assert draw(parse("graph LR\na --> b --> c --> a\nd --> d")).count("<rect") == 4


def test_a_deep_graph_needs_no_deep_stack() -> None:
    """A long chain and a tangle are laid out without running out of anything."""
    names = [f"n{number}" for number in range(3000)]
    chain = list(pairwise(names))
    assert len(layered(names, [*chain, ("n0", "n2999")]).names) == 3000
