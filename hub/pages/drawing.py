"""Draw a graph as SVG that stands in a page: no script, no style, readable on light and dark."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hub.pages.layers import Pair, layered
from hub.pages.mermaid import Colours, Edge, Graph, Node

LETTER = 7.3  # pixels that a letter of the page's font at 13 px takes on average
LINE = 18
WIDEST = 26  # letters in a line of a box
PADDING = 14
GAP = 18  # between neighbours in a layer
STEP = 52  # between layers
MARGIN = 4


@dataclass(frozen=True, slots=True)
class Box:
    """A node with its lines of text and its place."""

    node: Node
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def draw(graph: Graph) -> str:
    """Give the picture as an `<svg>` element."""
    across = graph.direction in {"LR", "RL"}
    boxes, bends, width, height = _placed(graph, across=across)
    words = f"Graph of {len(graph.nodes)} boxes: " + "; ".join(one.text for one in graph.nodes.values())
    parts = [
        f'<svg class="mermaid" role="img" aria-label="{html.escape(words)}" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}">'
    ]
    for edge in graph.edges:
        way = [boxes[name] for name in (edge.start, *bends.get((edge.start, edge.end), ()), edge.end)]
        parts.append(_arrow(way, edge, graph.direction))
    for name, node in graph.nodes.items():
        parts.append(_box(boxes[name], graph.classes.get(node.kind or "", Colours())))
    return "".join([*parts, "</svg>"])


def _placed(graph: Graph, *, across: bool) -> tuple[dict[str, Box], dict[Pair, list[str]], float, float]:
    """Give boxes with their places, the bends that long arrows take, and the size of the picture."""
    found = layered(list(graph.nodes), [(edge.start, edge.end) for edge in graph.edges])
    layers = found.names
    sized = {name: _sized(node) for name, node in graph.nodes.items()}
    sized |= {bend: BEND for way in found.bends.values() for bend in way}
    if graph.direction in {"RL", "BT"}:
        layers.reverse()
    spans = [sum(_breadth(sized[name], across) for name in layer) + GAP * (len(layer) - 1) for layer in layers]
    widest, along = max(spans), float(MARGIN)
    placed: dict[str, Box] = {}
    for layer, span in zip(layers, spans, strict=True):
        depth = max(_depth(sized[name], across) for name in layer)
        beside = MARGIN + (widest - span) / 2
        for name in layer:
            box = _stretched(sized[name], depth, across)
            inset = along + (depth - _depth(box, across)) / 2
            x, y = (inset, beside) if across else (beside, inset)
            placed[name] = replace(box, x=x, y=y)
            beside += _breadth(box, across) + GAP
        along += depth + STEP
    length, breadth = along - STEP + MARGIN, widest + 2 * MARGIN
    return placed, found.bends, *((length, breadth) if across else (breadth, length))


BEND = Box(Node("", ""), (), 0, 0)


def _stretched(box: Box, depth: float, across: bool) -> Box:
    """Make a bend as long as its layer, so that the arrow runs straight beside the boxes there."""
    if box is not BEND:
        return box
    return replace(box, width=depth) if across else replace(box, height=depth)


def _breadth(box: Box, across: bool) -> float:
    return box.height if across else box.width


def _depth(box: Box, across: bool) -> float:
    return box.width if across else box.height


def _sized(node: Node) -> Box:
    lines = tuple(textwrap.wrap(node.text, WIDEST, break_long_words=True)) or (node.text,)
    width = max(len(line) for line in lines) * LETTER + 2 * PADDING
    return Box(node, lines, width, len(lines) * LINE + PADDING)


def _box(box: Box, colours: Colours) -> str:
    paint = "".join(
        f' {name}="{value}"' for name, value in (("fill", colours.fill), ("stroke", colours.stroke)) if value
    )
    ink = f' fill="{colours.color}"' if colours.color else ""
    # A box that brings its own background needs ink that goes with it, on a dark page too.
    kind = "own" if colours.fill else "plain"
    middle, y = box.middle
    first = y - (len(box.lines) - 1) * LINE / 2 + 4.5
    lines = "".join(
        f'<tspan x="{middle:.1f}" y="{first + index * LINE:.1f}">{html.escape(line)}</tspan>'
        for index, line in enumerate(box.lines)
    )
    return (
        f'<rect class="{kind}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        f' rx="{box.height / 2 if box.node.round else 6:.0f}"{paint}/>'
        f'<text class="{kind}" text-anchor="middle"{ink}>{lines}</text>'
    )


def _arrow(way: Sequence[Box], edge: Edge, direction: str) -> str:
    """Draw a curve from the side of one box to the facing side of another, straight past those between them."""
    (ax, ay), (bx, by) = _side(way[0], direction, leaving=True), _side(way[-1], direction, leaving=False)
    parts = [f"M{ax:.1f} {ay:.1f}"]
    for here, there in pairwise(way):
        if here is not way[0]:
            parts.append("L{:.1f} {:.1f}".format(*_side(here, direction, leaving=True)))
        ends = _side(here, direction, leaving=True), _side(there, direction, leaving=False)
        parts.append(_curve(*ends, across=direction in {"LR", "RL"}))
    dots = ' stroke-dasharray="4 4"' if edge.dotted else ""
    point = _point(bx, by, direction) if edge.pointed else ""
    words = f'<text class="plain" text-anchor="middle" x="{(ax + bx) / 2:.1f}" y="{(ay + by) / 2 - 4:.1f}">'
    label = f"{words}{html.escape(edge.text)}</text>" if edge.text else ""
    return f'<path class="edge" d="{"".join(parts)}"{dots}/>{point}{label}'


def _curve(start: tuple[float, float], end: tuple[float, float], *, across: bool) -> str:
    (ax, ay), (bx, by) = start, end
    if across:
        bend = (bx - ax) / 2
        return f"C{ax + bend:.1f} {ay:.1f} {bx - bend:.1f} {by:.1f} {bx:.1f} {by:.1f}"
    bend = (by - ay) / 2
    return f"C{ax:.1f} {ay + bend:.1f} {bx:.1f} {by - bend:.1f} {bx:.1f} {by:.1f}"


def _side(box: Box, direction: str, *, leaving: bool) -> tuple[float, float]:
    x, y = box.middle
    far = leaving == (direction not in {"RL", "BT"})
    if direction in {"LR", "RL"}:
        return (box.x + box.width if far else box.x), y
    return x, (box.y + box.height if far else box.y)


def _point(x: float, y: float, direction: str) -> str:
    along, beside = {"LR": ((-8, 0), (0, 4)), "RL": ((8, 0), (0, 4)), "BT": ((0, 8), (4, 0))}.get(
        direction, ((0, -8), (4, 0))
    )
    (dx, dy), (sx, sy) = along, beside
    corners = [(x, y), (x + dx + sx, y + dy + sy), (x + dx - sx, y + dy - sy)]
    return '<path class="point" d="M{}Z"/>'.format("L".join(f"{a:.1f} {b:.1f}" for a, b in corners))
