"""Faults of webhooks: twice, late, in another order, or not at all."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hub.faults.board import Board
from hub.faults.switches import Occasion, Switch
from hub.store import Row

MADE = "webhook-new-guid"  # also where the GUIDs are kept that were made here: those aren't made again


Repeat = Callable[[Row, str], None]


class Line(Protocol):
    """Where deliveries go out."""

    async def send(self, delivery: Row) -> None:
        """Send it and write down what came of it."""
        ...

    def fail(self, delivery: Row, status: str, code: int) -> None:
        """Write down that it failed."""
        ...


@dataclass(slots=True)
class Held:
    """A delivery that waits for later ones to go."""

    number: int
    later: int
    free: asyncio.Event = field(default_factory=asyncio.Event)


class Crooked:
    """Deliver as the switches say."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._held: list[Held] = []

    async def deliver(self, delivery: Row, line: Line, repeat: Repeat) -> None:
        """Send a delivery, or do something worse; `repeat` stores one more under a GUID."""
        occasion = Occasion("WEBHOOK", ".".join(filter(None, (delivery["event"], delivery["action"]))))
        if self._due("webhook-drop", occasion, delivery):
            line.fail(delivery, "failed to connect to host", 502)
            return
        if switch := self._due("webhook-delay", occasion, delivery):
            await asyncio.sleep(switch.options["seconds"])
        if not self._held and (switch := self._due("webhook-reorder", occasion, delivery)):
            await self._hold(delivery["id"], switch)
        made = self._board.memory(MADE)
        if delivery["guid"] not in made and self._due(MADE, occasion, delivery):
            guid = str(uuid.uuid4())
            made[guid] = True
            repeat(delivery, guid)
        await self._send(delivery, occasion, line)
        self._release(delivery["id"])

    async def _send(self, delivery: Row, occasion: Occasion, line: Line) -> None:
        if switch := self._due("webhook-duplicate", occasion, delivery):
            await asyncio.gather(line.send(delivery), self._later(delivery, switch.options["seconds"], line))
        else:
            await line.send(delivery)
        if self._due("webhook-timeout", occasion, delivery):
            line.fail(delivery, "timed out", 504)

    async def _later(self, delivery: Row, seconds: float, line: Line) -> None:
        await asyncio.sleep(seconds)
        await line.send(delivery)

    def _due(self, name: str, occasion: Occasion, delivery: Row) -> Switch | None:
        switch = self._board.due(name, occasion)
        if switch is not None:
            self._board.fired(switch, occasion, guid=delivery["guid"])
        return switch

    async def _hold(self, number: int, switch: Switch) -> None:
        held = Held(number, switch.options["count"])
        self._held.append(held)
        try:
            await asyncio.wait_for(held.free.wait(), switch.options["seconds"])
        except TimeoutError:
            return  # nothing came after it
        finally:
            self._held.remove(held)

    def _release(self, number: int) -> None:
        for held in self._held:
            if held.number < number:
                held.later -= 1
            if held.later <= 0:
                held.free.set()
