"""Brings the four checkpoints together: where a workbench comes from, and what it keeps of a base commit."""

import asyncio
from collections import OrderedDict
from pathlib import Path

from app.domain.ports import Clock, Clone, Worktree
from app.domain.repository_settings import CommandSettings
from app.domain.sandbox import Sandbox
from app.errors import EnvironmentFailed, SandboxUnavailable
from workers.checkpoints import lint, runners, snapshot
from workers.checkpoints.baseline import Baselines
from workers.checkpoints.bench import Bench
from workers.checkpoints.execution import Executor
from workers.checkpoints.install import Environments
from workers.checkpoints.snapshot import Snapshot
from workers.checkpoints.store import Store

_SNAPSHOTS = 50  # base commits that are kept in mind


class Checkers:
    """Makes workbenches. What is learned of a base commit is learned once."""

    def __init__(self, sandbox: Sandbox, data_dir: Path, clock: Clock, network_allowed: bool = True) -> None:
        """Keep environments and results under `data_dir`; `network_allowed` is for installing dependencies only."""
        home = data_dir.resolve()
        self.clock = clock
        self.executor = Executor(sandbox, home / "scratch")
        self.store = Store(home / "results")
        self.environments = Environments(sandbox, home / "environments", network_allowed=network_allowed)
        self.baselines = Baselines(self.executor, self.store, clock)
        self._snapshots: OrderedDict[tuple[int, str], Snapshot] = OrderedDict()

    async def prepare(self, clone: Clone, base: str, commands: CommandSettings, setup: str | None) -> None:
        """Install the environment that `base` declares and take its baseline, ahead of the first bench.

        What can't be installed or run is told by the checkpoints that need it, not here.
        """
        known = await self.snapshot(clone, base)
        try:
            environment = await self.environments.of(clone, known, setup)
            await asyncio.gather(
                self.baselines.tests(clone, known, environment, runners.choose(known, environment, commands, ())),
                self.baselines.unformatted(clone, known, environment, lint.formatters(known, environment, commands)),
            )
        except (EnvironmentFailed, SandboxUnavailable):
            return

    def bench(self, clone: Clone, worktree: Worktree, commands: CommandSettings, setup: str | None) -> Bench:
        """Return the workbench of a worktree."""
        return Bench(self, clone, worktree, commands, setup)

    async def snapshot(self, clone: Clone, commit: str) -> Snapshot:
        """Return what a commit says of itself."""
        known = self._snapshots.get((id(clone), commit))
        if known is None:
            known = await snapshot.take(clone, commit)
            self._snapshots[id(clone), commit] = known
            while len(self._snapshots) > _SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return known
