"""Draws the graph of a project's tasks as SVG: layers by dependency, arrows that seldom cross, colours by state."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

WIDTH, HEIGHT = 208, 68  # pixels of a box
THIN = 14  # breadth of the way that an arrow takes between the boxes of a layer
SWEEPS = 6
LETTERS = 25  # of a line in a box
SLIM = 450.0  # pixels of a picture that a phone may shrink to its width
MOST = 150  # boxes; a larger graph is a list

Name = str | tuple[str, str, int]  # a box, or the place at which an arrow passes a layer


@dataclass(frozen=True)
class Box:
    """A task as it is drawn."""

    key: str
    title: str
    role: str
    state: str
    note: str = ""  # beside the role
    after: tuple[str, ...] = ()  # keys


@dataclass(frozen=True)
class Arrangement:
    """Boxes and bends in layers, and the way of each arrow through them."""

    layers: list[list[Name]]
    ways: list[list[Name]]


def arranged(after: Mapping[str, Sequence[str]]) -> Arrangement:
    """Put each key into a layer behind all that it comes after; arrows that others imply are left out."""
    depth: dict[str, int] = {}

    def deep(key: str) -> int:
        if key not in depth:
            depth[key] = -1  # a circle, which no plan has, ends here
            depth[key] = 1 + max((deep(need) for need in after[key]), default=-1)
        return depth[key]

    behind: dict[str, set[str]] = {}
    for key in sorted(after, key=deep):
        behind[key] = set().union(*({need} | behind.get(need, set()) for need in after[key])) if after[key] else set()
    arrows = [(need, key) for key in after for need in after[key] if not any(need in behind[one] for one in after[key])]
    layers: list[list[Name]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in after:
        layers[depth[key]].append(key)
    ways: list[list[Name]] = []
    for start, end in arrows:
        bends: list[Name] = [(start, end, layer) for layer in range(depth[start] + 1, depth[end])]
        for bend, layer in zip(bends, range(depth[start] + 1, depth[end]), strict=True):
            layers[layer].append(bend)
        ways.append([start, *bends, end])
    _untangle(layers, ways)
    return Arrangement(layers, ways)


def _untangle(layers: list[list[Name]], ways: Sequence[Sequence[Name]]) -> None:
    """Move what is joined near each other, layer by layer, forth and back."""
    before: dict[Name, list[Name]] = {}
    behind: dict[Name, list[Name]] = {}
    for way in ways:
        for start, end in pairwise(way):
            before.setdefault(end, []).append(start)
            behind.setdefault(start, []).append(end)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        place: dict[Name, float] = {}
        for layer in layers if forth else reversed(layers):
            wanted = {}
            for index, name in enumerate(layer):
                known = [place[one] for one in (before if forth else behind).get(name, ()) if one in place]
                wanted[name] = sum(known) / len(known) if known else float(index)
            layer.sort(key=wanted.__getitem__)
            place |= {name: index / max(len(layer) - 1, 1) for index, name in enumerate(layer)}


def drawn(boxes: Sequence[Box], *, across: bool) -> Markup:
    """Return the picture as an `<svg>` element, from left to right or from top to bottom."""
    if not boxes or len(boxes) > MOST:
        return Markup()
    by_key = {box.key: box for box in boxes}
    plan = arranged({box.key: tuple(need for need in box.after if need in by_key) for box in boxes})
    places, width, height = _placed(plan.layers, across)
    parts = [_arrow([places[name] for name in way], across) for way in plan.ways]
    parts += [_box(by_key[name], *places[name][:2]) for name in by_key]
    label = "; ".join(f"{box.key} {box.title}: {box.state}" for box in boxes)
    kind = "across" if across else f"down{' slim' if width < SLIM else ''}"
    return Markup(
        '<svg class="graph {kind}" role="img" aria-label="{label}" width="{width:.0f}" height="{height:.0f}"'
        ' viewBox="0 0 {width:.0f} {height:.0f}">{parts}</svg>'
    ).format(kind=kind, label=label, width=width, height=height, parts=Markup().join(parts))


Place = tuple[float, float, float, float]  # left, top, width, height


def _placed(layers: Sequence[Sequence[Name]], across: bool) -> tuple[dict[Name, Place], float, float]:
    breadth, depth = (HEIGHT, WIDTH) if across else (WIDTH, HEIGHT)
    gap, step = (16, 52) if across else (18, 40)
    sizes = [[breadth if isinstance(name, str) else THIN for name in layer] for layer in layers]
    spans = [sum(size) + gap * (len(size) - 1) for size in sizes]
    widest, along = max(spans), 2.0
    places: dict[Name, Place] = {}
    for layer, span in zip(layers, spans, strict=True):
        beside = 2 + (widest - span) / 2
        for name in layer:
            own = breadth if isinstance(name, str) else THIN
            places[name] = (along, beside, depth, own) if across else (beside, along, own, depth)
            beside += own + gap
        along += depth + step
    length, wide = along - step + 2, widest + 4.0
    return places, *((length, wide) if across else (wide, length))


def _arrow(way: Sequence[Place], across: bool) -> Markup:
    """Draw from side to side, straight past the boxes of the layers between."""
    path: list[str] = []
    point = (0.0, 0.0)
    for here, there in pairwise(way):
        (ax, ay), (bx, by) = _side(here, across, far=True), _side(there, across, far=False)
        turn = f"C{(ax + bx) / 2:.1f} {ay:.1f} {(ax + bx) / 2:.1f} {by:.1f}" if across else (
            f"C{ax:.1f} {(ay + by) / 2:.1f} {bx:.1f} {(ay + by) / 2:.1f}"
        )  # fmt: skip
        path.append(f"{'L' if path else 'M'}{ax:.1f} {ay:.1f}{turn} {bx:.1f} {by:.1f}")
        point = (bx, by)
    x, y = point
    tip = f"M{x - 7:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - 7:.1f} {y + 4:.1f}" if across else (
        f"M{x - 4:.1f} {y - 7:.1f}L{x:.1f} {y:.1f}L{x + 4:.1f} {y - 7:.1f}"
    )  # fmt: skip
    return Markup('<path class="arrow" d="{}"/><path class="arrow" d="{}"/>').format("".join(path), tip)


def _side(place: Place, across: bool, *, far: bool) -> tuple[float, float]:
    x, y, width, height = place
    return (x + width * far, y + height / 2) if across else (x + width / 2, y + height * far)


def _box(box: Box, x: float, y: float) -> Markup:
    lines = textwrap.wrap(box.title, LETTERS, max_lines=2, placeholder=" …", break_long_words=True) or [""]
    first = y + 38 + (6 if len(lines) == 1 else 0)
    titles = Markup().join(
        Markup('<text x="{:.0f}" y="{:.0f}">{}</text>').format(x + 12, first + 16 * index, line)
        for index, line in enumerate(lines)
    )
    return Markup(
        '<a href="#task-{key}" class="task {state}"><title>{key} {title} ({state})</title>'
        '<rect x="{x:.0f}" y="{y:.0f}" width="{w}" height="{h}" rx="9"/>'
        '<circle cx="{cx:.0f}" cy="{cy:.0f}" r="4"/>'
        '<text class="role" x="{tx:.0f}" y="{ty:.0f}">{key} · {role}</text>'
        '<text class="role end" x="{ex:.0f}" y="{ty:.0f}">{note}</text>{titles}</a>'
    ).format(
        key=box.key, state=box.state, title=box.title, role=box.role.replace("_", " "), note=box.note, titles=titles,
        x=x, y=y, w=WIDTH, h=HEIGHT, cx=x + 16, cy=y + 15, tx=x + 26, ex=x + WIDTH - 12, ty=y + 19,
    )  # fmt: skip
