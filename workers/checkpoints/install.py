"""Builds the environment of a base commit: once per digest of what it declares, before any written code exists."""

import asyncio
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from app.domain.ports import Clone
from app.domain.repository_settings import entered
from app.domain.sandbox import GIB, Command, Limits, Mount, Network, Outcome, Sandbox
from app.errors import EnvironmentFailed
from workers.checkpoints import declarations, interpreters, registry, site_packages
from workers.checkpoints.declarations import Needs
from workers.checkpoints.environment import Environment
from workers.checkpoints.execution import linked
from workers.checkpoints.interpreters import UV, Interpreter
from workers.checkpoints.locks import hold, locked
from workers.checkpoints.observation import tail
from workers.checkpoints.reports.lines import plain
from workers.checkpoints.snapshot import Snapshot

_FAILURE_COUNTS = 300.0  # seconds
_PATIENCE = 1800.0  # seconds; for a build by somebody else
_LIMITS = Limits(
    seconds=1200, memory=4 * GIB, total_memory=6 * GIB, file=4 * GIB, disk=16 * GIB, temporary=2 * GIB, processes=1024
)


class Environments:
    """All environments of this machine."""

    def __init__(self, sandbox: Sandbox, home: Path, *, network_allowed: bool) -> None:
        """Keep them under `home`; without `network_allowed` only what a local index has can be installed."""
        self._sandbox = sandbox
        self._home = home
        self._network = Network.full if network_allowed else Network.none
        self._known: dict[str, Environment] = {}

    async def of(self, clone: Clone, snapshot: Snapshot, setup: str | None) -> Environment:
        """Return the environment that a commit declares, built when it isn't there.

        Raises EnvironmentFailed, SandboxUnavailable or Transient.
        """
        needs = declarations.read(snapshot, setup)
        if needs.nothing and not needs.wants_python:
            return Environment(digest="none", toolchains=_node())
        home = self._home / needs.digest
        if (known := self._known.get(needs.digest)) and _used(home):
            return known
        if (found := _stored(home)) is None:
            async with locked(self._home / "locks" / f"{needs.digest}.lock", _PATIENCE, breakable=True):
                found = _stored(home)
                if found is None:
                    found = await self._build(clone, snapshot, needs, home)
        self._known[needs.digest] = found
        return found

    async def _build(self, clone: Clone, snapshot: Snapshot, needs: Needs, home: Path) -> Environment:
        failure = self._home / f"{needs.digest}.failed"
        if (sentence := _recent(failure)) is not None:
            raise EnvironmentFailed(sentence)
        place, held = await asyncio.to_thread(_take, home)
        try:
            built = await Build(self._sandbox, place, needs, self._network).make(clone, snapshot)
        except EnvironmentFailed as error:
            failure.write_text(str(error))
            await asyncio.to_thread(shutil.rmtree, place, True)
            raise
        finally:
            os.close(held)
        if (found := _stored(home)) is not None:  # by somebody who took this build for dead
            await asyncio.to_thread(shutil.rmtree, place, True)
            return found
        failure.unlink(missing_ok=True)
        unfinished = home.with_suffix(".new")
        unfinished.write_text(built.model_dump_json())
        unfinished.replace(_marker(home))
        return built


def _marker(home: Path) -> Path:
    """Return what is written last: without it, a build was cut short. It lies where a build can't write it itself."""
    return home.with_suffix(".json")


def _take(home: Path) -> tuple[Path, int]:
    """Return an empty directory for a build, and what it is held by: whoever stands still in one may wake up there."""
    for number in count(1):
        place = home if number == 1 else home.with_name(f"{home.name}.{number}")
        place.mkdir(parents=True, exist_ok=True)
        if (held := hold(place)) is not None:
            _empty(place)
            return place, held
    raise AssertionError("counting ended")


def _empty(place: Path) -> None:
    for left in place.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink()


def _stored(home: Path) -> Environment | None:
    try:
        found = Environment.model_validate_json(_marker(home).read_text())
    except (FileNotFoundError, ValidationError):
        return None
    return found if _used(home) else None


def _used(home: Path) -> bool:
    """Note the use of an environment for those who clean up; False when they have done so already."""
    try:
        os.utime(_marker(home))
    except FileNotFoundError:
        return False
    return True


def _recent(failure: Path) -> str | None:
    """Return why a build failed a short while ago; later, trying again is right."""
    try:
        if time.time() - failure.stat().st_mtime < _FAILURE_COUNTS:
            return failure.read_text()
    except FileNotFoundError:
        pass
    return None


def _node() -> tuple[Path, ...]:
    found = shutil.which("node")
    if found is None:
        return ()
    home = Path(found).resolve().parent.parent
    return () if home.is_relative_to("/usr") else (home,)


def _modules_in(checkout: Path, folder: str) -> Path | None:
    """Return what was installed for node in a folder of the checkout; links may lead out of it."""
    modules = checkout / folder / "node_modules"
    return modules if modules.is_dir() and modules.resolve() == checkout.resolve() / folder / "node_modules" else None


class Build:
    """One build of one environment."""

    def __init__(self, sandbox: Sandbox, home: Path, needs: Needs, network: Network) -> None:
        """Build in the empty directory `home`."""
        self._sandbox = sandbox
        self._home = home
        self._needs = needs
        self._network = network
        self._registry = registry.of_this_machine()
        self._notes: list[str] = []
        self._constraints = home / "constraints.txt"

    async def make(self, clone: Clone, snapshot: Snapshot) -> Environment:
        """Install everything. Raises EnvironmentFailed."""
        interpreter = await self._venv() if self._needs.wants_python else None
        roots: tuple[str, ...] = ()
        if self._needs.nothing:
            await self._plain()
        else:
            name = f"environment-{self._needs.digest[:12]}"
            async with clone.worktree(name, snapshot.commit) as checkout:
                await self._install(checkout.path)
                roots = await asyncio.to_thread(site_packages.detach, self._home / "venv", checkout.path)
        for left in (".cache", ".npm"):
            await asyncio.to_thread(shutil.rmtree, self._home / left, True)
        return Environment(
            digest=self._needs.digest,
            home=self._home,
            python=interpreter.version if interpreter else None,
            programs=frozenset(site_packages.programs(self._home)),
            roots=tuple(dict.fromkeys([*roots, *(["src"] if site_packages.has_src(snapshot) else [])])),
            has_modules=(self._home / "node_modules").is_dir(),
            toolchains=(*(interpreter.toolchains if interpreter else ()), *_node()),
            notes=tuple(self._notes),
        )

    async def _venv(self) -> Interpreter:
        interpreter = await interpreters.find(self._needs.requires_python)
        self._toolchains = interpreter.toolchains
        seed = ("--seed",) if self._needs.setup else ()
        argv = (str(UV), "venv", "--quiet", "--no-project", "--no-config", *seed, "--python", str(interpreter.path))
        network = self._network if seed else Network.none
        outcome = await self._run((*argv, str(self._home / "venv")), self._home, network)
        if not outcome.ok:
            raise self._failed("A virtual environment could not be made", outcome)
        return interpreter

    async def _plain(self) -> None:
        outcome = await self._pip(("pytest",), self._home, seconds=120)
        if not outcome.ok and not await asyncio.to_thread(
            site_packages.borrow_pytest, site_packages.inside(self._home / "venv")
        ):
            raise self._failed("pytest could not be installed", outcome)

    async def _install(self, checkout: Path) -> None:
        if self._needs.setup:
            await self._set_up(self._needs.setup, checkout)
        elif self._needs.python:
            await self._python(checkout)
        if not self._needs.setup and self._needs.node:
            await self._modules(checkout)
        await self._keep_modules(checkout)
        if self._needs.wants_python and "pytest" not in site_packages.programs(self._home):
            await self._plain()

    async def _keep_modules(self, checkout: Path) -> None:
        """Take what was installed for node: at the root, or else in the folder that `setup` goes into."""
        folders = ("", entered(self._needs.setup or ""))
        modules = next((found for folder in folders if (found := _modules_in(checkout, folder))), None)
        if modules is not None:
            place = self._home / "node_modules"
            if place.is_symlink():  # into which it would be moved, wherever that is
                place.unlink()
            await asyncio.to_thread(shutil.move, modules, place)

    async def _set_up(self, command: str, checkout: Path) -> None:
        outcome = await self._run(("/bin/sh", "-ec", command), checkout, self._network)
        if not outcome.ok:
            raise self._failed("The `setup` command of .github/aurora.yml failed", outcome)

    async def _python(self, checkout: Path) -> None:
        if self._needs.constraints:
            # Not in the checkout, where the repository may have a link of that name.
            self._constraints.write_text("\n".join(self._needs.constraints))
        first: Outcome | None = None
        for attempt in ([*self._arguments()], [*self._arguments(project=False)]):
            outcome = await self._attempt(attempt, checkout)
            if outcome.ok:
                if first is not None:
                    self._notes.append(
                        "The repository's own package could not be built; its sources are used as they are."
                    )
                return
            first = first or outcome
            if not self._needs.project:
                break
        assert first is not None  # noqa: S101 - the loop ran at least once
        raise self._failed("The dependencies could not be installed", first)

    async def _attempt(self, arguments: Sequence[str], checkout: Path) -> Outcome:
        if not self._needs.locked_by_uv:
            return await self._pip(arguments, checkout)
        named = [part for name in self._needs.extras for part in ("--extra", name)]
        named += [part for name in self._needs.groups for part in ("--group", name)]
        locked = (
            str(UV),
            "export",
            "--quiet",
            "--frozen",
            "--no-hashes",
            "--no-emit-workspace",
            *named,
            "-o",
            ".aurora-lock",
        )
        outcome = await self._run(locked, checkout, self._network)
        if not outcome.ok:
            return outcome
        outcome = await self._pip(("-r", ".aurora-lock", "pytest", *self._needs.plugins), checkout)
        if outcome.ok and "-e" in arguments:
            return await self._pip(("--no-deps", "-e", "."), checkout)
        return outcome

    def _arguments(self, *, project: bool = True) -> Iterator[str]:
        needs = self._needs
        for path in needs.requirement_files:
            yield from ("-r", path)
        for group in needs.groups:
            yield from ("--group", group)
        if needs.constraints:
            yield from ("-c", str(self._constraints))
        if needs.project and project:
            yield from ("-e", f".[{','.join(needs.extras)}]" if needs.extras else ".")
        elif needs.listed:
            yield from ("-r", "pyproject.toml")
            for extra in needs.extras:
                yield from ("--extra", extra)
        yield from ("pytest", *needs.plugins, *needs.requirements)

    async def _modules(self, checkout: Path) -> None:
        how = ("ci",) if self._needs.node_locked else ("install", "--no-package-lock")
        argv = ("npm", *how, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        outcome = await self._run(argv, checkout, self._network)
        if not outcome.ok:
            raise self._failed("The dependencies of package.json could not be installed", outcome)

    async def _pip(self, arguments: Sequence[str], cwd: Path, seconds: float = _LIMITS.seconds) -> Outcome:
        python = str(self._home / "venv" / "bin" / "python")
        argv = (str(UV), "pip", "install", "--python", python, *arguments)
        return await self._run(argv, cwd, self._network, seconds)

    async def _run(self, argv: Sequence[str], cwd: Path, network: Network, seconds: float = _LIMITS.seconds) -> Outcome:
        mounts = [Mount(cwd, writable=True), Mount(UV, hidden=()), *self._registry.mounts]
        if cwd != self._home:
            mounts.append(Mount(self._home, writable=True, hidden=()))
        mounts += [Mount(path, hidden=()) for path in (*getattr(self, "_toolchains", ()), *_node())]
        environment = Environment(
            digest="", home=self._home, python=(3, 0), toolchains=tuple(getattr(self, "_toolchains", ())) + _node()
        )
        told = {name: value for name, value in environment.variables(cwd).items() if name != "PYTHONPATH"}
        told["PATH"] += f":{UV.parent}"
        told |= self._registry.variables
        told |= {
            "UV_CACHE_DIR": str(self._home / ".cache"),
            "UV_COMPILE_BYTECODE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip does, for whom these indexes were set up
            "UV_OFFLINE": "1" if self._network is Network.none else "0",
            "UV_PROJECT_ENVIRONMENT": str(self._home / "venv"),
            "npm_config_cache": str(self._home / ".npm"),
            "npm_config_update_notifier": "false",
        }
        limits = Limits(**{**_LIMITS.__dict__, "seconds": seconds})
        command = Command(tuple(argv), cwd, tuple(mounts), told, limits, network, merged=True)
        with linked(None, cwd):
            return await self._sandbox.run(command)

    def _failed(self, what: str, outcome: Outcome) -> EnvironmentFailed:
        hint = (
            " The network is not allowed here (AURORA_SETUP_NETWORK=never): only what a local index has can be"
            " installed."
            if self._network is Network.none
            else ""
        )
        output = tail(plain(outcome.stdout.decode(errors="replace")).strip(), 4000)
        return EnvironmentFailed(f"{what}: it {outcome.describe()}.{hint}\n\n{output}")
