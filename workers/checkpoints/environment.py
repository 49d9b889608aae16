"""The environment in which a repository's own code runs: where its programs are and what they are told."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from app.domain.sandbox import Mount

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_TOLD = {
    "CI": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
    "NO_COLOR": "1",
    "FORCE_COLOR": "0",
    "TERM": "dumb",
    "RUFF_OUTPUT_FORMAT": "concise",  # of `ruff format --check`, where older versions don't know the option
}


class Environment(BaseModel):
    """An installed environment; it is only read after it has been built."""

    model_config = ConfigDict(frozen=True)

    digest: str
    home: Path | None = None  # None: nothing is installed
    python: tuple[int, int] | None = None
    programs: frozenset[str] = frozenset()  # names of what is in its bin directories
    roots: tuple[str, ...] = ()  # where the repository keeps its importable packages, relative to its root
    has_modules: bool = False
    toolchains: tuple[Path, ...] = ()  # directories outside the system's that its programs need
    notes: tuple[str, ...] = ()

    @property
    def interpreter(self) -> Path | None:
        """Its Python."""
        return self.home / "venv" / "bin" / "python" if self.home and self.python else None

    @property
    def modules(self) -> Path | None:
        """Its `node_modules`."""
        return self.home / "node_modules" if self.home and self.has_modules else None

    def program(self, name: str) -> Path | None:
        """Return the path of an installed program."""
        if self.home is None or name not in self.programs:
            return None
        script = self.home / "venv" / "bin" / name
        return script if script.exists() else self.home / "node_modules" / ".bin" / name

    def mounts(self) -> tuple[Mount, ...]:
        """Return what must be visible for its programs to run."""
        homes = () if self.home is None else (self.home,)
        return tuple(Mount(path, hidden=()) for path in (*homes, *self.toolchains))

    def variables(self, root: Path) -> dict[str, str]:
        """Return what programs that run over the checkout at `root` are told."""
        path = [str(Path(tool) / "bin") for tool in self.toolchains]
        found = dict(_TOLD)
        if self.python and self.home:
            path.insert(0, str(self.home / "venv" / "bin"))
            found["VIRTUAL_ENV"] = str(self.home / "venv")
            roots = [str(root / part) for part in self.roots if part != "."]
            found["PYTHONPATH"] = ":".join([*roots, str(root)])
        if self.modules:
            path.insert(0, str(self.modules / ".bin"))
        return found | {"PATH": ":".join([*path, SYSTEM_PATH])}


BARE = Environment(digest="bare")
