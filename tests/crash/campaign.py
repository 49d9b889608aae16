"""Many runs: an undisturbed one, then one for each point and fault, each compared with the first."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from tests.crash.guard import Crossing, Fault, How
from tests.crash.run import Outcome, play
from tests.crash.world import Slot, World, surroundings

POINTS = Path(__file__).with_name("points.txt")


@asynccontextmanager
async def a_world(slots: int) -> AsyncIterator[World]:
    """Start the surroundings in a directory that is gone afterwards, in memory where there is such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="aurora-crash-", dir=memory if memory.is_dir() else None) as home:
        async with surroundings(Path(home), slots) as world:
            yield world


@dataclass(frozen=True)
class Choice:
    """Which points and faults are tried."""

    only: str = "*"
    faults: tuple[How, ...] = tuple(How)
    every: bool = False  # every crossing of a point instead of the first and the last


def faults(crossings: Iterable[Crossing], choice: Choice) -> list[Fault]:
    """Return what there is to try at the crossings of an undisturbed run."""
    times: Counter[tuple[str, str, str]] = Counter()
    for crossing in crossings:
        if crossing.state == "begins":
            times[crossing.role, crossing.kind, crossing.what] += 1
    return [
        Fault(role, kind, what, nth, how)
        for (role, kind, what), count in sorted(times.items())
        if fnmatchcase(f"{role} {kind} {what}", choice.only) or fnmatchcase(f"{kind} {what}", choice.only)
        for nth in (range(1, count + 1) if choice.every else sorted({1, count}))
        for how in choice.faults
    ]


async def try_all(
    world: World,
    scenario: str,
    wanted: Sequence[Fault],
    calm: Outcome,
    tell: Callable[[Outcome], None],
    logs: Path | None = None,
) -> list[Outcome]:
    """Try each fault in a run of its own, as many at a time as there are slots, and compare it with a calm run.

    Whatever a run with a problem wrote down is kept under `logs`.
    """

    async def one(fault: Fault) -> Outcome:
        slot = await world.slots.get()
        try:
            outcome = await play(slot, scenario, fault)
            while not outcome.fired and fault.nth > 1:  # two runs needn't cross a point equally often
                fault = replace(fault, nth=fault.nth // 2)
                outcome = await play(slot, scenario, fault)
            compare(calm, outcome)
            if outcome.problems and logs:
                _keep_logs(slot, logs / str(fault).replace("/", "_"))
        finally:
            world.slots.put_nowait(slot)
        tell(outcome)
        return outcome

    return await asyncio.gather(*(one(fault) for fault in wanted))


def compare(calm: Outcome, outcome: Outcome) -> None:
    """Add to the problems of a run what others see of it that they don't see of a calm run."""
    if calm.seen and outcome.seen:
        outcome.problems += calm.seen.differences(outcome.seen)


def _keep_logs(slot: Slot, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for file in (*slot.home.glob("*.log"), slot.crossings):
        shutil.copy(file, place)
