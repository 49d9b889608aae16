"""Measure everything and print one line for each ratio, with the bound that it is held to."""

import asyncio

from benchmarks.parallel import measure


async def main() -> None:
    """Run the benchmarks one after the other: they want the machine to themselves."""
    found = await measure(tasks=8, seconds=2.0)
    print(f"8 tasks, 2 s per answer: wall {found.wall:.1f} s, critical path {found.critical_path:.1f} s, "
          f"ratio {found.ratio:.2f} (at most 1.30)")  # fmt: skip


asyncio.run(main())
