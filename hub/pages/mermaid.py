"""Read the simple kind of Mermaid graph: boxes with a text, arrows, and classes with colours."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field, replace

MOST_NODES = 120
MOST_EDGES = 400
_HEAD = re.compile(r"(?:graph|flowchart)(?:\s+(LR|RL|TD|TB|BT))?", re.I)
_NODE = re.compile(
    r"\s*(?P<id>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*)"
    r"(?P<box>\(\[.*?\]\)|\[\[.*?\]\]|\(\(.*?\)\)|\[\"[^\"]*\"\]|\(\"[^\"]*\"\)|\{\"[^\"]*\"\}"
    r"|\[[^\]\"]*\]|\([^)\"]*\)|\{[^}\"]*\})?"
    r"(?::::(?P<kind>[\w-]+))?\s*"
)
_LINK = re.compile(r"(?P<line>--+[->]|-\.+->|==+>|-\.+-)(?:\|(?P<text>[^|]*)\|)?")
_CLASS_DEF = re.compile(r"classDef\s+(?P<name>[\w-]+)\s+(?P<styles>[^;]+)")
_CLASS = re.compile(r"class\s+(?P<ids>[\w,\s-]+?)\s+(?P<name>[\w-]+)")
_COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.I)
_ENTITY = re.compile(r"#(\w+);")


class NotDrawable(ValueError):
    """Say that this isn't a graph of the simple kind."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box."""

    name: str
    text: str
    kind: str | None = None
    round: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """One arrow, or line without a point."""

    start: str
    end: str
    text: str = ""
    dotted: bool = False
    pointed: bool = True


@dataclass(frozen=True, slots=True)
class Colours:
    """How the boxes of one class look; None is left to the page."""

    fill: str | None = None
    stroke: str | None = None
    color: str | None = None


@dataclass(slots=True)
class Graph:
    """Boxes by name in the order in which they are first written, and what joins them."""

    direction: str = "TD"
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    classes: dict[str, Colours] = field(default_factory=dict)


def parse(source: str) -> Graph:
    """Read a graph; raise NotDrawable for anything that isn't plain boxes and arrows."""
    statements = [one.strip() for line in source.split("\n") for one in _split(line)]
    statements = [one for one in statements if one and not one.startswith("%%")]
    head = _HEAD.fullmatch(statements[0]) if statements else None
    if head is None:
        raise NotDrawable("it doesn't begin with `graph` or `flowchart`")
    graph = Graph((head[1] or "TD").upper())
    for statement in statements[1:]:
        _read(graph, statement)
    if not graph.nodes or len(graph.nodes) > MOST_NODES or len(graph.edges) > MOST_EDGES:
        raise NotDrawable("it has no boxes, or too many")
    return graph


def _split(line: str) -> list[str]:
    """Cut a line at its semicolons, but not at those inside quotation marks or entities."""
    return re.findall(r'(?:"[^"]*"|#\w+;|[^";]|"(?=[^"]*$))+', line)


def _read(graph: Graph, statement: str) -> None:
    styled = _CLASS_DEF.fullmatch(statement)
    if styled:
        graph.classes[styled["name"]] = _colours(styled["styles"])
        return
    named = _CLASS.fullmatch(statement)
    if named:
        for name in re.split(r"[,\s]+", named["ids"].strip()):
            if name in graph.nodes:
                graph.nodes[name] = replace(graph.nodes[name], kind=named["name"])
        return
    _read_chain(graph, statement)


def _read_chain(graph: Graph, statement: str) -> None:
    """Read `a --> b --> c`, where each may say what stands in its box."""
    start, position = _read_node(graph, statement, 0)
    while position < len(statement):
        link = _LINK.match(statement, position)
        if link is None:
            raise NotDrawable(f"`{statement[position:][:40]}` is neither a box nor an arrow")
        end, position = _read_node(graph, statement, link.end())
        line = link["line"]
        graph.edges.append(Edge(start, end, _words(link["text"] or ""), "." in line, line.endswith(">")))
        start = end


def _read_node(graph: Graph, statement: str, position: int) -> tuple[str, int]:
    found = _NODE.match(statement, position)
    if found is None:
        raise NotDrawable(f"`{statement[position:][:40]}` doesn't name a box")
    name, box = found["id"], found["box"]
    known = graph.nodes.get(name)
    node = known or Node(name, name)
    if box:
        rim = 2 if box[:2] in {"([", "[[", "(("} else 1
        node = replace(node, text=_words(box[rim:-rim]) or name, round=box[0] in "({")
    graph.nodes[name] = replace(node, kind=found["kind"]) if found["kind"] else node
    return name, found.end()


def _words(text: str) -> str:
    """Give the words in a box: without quotation marks, entities read, breaks as spaces."""
    bare = re.sub(r"<br\s*/?>", " ", text.strip().strip('"'), flags=re.I)
    bare = _ENTITY.sub(lambda found: html.unescape(f"&{'#' if found[1].isdecimal() else ''}{found[1]};"), bare)
    return " ".join(bare.split())[:200]


def _colours(styles: str) -> Colours:
    found: dict[str, str] = {}
    for style in styles.split(","):
        name, _, value = style.partition(":")
        if name.strip() in {"fill", "stroke", "color"} and _COLOUR.fullmatch(value.strip()):
            found[name.strip()] = value.strip()
    return Colours(**found)
