"""Brings the four checkpoints together: where a workbench comes from, and what it keeps of a base commit."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from app.domain.ports import Clock, Clone, Worktree
from app.domain.repository_settings import CommandSettings
from app.domain.sandbox import Sandbox
from app.errors import EnvironmentFailed, SandboxUnavailable
from workers.checkpoints import lint, retention, runners, types
from workers.checkpoints.baseline import Baselines
from workers.checkpoints.bench import Bench
from workers.checkpoints.equipment import Equipment
from workers.checkpoints.execution import Executor
from workers.checkpoints.install import Environments
from workers.checkpoints.store import Anew, Store


class Checkers:
    """Makes workbenches. What is learned of a base commit is learned once."""

    def __init__(self, sandbox: Sandbox, data_dir: Path, clock: Clock, network_allowed: bool = True) -> None:
        """Keep environments and results under `data_dir`; `network_allowed` is for installing dependencies only."""
        self._home = home = data_dir.resolve()
        executor, store = Executor(sandbox, home / "scratch"), Store(home / "results")
        environments = Environments(sandbox, home / "environments", network_allowed=network_allowed)
        self._equipment = Equipment(executor, store, environments, Baselines(executor, store, clock), clock)

    async def prune(self, keep: timedelta) -> int:
        """Remove results and environments that weren't used for so long; return how many."""
        return await asyncio.to_thread(retention.prune, self._home, keep)

    async def prepare(self, clone: Clone, base: str, commands: CommandSettings, setup: str | None) -> None:
        """Install the environment that `base` declares and take its baseline, ahead of the first bench.

        What can't be installed or run is told by the checkpoints that need it, not here.
        """
        has, baselines = self._equipment, self._equipment.baselines
        known = await has.snapshot(clone, base)
        try:
            environment = await has.environments.of(clone, known, setup)
            slow = [tool for tool in types.choose(known, environment, commands) if tool.caches]
            await asyncio.gather(
                *(baselines.tools(clone, known, environment, [tool], ()) for tool in slow),
                baselines.tests(clone, known, environment, runners.choose(known, environment, commands, ())),
                baselines.unformatted(clone, known, environment, lint.formatters(known, environment, commands)),
            )
        except (EnvironmentFailed, SandboxUnavailable):
            return

    def bench(
        self, clone: Clone, worktree: Worktree, commands: CommandSettings, setup: str | None, *, fresh: bool = False
    ) -> Bench:
        """Return the workbench of a worktree; a `fresh` one judges anew what was judged before, and its base too."""
        return Bench(self._anew() if fresh else self._equipment, clone, worktree, commands, setup)

    def _anew(self) -> Equipment:
        """Return the same equipment with its memory of results gone."""
        has = self._equipment
        store = Anew(has.store)
        return replace(has, store=store, baselines=Baselines(has.executor, store, has.clock))
