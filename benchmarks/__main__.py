"""Measure and print one line for each figure, with its bound: `intake`, `memory`, `parallel`; `ablation` if named."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from benchmarks import ablation, intake, memory, parallel


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


async def _ablation() -> None:
    if not os.environ.get("AURORA_MODEL"):
        raise SystemExit(
            "The ablation asks a real model: set AURORA_MODEL, and OPENAI_BASE_URL for a server of your own."
        )
    print(f"Model: {os.environ['AURORA_MODEL']}", flush=True)
    rows = []
    async for row in ablation.measure():
        rows.append(row)
        print(row.line(), flush=True)  # each as it comes: a run takes minutes
    print("\n".join(ablation.table(rows)))


MEASURES: dict[str, Callable[[], Awaitable[None]]] = {"intake": _intake, "memory": _memory, "parallel": _parallel}
IF_NAMED: dict[str, Callable[[], Awaitable[None]]] = {"ablation": _ablation}  # takes a model, and minutes


async def main(names: list[str]) -> None:
    """Run the benchmarks one after the other: they want the machine to themselves."""
    for name in names or MEASURES:
        known = MEASURES | IF_NAMED
        if name not in known:
            raise SystemExit(f"There is no benchmark {name}: choose from {', '.join(known)}.")
        await known[name]()


asyncio.run(main(sys.argv[1:]))
