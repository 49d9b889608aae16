"""The switchboard: which faults are on, what they remember, and what was injected."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub.faults import switches
from hub.faults.switches import BadSwitch, Occasion, Switch

LONGEST_LOG = 2_000
MOST_REMEMBERED = 5_000


class Memory(dict[Any, Any]):
    """What a fault remembers; the oldest is forgotten first."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        if len(self) > MOST_REMEMBERED:
            del self[next(iter(self))]


class Board:
    """Hold the switches of one hub."""

    def __init__(self, on: Mapping[str, Any] | None = None) -> None:
        """Switch on what `on` says; raise BadSwitch."""
        self._own: dict[str, Switch] = {}
        self._random: dict[str, Switch] = {}
        self._active: dict[str, Switch] = {}
        self._memories: dict[str, Memory] = {}
        self._met: Counter[tuple[str, Occasion]] = Counter()
        self.counts: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self._log: deque[dict[str, Any]] = deque(maxlen=LONGEST_LOG)
        self.add(on or {})

    @property
    def on(self) -> bool:
        """Tell whether anything is switched on: while nothing is, nobody has to ask further."""
        return bool(self._active)

    # Switching -------------------------------------------------------------------------------------

    def replace(self, wanted: Mapping[str, Any]) -> None:
        """Switch on just these, afresh; raise BadSwitch and change nothing when one of them is wrong."""
        read = _read(wanted)
        self.clear()
        self._take(read)

    def add(self, wanted: Mapping[str, Any]) -> None:
        """Switch these on besides what is on; null or false switches off. Raises BadSwitch."""
        read = _read(wanted)
        for name in wanted:
            self.remove(name)
        self._take(read)

    def remove(self, name: str) -> None:
        """Switch one off, with what it has left in force."""
        self._own.pop(name, None)
        self._memories.pop(name, None)
        self._take({})

    def clear(self) -> None:
        """Switch everything off; counts and log stay."""
        for kept in (self._own, self._active, self._memories, self._met):
            kept.clear()

    def forget(self) -> None:
        """Empty counts and log."""
        for kept in (self.counts, self.again, self._log):
            kept.clear()

    def _take(self, read: Mapping[str, Switch]) -> None:
        if "random" in read:
            self._random = switches.expanded(read["random"])
        self._own |= read
        spread = self._random if "random" in self._own else {}
        self._active = {**spread, **{name: one for name, one in self._own.items() if name != "random"}}

    # Firing ----------------------------------------------------------------------------------------

    def active(self, name: str, occasion: Occasion) -> Switch | None:
        """Give the switch of a fault that is on and could happen here."""
        switch = self._active.get(name)
        return switch if switch is not None and switch.covers(occasion) else None

    def due(self, name: str, occasion: Occasion) -> Switch | None:
        """Give the switch when the fault is to happen now; `fired` says that it did."""
        switch = self.active(name, occasion)
        if switch is None:
            return None
        key = (name, occasion)
        self._met[key] += 1
        return switch if switch.draws(occasion, self._met[key]) else None

    def fired(self, switch: Switch, occasion: Occasion, **more: str) -> None:
        """Write down that a fault has happened."""
        name = switch.fault.name
        switch.fired += 1
        self.counts[name] += 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        number = sum(self.counts.values())
        what = {"fault": name, "method": occasion.method, "path": occasion.path}
        self._log.append({"n": number, "time": now, **what, **more})

    def memory(self, name: str) -> Memory:
        """Give what a fault remembers between requests."""
        return self._memories.setdefault(name, Memory())

    def shown(self) -> dict[str, Any]:
        """Tell what is on and what was injected."""
        on = {name: switch.shown() for name, switch in self._own.items()}
        if "random" in on:
            on["random"]["fired"] = sum(one.fired for one in self._random.values())
        return {
            "on": on,
            "total": sum(self.counts.values()),
            "counts": dict(sorted(self.counts.items())),
            "again": dict(sorted(self.again.items())),
            "log": list(self._log),
        }


def _read(wanted: Mapping[str, Any]) -> dict[str, Switch]:
    if not isinstance(wanted, Mapping):
        raise BadSwitch('Send a JSON object such as {"webhook-drop": {"times": 1}}.')
    for name in wanted:
        switches.read(name, {})
    return {name: switches.read(name, given) for name, given in wanted.items() if given not in (None, False)}
