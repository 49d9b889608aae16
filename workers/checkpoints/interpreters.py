"""Finds the Python of this machine that a repository asks for."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from app.errors import EnvironmentFailed

UV = Path(sys.prefix) / "bin" / "uv"
_PATIENCE = 60.0  # seconds
_ASK = "import sys; print(sys.version_info[0], sys.version_info[1], sys.base_prefix, sep='\\n')"


@dataclass(frozen=True)
class Interpreter:
    """A Python on this machine."""

    path: Path
    version: tuple[int, int]
    prefix: Path

    @property
    def toolchains(self) -> tuple[Path, ...]:
        """What must be visible beyond the system's directories for it to run."""
        return () if self.prefix.is_relative_to("/usr") else (self.prefix,)


def ours() -> Interpreter:
    """Return the Python that this process runs on."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    return Interpreter(prefix / "bin" / name, (sys.version_info.major, sys.version_info.minor), prefix)


async def find(wanted: str) -> Interpreter:
    """Return ours if it fits `wanted` (a version specifier), else the first one that does.

    Raises EnvironmentFailed when there is none.
    """
    if not wanted.strip():
        return ours()
    options = ("--no-project", "--no-config", "--no-python-downloads", "--python-preference", "only-system")
    # Behind "--", so that nothing that a repository writes is taken for an option.
    code, path = await _ask(str(UV), "python", "find", *options, "--", wanted.strip())
    if code != 0 or not path:
        raise EnvironmentFailed(
            f"The repository asks for Python {wanted.strip()[:60]}, and this machine has none that fits. Install"
            " one, or name a version that is there in its pyproject.toml."
        )
    code, answer = await _ask(path.splitlines()[0], "-I", "-c", _ASK)
    parts = answer.split("\n")
    if code != 0 or len(parts) != 3:
        raise EnvironmentFailed(f"The Python at {path} does not start.")
    return Interpreter(Path(path), (int(parts[0]), int(parts[1])), Path(parts[2]))


async def _ask(*argv: str) -> tuple[int | None, str]:
    path = f"{Path(sys.base_prefix) / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        stdin=asyncio.subprocess.DEVNULL,
        env={"PATH": path, "HOME": os.environ.get("HOME", "/")},
        cwd="/",
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None, ""
    return process.returncode, output.decode().strip()
