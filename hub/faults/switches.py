"""Switches: what a person asked for, checked against the table, and whether it fits an occasion."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from hub.faults.table import COMMON, RANDOM_RATE, TABLE, Fault

NAME = re.compile(r"(?!\.{1,2}$)[\w.-]{1,100}")


class BadSwitch(ValueError):
    """Say in a sentence what is wrong with a switch."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that a fault could happen to: a request (path with query), or WEBHOOK and `event.action`."""

    method: str
    path: str

    def fits(self, pattern: str) -> bool:
        """Tell whether `[METHOD ]GLOB` fits, with or without the query, or for a webhook the event alone."""
        method, space, glob = pattern.partition(" ")
        method, glob = (method, glob) if space else ("*", pattern)
        short = self.path.partition("." if self.method == "WEBHOOK" else "?")[0]
        return fnmatchcase(self.method, method) and (fnmatchcase(self.path, glob) or fnmatchcase(short, glob))


@dataclass(slots=True)
class Switch:
    """One fault that is on."""

    fault: Fault
    times: int | None = None
    rate: float = 1.0
    seed: int = 0
    match: str = "*"
    options: dict[str, Any] = field(default_factory=dict)
    fired: int = 0

    def covers(self, occasion: Occasion) -> bool:
        """Tell whether the fault could happen here."""
        return occasion.fits(self.match) and any(occasion.fits(one) for one in self.fault.on)

    def draws(self, occasion: Occasion, nth: int) -> bool:
        """Tell whether it fires at the nth occasion of this kind; other requests in between change nothing."""
        if self.times is not None and self.fired >= self.times:
            return False
        key = f"{self.seed} {self.fault.name} {occasion.method} {occasion.path} {nth}"
        return self.rate >= 1 or random.Random(key).random() < self.rate  # noqa: S311 - to be reproduced, not to be secret

    def shown(self) -> dict[str, Any]:
        """Give everything that can be set, and how often it fired."""
        left = None if self.times is None else self.times - self.fired
        common = {"times": self.times, "left": left, "rate": self.rate, "seed": self.seed, "match": self.match}
        return {**common, **self.options, "fired": self.fired}


def read(name: str, given: Any) -> Switch:
    """Check one switch; raise BadSwitch with a sentence."""
    fault = TABLE.get(name)
    if fault is None:
        raise BadSwitch(f"There is no fault {name!r}{_nearest(name, TABLE)}")
    if given is True:
        given = {}
    if not isinstance(given, Mapping):
        raise BadSwitch(f"{name!r} takes its options as an object, such as {{}} or {{'times': 1}}.")
    values = {option: _checked(fault, option, value) for option, value in given.items()}
    common = {option: values.pop(option) for option in COMMON if option in values}
    if fault.once:
        common.setdefault("times", 1)
    if name == "random":
        common.setdefault("rate", RANDOM_RATE)
    return Switch(fault, options={**fault.options, **values}, **common)


def expanded(switch: Switch) -> dict[str, Switch]:
    """Spread the switch `random` over the faults that it stands for."""
    names = [name for name, fault in TABLE.items() if fault.at_random and name not in switch.options["without"]]
    made = {}
    for name in names:
        fault = TABLE[name]
        times = 1 if fault.once else switch.times
        made[name] = Switch(fault, times, switch.rate, switch.seed, switch.match, dict(fault.options))
    return made


def read_line(text: str) -> dict[str, Any]:
    """Read `NAME[=OPTION:VALUE[;OPTION:VALUE…]],…`, or the JSON object that the address takes."""
    if text.lstrip().startswith("{"):
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise BadSwitch(f"The faults are no JSON object: {error}.") from error
        return found
    switches: dict[str, Any] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, options = part.partition("=")
        pairs = (one.partition(":") for one in filter(None, options.split(";")))
        switches[name] = {key.strip(): _plain(value.strip()) for key, _, value in pairs}
    return switches


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checked(fault: Fault, option: str, value: Any) -> Any:
    if option not in COMMON and option not in fault.options:
        raise BadSwitch(f"{fault.name!r} has no option {option!r}{_nearest(option, {**COMMON, **fault.options})}")
    what = f"{option!r} of {fault.name!r}"
    if option == "without":
        return _names(what, value)
    if option in {"match", "to"}:
        if not isinstance(value, str):
            raise BadSwitch(f"{what} must be text.")
        if option == "to" and not NAME.fullmatch(value):
            raise BadSwitch(f"{what} must be a repository's name, without its owner.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadSwitch(f"{what} must be a number.")
    return _number(what, option, value)


def _number(what: str, option: str, value: float) -> float:
    if option == "rate":
        if not 0 < value <= 1:
            raise BadSwitch(f"{what} must be above 0 and at most 1.")
        return value
    if option == "seconds":
        if not 0 <= value <= 3600:
            raise BadSwitch(f"{what} must be from 0 to 3600.")
        return value
    if int(value) != value or (value < 1 and option != "seed"):
        raise BadSwitch(f"{what} must be a whole number{'' if option == 'seed' else ' from 1 on'}.")
    return int(value)


def _names(what: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise BadSwitch(f"{what} must be a list of faults.")
    for name in value:
        if name not in TABLE:
            raise BadSwitch(f"{what} names {name!r}, which is no fault{_nearest(str(name), TABLE)}")
    return value


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = [one for one in known if one.startswith(name)] or get_close_matches(name, known, 1, 0.5)
    return f". Did you mean {near[0]!r}?" if near else f". There are: {', '.join(known)}."
