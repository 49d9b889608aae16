"""What the base commit's own tools and tests say of it: taken when it is first needed, once per base tree."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.domain.ports import Clock, Clone
from app.domain.sandbox import Mount, Outcome
from workers.checkpoints import languages, lint, tests
from workers.checkpoints.environment import Environment
from workers.checkpoints.execution import Executor
from workers.checkpoints.locks import locked
from workers.checkpoints.observation import Observation, join
from workers.checkpoints.runners import Runner
from workers.checkpoints.snapshot import Snapshot
from workers.checkpoints.store import Store, key
from workers.checkpoints.tools import CACHE, Tool, observe

_PATIENCE = 3600.0  # seconds, for somebody else who takes the same baseline


class Baselines:
    """Observations of base commits."""

    def __init__(self, executor: Executor, store: Store, clock: Clock) -> None:
        """Run by `executor`, remember in `store`."""
        self._executor = executor
        self._store = store
        self._clock = clock

    async def tools(
        self, clone: Clone, base: Snapshot, environment: Environment, chosen: Sequence[Tool], paths: Sequence[str]
    ) -> Observation:
        """Return what the tools say of the base; of `paths` where they want files. Raises SandboxUnavailable."""
        there = [path for path in paths if path in base.files]
        name = key("tools", base.tree, environment.digest, [tool.argv for tool in chosen], there)

        async def run(root: Path) -> Observation:
            return await self.run_tools(chosen, there, root, environment, keep=True)

        return await self._once(name, clone, base, run)

    async def tests(
        self, clone: Clone, base: Snapshot, environment: Environment, chosen: Sequence[Runner]
    ) -> Observation:
        """Return how the base's tests end. Raises SandboxUnavailable."""
        name = key("tests", base.tree, environment.digest, [runner.argv for runner in chosen])

        async def run(root: Path) -> Observation:
            seen = [
                await tests.run(self._executor, self._clock, runner, root, environment, tests.LONGEST)
                for runner in chosen
            ]
            return join(seen) if seen else self.nothing()

        return await self._once(name, clone, base, run) if chosen else self.nothing()

    async def unformatted(
        self, clone: Clone, base: Snapshot, environment: Environment, chosen: Sequence[Tool]
    ) -> dict[str, frozenset[str]]:
        """Return for each formatter which files of the base it would change. Raises SandboxUnavailable."""
        found = {}
        for tool in chosen:
            if not languages.having(base.files, tool.suffixes):
                found[tool.name] = frozenset[str]()
                continue
            whole = replace(tool, argv=(*tool.argv, "."), suffixes=frozenset())
            seen = await self.tools(clone, base, environment, [whole], ())
            found[tool.name] = frozenset(item.path for item in seen.findings if item.code == lint.FORMAT)
        return found

    async def run_tools(
        self,
        chosen: Sequence[Tool],
        paths: Sequence[str],
        root: Path,
        environment: Environment,
        *,
        keep: bool = False,
    ) -> Observation:
        """Run tools over a checkout, those that want files only when there are any; `keep` caches of the base."""
        seen = []
        for tool in chosen:
            wanted = tool.wants(paths)
            if tool.suffixes and not wanted:
                continue
            started = self._clock()
            outcome = await self._run_tool(tool, wanted, root, environment, keep=keep)
            seen.append(observe(tool, wanted, outcome, root, started, self._clock()))
        return join(seen) if seen else self.nothing()

    async def _run_tool(
        self, tool: Tool, wanted: Sequence[str], root: Path, environment: Environment, *, keep: bool
    ) -> Outcome:
        """Run one tool; one that keeps a cache gets a copy of what the base's run left, which alone is kept."""
        run = partial(
            self._executor.run,
            root=root,
            environment=environment,
            seconds=tool.seconds,
            writable=tool.own,
            heavy=tool.seconds > 300,
        )
        if not tool.caches:
            return await run(tool.command(wanted))
        async with self._executor.cache(key("cache", tool.argv, environment.digest), keep=keep) as cache:
            argv = [part.replace(CACHE, str(cache)) for part in tool.command(wanted)]
            return await run(argv, mounts=(Mount(cache, writable=True, hidden=()),))

    def nothing(self) -> Observation:
        """Return an observation of nothing."""
        now = self._clock()
        return Observation(started_at=now, completed_at=now)

    async def _once(
        self, name: str, clone: Clone, base: Snapshot, run: Callable[[Path], Awaitable[Observation]]
    ) -> Observation:
        if (known := self._store.read(name, Observation)) is not None:
            return known
        async with locked(self._store.lock(name), _PATIENCE, breakable=True):
            if (known := self._store.read(name, Observation)) is not None:
                return known
            async with clone.worktree(f"baseline-{name[:16]}", base.commit) as checkout:
                seen = await run(checkout.path)
            self._store.write(name, seen)
            return seen
