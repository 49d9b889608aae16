"""Looks after an installed environment: what it has, what it must forget, what it may borrow."""

import json
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from app.errors import EnvironmentFailed
from workers.checkpoints.snapshot import Snapshot

_OWN = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
_PATH_FILE = re.compile(r"^(__editable__|_editable_impl_|easy-install|.*\.egg-link)|\.pth$")
_MAPPING = re.compile(r"^MAPPING(?::[^=]*)? = (\{.*\})$", re.M)


def detach(venv: Path, checkout: Path) -> tuple[str, ...]:
    """Make an environment forget the checkout that it was built from; return where its packages were in there.

    What is left of the repository's own package is its metadata and entry points; the code comes from whichever
    checkout is being judged.
    """
    if not venv.is_dir():
        return ()
    roots: list[str] = []
    for file in inside(venv).iterdir():
        if not (_PATH_FILE.search(file.name) or file.name.startswith("__editable__")) or not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if str(checkout) in text:
            roots += _roots(text, checkout)
            file.unlink()
    return tuple(dict.fromkeys(roots))


def _roots(text: str, checkout: Path) -> Iterator[str]:
    found = [line.strip() for line in text.splitlines() if line.startswith(str(checkout))]
    for mapping in _MAPPING.findall(text):  # setuptools: package name to directory
        try:
            packages = json.loads(mapping.replace("'", '"'))
        except ValueError:
            continue
        found += [str(Path(path).parent) for name, path in packages.items() if Path(path).stem == name.split(".")[-1]]
    for path in found:
        if Path(path).is_relative_to(checkout):
            yield str(Path(path).relative_to(checkout))


def inside(venv: Path) -> Path:
    """Return where packages are installed.

    Raises EnvironmentFailed when that is gone, or a link to elsewhere: what builds an environment may do that.
    """
    found = next(iter(sorted((venv / "lib").glob("python3*/site-packages"))), None)
    if found is None or not found.resolve().is_relative_to(venv.parent.resolve()):
        raise EnvironmentFailed("What was installed left no virtual environment that can be used.")
    return found


def programs(home: Path) -> set[str]:
    """Return the names of everything that an environment can run."""
    found: set[str] = set()
    for directory in (home / "venv" / "bin", home / "node_modules" / ".bin"):
        if directory.is_dir():
            found |= {path.name for path in directory.iterdir()}
    return found


def has_src(snapshot: Snapshot) -> bool:
    """Say whether the repository keeps its packages in src."""
    return any(path.startswith("src/") and path.endswith(".py") for path in snapshot.files)


def borrow_pytest(site_packages: Path) -> bool:
    """Copy pytest and what it needs from our own installation, for a machine without a registry."""
    try:
        parts = [distribution(name) for name in _OWN]
    except PackageNotFoundError:
        return False
    for part in parts:
        for file in part.files or ():
            source = Path(str(part.locate_file(file)))
            if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
                continue
            target = site_packages / file
            if target.is_symlink() or not target.parent.resolve().is_relative_to(site_packages.resolve()):
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return True
