"""Whatever the code can do that others see is in the list of points: a thing that no scenario does is never killed at.

The other tests notice what a scenario does beside the points; these notice what no scenario does.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.domain.ports import Step
from tests.crash.campaign import POINTS, SOMETIMES

ROOT = Path(__file__).parents[2]
WRITERS = {"post": "POST", "patch": "PATCH", "put": "PUT", "delete": "DELETE"}
BOUNDARY = "app/github/rest.py"  # where the others' paths pass through
HEADS = "where a key, a path or a name begins with what is only known at run time"

# What no scenario does, and why a death there does no harm.
NO_SCENARIO = {
    "github PATCH issues/{number}": "mostly GitHub closes it with the merge; closing what is closed changes nothing",
    "github POST issues/{id}/reactions": "the same reaction again changes nothing; those to comments are tried",
    "leased acquire retention": "what is over is deleted at the next hour",
    "leased release retention": "the lease runs out by itself",
    "written retention {}": "what is over is deleted at the next hour",
    "written request refused": "nothing has happened at GitHub; refused once more, it is the same sentence",
    "written request postponed": "nothing has happened at GitHub; it is looked at sooner",
    "written journal forfeit": "the successor counts what stays reserved as spent, as after a death at the model",
    "written memory keep": "its id is made of what it says, and whoever reads it next writes it again",
    "written memory reverted": "the next look at what was merged finds it taken back once more",
    "written memory extracted": "what long-term memory knows already it isn't given again",
    "written memory withdrawn": "long-term memory is asked again to forget it",
    "tool unknown": "it does nothing but answer that there is no such tool",
}


@dataclass(frozen=True)
class Module:
    """A file of the code that runs."""

    name: str
    tree: ast.Module

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call in it."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node

    def texts(self, node: ast.expr) -> set[str]:
        """Return what a text can be, with {names} for what is known at run time; none when nothing can be told."""
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp():
                return self.texts(node.body) | self.texts(node.orelse)
            case ast.JoinedStr():
                heads = self._heads(node)
                rest = "".join(_plain(part) for part in node.values[1:])
                return {head + rest for head in heads}
            case ast.Name():
                return set().union(*(self.texts(value) for value in self._given(node.id)))
            case _:
                return set()

    def _heads(self, node: ast.JoinedStr) -> set[str]:
        first = node.values[0]
        return self.texts(first.value) if isinstance(first, ast.FormattedValue) else {_plain(first)}

    def _given(self, name: str) -> Iterator[ast.expr]:
        """Yield what is assigned to a name anywhere in the file."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                match target, node.value:
                    case ast.Name(id=known), value if known == name:
                        yield value
                    case ast.Tuple(elts=names), ast.Tuple(elts=values):
                        pairs = zip(names, values, strict=False)
                        yield from (value for one, value in pairs if isinstance(one, ast.Name) and one.id == name)


def _plain(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "{}"


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Read the files of some packages."""
    files = sorted(file for package in packages for file in (ROOT / package).rglob("*.py"))
    return tuple(Module(file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())) for file in files)


@cache
def points() -> frozenset[str]:
    """Return every point that a scenario crosses, without scenario and role."""
    lines = POINTS.read_text().splitlines()
    return frozenset(line.removesuffix(SOMETIMES).split(" ", 2)[2] for line in lines)


def name_of(function: ast.expr) -> str:
    """Return the last part of what is called."""
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def effects() -> Iterator[tuple[str, set[str]]]:
    """Yield each place where an effect is made, and what kinds it can be of."""
    for module in modules("workers"):
        for call in module.calls():
            if name_of(call.func) == "once" and ast.unparse(call.func).removesuffix(".once").endswith("effects"):
                kinds = {text.partition(".")[0] for text in module.texts(call.args[0])}
                yield f"{module.name}:{call.lineno}", kinds


def rest_writes() -> Iterator[tuple[str, set[str]]]:
    """Yield each place where something is written by REST, and how: method and template of the path."""
    for module in modules("app/github"):
        if module.name == BOUNDARY:
            continue
        for call in module.calls():
            function, *rest = (call.func, *call.args)
            if name_of(function) == "partial" and rest:
                function, *rest = rest
            method = WRITERS.get(name_of(function).removeprefix("_"))
            if method is not None and rest:
                yield f"{module.name}:{call.lineno}", {f"{method} {path.strip('/')}" for path in module.texts(rest[0])}


def boundaries() -> Iterator[tuple[str, set[str]]]:
    """Yield each place where a lease, a transaction or another boundary has a name that stands in the code."""
    for module in modules("app", "workers"):
        for call in module.calls():
            match name_of(call.func), call.args:
                case "edge", [ast.Attribute(value=ast.Name(id="Edge"), attr=kind), what, _]:
                    names = {f"{kind} {text}" for text in module.texts(what)}
                case "fenced", [_, _, what]:
                    names = {f"written {text}" for text in module.texts(what)}
                case "transaction", [ast.Name(), what]:
                    names = {f"written {text}" for text in module.texts(what)}
                case "hold", [_, what]:
                    names = {f"leased {does} {text}" for text in module.texts(what) for does in ("acquire", "release")}
                case _:
                    continue
            yield f"{module.name}:{call.lineno}", names


def tried(wanted: str) -> bool:
    """Tell whether a point, of which {names} are known at run time only, is in the list or is explained."""
    pattern = re.sub(r"\\{/[^}]*\\}", "(/[^/ ]+)+", re.escape(wanted))  # gidgethub's {/several*}
    pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", pattern)
    return wanted in NO_SCENARIO or any(re.fullmatch(pattern, point) for point in points())


def test_every_kind_of_effect_is_made_in_a_scenario():
    found = dict(effects())
    assert [place for place, kinds in found.items() if not kinds] == [], HEADS
    kinds = set().union(*found.values())
    assert len(kinds) > 6
    written = {f"written {what} {kind}" for kind in kinds for what in ("intent", "outcome")}
    assert {one for one in written if not tried(one)} == set()


def test_every_step_of_a_model_is_taken_in_a_scenario():
    assert {step for step in Step if not tried(f"model {step}")} == set()


def test_every_write_by_rest_is_made_in_a_scenario():
    found = dict(rest_writes())
    assert [place for place, writes in found.items() if not writes] == [], HEADS
    writes = set().union(*found.values())
    assert len(writes) > 15
    assert {write for write in writes if not tried(f"github {write}")} == set()


def test_every_boundary_with_a_name_is_crossed_in_a_scenario():
    names = set().union(*(names for _, names in boundaries()))
    assert len(names) > 30
    assert {name for name in names if not tried(name)} == set()


def test_nothing_is_explained_that_a_scenario_does():
    assert {one for one in NO_SCENARIO if one in points()} == set()
