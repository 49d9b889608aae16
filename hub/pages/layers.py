"""Place a graph's boxes in layers, so that arrows point one way, seldom cross, and run round boxes in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 6
MOST_BENDS = 1500  # of all arrows; a graph with more is too tangled to be worth it

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Layers:
    """Names in layers; `bends` are names of our own, at which an arrow over several layers passes each one."""

    names: list[list[str]]
    bends: dict[Pair, list[str]]


def layered(names: Sequence[str], edges: Iterable[Pair]) -> Layers:
    """Order names in layers: each after all that lead to it, near those that it is joined with.

    An edge that would close a circle is left out of account.
    """
    forward = _without_circles(names, edges)
    depth = _depths(names, forward)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    bends = _bends(forward, depth)
    for pair, through in bends.items():
        for step, bend in enumerate(through, depth[pair[0]] + 1):
            layers[step].append(bend)
    before, after = _neighbours(_links(forward, bends))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        _sort(layers if down else layers[::-1], before if down else after)
    return Layers(layers, bends)


def _without_circles(names: Sequence[str], edges: Iterable[Pair]) -> list[Pair]:
    """Keep the edges that a walk from the first names doesn't find leading back to where it comes from."""
    following: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        following[start].append(end)
    kept: list[Pair] = []
    done: set[str] = set()
    for root in names:
        if root in done:
            continue
        path, stack = {root}, [(root, iter(following[root]))]
        while stack:
            name, rest = stack[-1]
            end = next(rest, "")
            if not end:
                stack.pop()
                path.discard(name)
                done.add(name)
            elif end not in path:
                kept.append((name, end))
                if end not in done:
                    path.add(end)
                    stack.append((end, iter(following[end])))
    return kept


def _depths(names: Sequence[str], edges: Sequence[Pair]) -> dict[str, int]:
    """Give each name the length of the longest way to it."""
    before, after = _neighbours(edges)
    depth = dict.fromkeys(names, 0)
    waiting = {name: len(before[name]) for name in names}
    ready = [name for name in names if not waiting[name]]
    while ready:
        name = ready.pop(0)
        for end in after[name]:
            depth[end] = max(depth[end], depth[name] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    return depth


def _bends(edges: Sequence[Pair], depth: Mapping[str, int]) -> dict[Pair, list[str]]:
    """Name the places between the layers' boxes that long edges pass; none when there would be too many."""
    long = {(a, b): depth[b] - depth[a] - 1 for a, b in edges if depth[b] > depth[a] + 1}
    if sum(long.values()) > MOST_BENDS:
        return {}
    return {pair: [f"\0{pair[0]}\0{pair[1]}\0{step}" for step in range(count)] for pair, count in long.items()}


def _links(edges: Sequence[Pair], bends: Mapping[Pair, list[str]]) -> list[Pair]:
    """Cut long edges into pieces from layer to layer."""
    ways = ([pair[0], *bends.get(pair, ()), pair[1]] for pair in edges)
    return [pair for way in ways for pair in pairwise(way)]


def _neighbours(edges: Sequence[Pair]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        after[start].append(end)
        before[end].append(start)
    return before, after


def _sort(layers: list[list[str]], neighbours: Mapping[str, list[str]]) -> None:
    """Put each name of a layer where its neighbours in former layers are on average."""
    place: dict[str, float] = {}
    for layer in layers:
        wanted = {}
        for index, name in enumerate(layer):
            known = [place[one] for one in neighbours.get(name, ()) if one in place]
            wanted[name] = sum(known) / len(known) if known else float(index)
        layer.sort(key=wanted.__getitem__)
        place |= {name: float(index) for index, name in enumerate(layer)}
