"""Many runs: an undisturbed one, then one for each point and fault, each compared with the first."""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from tests.crash.completeness import uncrossed
from tests.crash.guard import Crossing, Fault, How
from tests.crash.plants import PLANTS
from tests.crash.run import LONGEST, Outcome, play
from tests.crash.world import Slot, World, surroundings

PLANTED = 25.0  # seconds for a run with a planted bug that never ends by itself
ROOM = 2 * 2**30  # bytes that everything may need
POINTS = Path(__file__).with_name("points.txt")


@asynccontextmanager
async def a_world(slots: int) -> AsyncIterator[World]:
    """Start the surroundings in a directory that is gone afterwards, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(prefix="aurora-crash-", dir=_in_memory()) as home:
        os.chmod(home, 0o711)  # noqa: PTH101 - sandboxes run as others
        async with surroundings(Path(home), slots) as world:
            yield world


def _in_memory() -> Path | None:
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else None


SOMETIMES = " (sometimes)"


def kept(scenario: str) -> tuple[set[str], set[str]]:
    """Return the points of a scenario that every undisturbed run crosses, and those that some do."""
    lines = [line.removeprefix(f"{scenario} ") for line in POINTS.read_text().splitlines() if line.startswith(scenario)]
    some = {line.removesuffix(SOMETIMES) for line in lines if line.endswith(SOMETIMES)}
    return {line for line in lines if not line.endswith(SOMETIMES)}, some


def changes(scenario: str, outcome: Outcome) -> list[str]:
    """Return a sentence for each point that came or went since the list was kept."""
    always, some = kept(scenario)
    elsewhere = {point.removesuffix(SOMETIMES).partition(" ")[2] for point in POINTS.read_text().splitlines()}
    told = "; if that is meant, run `python -m tests.crash --keep` and commit tests/crash/points.txt."
    return [
        *(f"New crash point in {scenario!r}: {one}{told}" for one in sorted(set(outcome.points) - some - elsewhere)),
        *(f"Crash point gone from {scenario!r}: {one}{told}" for one in sorted(always - set(outcome.points))),
    ]


async def calm_run(world: World, scenario: str, plant: str | None = None) -> Outcome:
    """Play a scenario undisturbed, and say what was done without crossing a point."""
    slot = await world.slots.get()
    try:
        outcome = await play(slot, scenario, plant=plant)
        outcome.problems += await uncrossed(slot, outcome.crossings)
    finally:
        world.slots.put_nowait(slot)
    return outcome


async def keep(world: World, scenarios: Iterable[str], runs: int = 3) -> None:
    """Write the list of points anew; what only some of the runs cross is marked so."""
    lines = []
    for scenario in scenarios:
        seen = [set((await calm_run(world, scenario)).points) for _ in range(runs)]
        before = kept(scenario)[1] if POINTS.exists() else set()
        every, any_ = set.intersection(*seen) - before, set.union(*seen) | before
        lines += [f"{scenario} {one}{'' if one in every else SOMETIMES}" for one in sorted(any_)]
    POINTS.write_text("\n".join(lines) + "\n")


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
            while not outcome.fired and outcome.seen and fault.nth > 1:  # two runs needn't cross a point equally often
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


async def miss(world: World, calm: Outcome, name: str) -> list[str]:
    """Plant a bug; return what was said of it when it was not found, else nothing."""
    plant = PLANTS[name]
    if plant.fault is None:
        outcome = await calm_run(world, "merged", name)
    else:
        slot = await world.slots.get()
        longest = LONGEST if plant.soon else PLANTED
        outcome = await play(slot, "merged", plant.fault, name, longest=longest)
        world.slots.put_nowait(slot)
    compare(calm, outcome)
    return [] if any(plant.said in one for one in outcome.problems) else [f"{name} was not found", *outcome.problems]


def _keep_logs(slot: Slot, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for file in (*slot.home.glob("*.log"), slot.crossings, slot.hub_database):
        shutil.copy(file, place)
