"""Try every crash point with every fault and print a table: `python -m tests.crash --only 'github*' --fault stall`."""

import argparse
import asyncio
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

from tests.crash.campaign import Choice, a_world, calm_run, changes, faults, keep, miss, try_all
from tests.crash.guard import How
from tests.crash.plants import PLANTS
from tests.crash.run import Outcome
from tests.crash.scenarios import SCENARIOS
from tests.crash.world import World

EVERY = 20  # runs, after which it is said how far things are


async def main(options: argparse.Namespace) -> int:
    """Try what was chosen; return how many scenarios failed."""
    choice = Choice(options.only, tuple(How(name) for name in options.fault or How), options.every)
    started, failed, runs = time.monotonic(), 0, 0
    tried: set[str] = set()
    async with a_world(options.slots) as world:
        if options.keep:
            await keep(world, SCENARIOS)
            return 0
        for scenario in options.scenario or SCENARIOS:
            calm = await calm_run(world, scenario)
            calm.problems += changes(scenario, calm)
            tell(f"{scenario} undisturbed", calm)
            wanted = [one for one in faults(calm.crossings, choice) if options.every or one.point not in tried]
            tried |= set(calm.points)
            if options.seed is not None:
                random.Random(options.seed).shuffle(wanted)
            wanted = wanted[: options.most]
            print(f"{scenario}: {len(wanted)} faults to try", flush=True)
            outcomes = await try_all(world, scenario, wanted, calm, Teller(len(wanted)), options.logs)
            print_table(scenario, outcomes)
            failed += sum(bool(one.problems) for one in [calm, *outcomes])
            runs += 1 + len(outcomes)
        if options.only == "*" and not options.scenario:
            failed += await plant_all(world)
    print(f"\n{runs} runs, {failed} failed, {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


async def plant_all(world: World) -> int:
    """Plant each bug; return how many were not found."""
    calm = await calm_run(world, "merged")
    missed = [one for one in await asyncio.gather(*(miss(world, calm, name) for name in PLANTS)) if one]
    for one in missed:
        print(*one, sep="\n  ")
    print(f"\nplanted bugs: {len(PLANTS) - len(missed)} of {len(PLANTS)} found")
    return len(missed)


class Teller:
    """Tells of each run that ended badly, and now and then how far things are."""

    def __init__(self, runs: int) -> None:
        self._runs, self._done = runs, 0

    def __call__(self, outcome: Outcome) -> None:
        """Take note of a run."""
        self._done += 1
        tell(str(outcome.fault), outcome)
        if self._done % EVERY == 0:
            print(f"{self._done} of {self._runs} done", flush=True)


def tell(name: str, outcome: Outcome) -> None:
    """Say at once how a run ended, when it ended badly."""
    for problem in outcome.problems:
        print(f"{name}: {problem}", flush=True)


def print_table(scenario: str, outcomes: list[Outcome]) -> None:
    """Print a line for each point and a column for each fault."""
    table: dict[str, dict[How, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        assert outcome.fault
        table[outcome.fault.point][outcome.fault.how].append(outcome)
    width = max(map(len, table), default=0)
    print(f"\n{scenario:{width}}  " + "  ".join(f"{how:>7}" for how in How))
    for point, row in table.items():
        cells = [_cell(row[how]) for how in How]
        print(f"{point:{width}}  " + "  ".join(f"{cell:>7}" for cell in cells))


def _cell(outcomes: list[Outcome]) -> str:
    wrong = sum(bool(one.problems) for one in outcomes)
    return "-" if not outcomes else f"{wrong} bad" if wrong else "ok"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--only", default="*", help="a pattern of points, such as 'github*' or 'worker saved state'")
    parser.add_argument("--fault", action="append", choices=list(How))
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--every", action="store_true", help="every crossing of a point, not the first and the last")
    parser.add_argument("--seed", type=int, help="try them in an order of chance")
    parser.add_argument("--most", type=int, help="how many to try of each scenario")
    parser.add_argument("--keep", action="store_true", help="write the list of points anew, and try nothing")
    parser.add_argument("--logs", type=Path, help="where to keep the logs of runs that failed")
    parser.add_argument("--slots", type=int, default=2, help="how many runs at a time")
    sys.exit(asyncio.run(main(parser.parse_args())))
