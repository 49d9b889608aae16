"""Measure and print one line for each figure, with its bound: all, or `intake`, `memory`, `parallel`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from benchmarks import intake, memory, parallel


async def _parallel() -> None:
    found = await parallel.measure(tasks=8, seconds=2.0)
    print(f"8 tasks, 2 s per answer: wall {found.wall:.1f} s, critical path {found.critical_path:.1f} s, "
          f"ratio {found.ratio:.2f} (at most 1.30)")  # fmt: skip


async def _intake() -> None:
    found = await intake.measure()
    print(f"Deliveries of 10 KB: {found.durable:.0f} durable acknowledgements/s, bare signature check "
          f"{found.bare:.0f}/s, ratio {found.ratio:.2f} (at least 0.30); {found.stored} stored of "
          f"{found.acknowledged} acknowledged")  # fmt: skip
    print(f"At {found.rate}/s: median {found.median_ms:.1f} ms, 99th percentile {found.p99_ms:.1f} ms (under 50)")


async def _memory() -> None:
    print("\n".join((await memory.measure()).lines()))


MEASURES: dict[str, Callable[[], Awaitable[None]]] = {"intake": _intake, "memory": _memory, "parallel": _parallel}


async def main(names: list[str]) -> None:
    """Run the benchmarks one after the other: they want the machine to themselves."""
    for name in names or MEASURES:
        if name not in MEASURES:
            raise SystemExit(f"There is no benchmark {name}: choose from {', '.join(MEASURES)}.")
        await MEASURES[name]()


asyncio.run(main(sys.argv[1:]))
