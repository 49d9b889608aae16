"""What a repository declares that it needs, as the installs that provide it; pure."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from workers.checkpoints.snapshot import Snapshot, is_requirements, json_object, toml_table

WANTED = ("test", "tests", "testing", "dev", "develop", "development", "ci")
_PYTHON_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock")
_NODE_FILES = ("package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml")
_CALLS_FOR = {
    "pytest-cov": re.compile(r"--cov\b|--no-cov\b"),
    "pytest-xdist": re.compile(r"(^|[\s'\"])(-n[\s=]*(auto|\d)|--dist|--numprocesses)"),
    "pytest-asyncio": re.compile(r"^asyncio_(mode|default)", re.M),
    "pytest-timeout": re.compile(r"^timeout\b|--timeout\b", re.M),
    "pytest-django": re.compile(r"^DJANGO_SETTINGS_MODULE|--ds\b|--reuse-db", re.M),
    "pytest-randomly": re.compile(r"-p[\s=]*no:randomly|--randomly-"),
    "pytest-env": re.compile(r"^env\b", re.M),
    "anyio": re.compile(r"^anyio_mode", re.M),
}
_EXACT = re.compile(r"^\d+(\.\d+)*$")


@dataclass(frozen=True)
class Needs:
    """What is to be installed. Nothing at all is a valid answer."""

    requires_python: str = ""
    requirement_files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    project: bool = False  # it is a package with a build of its own
    listed: bool = False  # `pyproject.toml` lists dependencies, to be installed without building
    locked_by_uv: bool = False
    node: bool = False
    node_locked: bool = False
    setup: str | None = None
    plugins: tuple[str, ...] = ()  # of pytest, that its configuration calls for
    wants_python: bool = True
    digest: str = field(default="", compare=False)

    @property
    def python(self) -> bool:
        """Say whether Python packages beyond pytest are needed."""
        return bool(
            self.plugins
            or self.requirement_files
            or self.requirements
            or self.groups
            or self.project
            or self.listed
            or self.locked_by_uv
        )

    @property
    def nothing(self) -> bool:
        """Say whether the shared environment will do."""
        return not (self.python or self.node or self.setup)


def read(snapshot: Snapshot, setup: str | None) -> Needs:
    """Read what a commit declares."""
    project = snapshot.pyproject.get("project")
    project = project if isinstance(project, dict) else {}
    needs = Needs(
        requires_python=_requires_python(snapshot, project),
        requirement_files=tuple(sorted(path for path in snapshot.texts if is_requirements(path))),
        requirements=tuple(_poetry(snapshot)) + tuple(_pipfile(snapshot)),
        constraints=tuple(_poetry_pins(snapshot)),
        groups=_named(snapshot.pyproject.get("dependency-groups")),
        extras=_named(project.get("optional-dependencies")) or _setup_extras(snapshot),
        project=_builds(snapshot),
        listed=bool(project.get("dependencies")),
        locked_by_uv="uv.lock" in snapshot.texts and bool(project),
        node=bool(snapshot.package.get("dependencies") or snapshot.package.get("devDependencies")),
        node_locked=snapshot.configured("package-lock.json", "npm-shrinkwrap.json"),
        setup=setup,
        plugins=_plugins(snapshot),
        wants_python=bool(snapshot.python) or not snapshot.scripts,
    )
    return Needs(**{**needs.__dict__, "digest": _digest(snapshot, needs)})


def _digest(snapshot: Snapshot, needs: Needs) -> str:
    """Name the environment after everything that it depends on, and nothing else."""
    if needs.nothing:
        return hashlib.sha256(f"plain {needs.requires_python}".encode()).hexdigest()[:24]
    texts = {path: text for path, text in snapshot.texts.items() if is_requirements(path)}
    texts |= {path: snapshot.texts[path] for path in (*_PYTHON_FILES, *_NODE_FILES) if path in snapshot.texts}
    layout = (
        sorted(path for path in snapshot.files if PurePosixPath(path).name == "__init__.py") if needs.project else []
    )
    seen = json.dumps([sorted(texts.items()), needs.setup, needs.requires_python, layout])
    return hashlib.sha256(seen.encode()).hexdigest()[:24]


def _requires_python(snapshot: Snapshot, project: dict[str, Any]) -> str:
    wanted = project.get("requires-python")
    if isinstance(wanted, str):
        return wanted
    pinned = snapshot.texts.get(".python-version", "").strip()
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", pinned):
        return f"=={'.'.join(pinned.split('.')[:2])}.*"
    options = snapshot.section("setup.cfg", "options") or {}
    return options.get("python_requires", "")


def _plugins(snapshot: Snapshot) -> tuple[str, ...]:
    """Name the plugins without which pytest would refuse the repository's own options."""
    table = snapshot.tool("pytest")
    options = table.get("ini_options", table) if isinstance(table, dict) else {}
    sections = [snapshot.section(path, "pytest") for path in ("pytest.ini", ".pytest.ini", "tox.ini")]
    sections.append(snapshot.section("setup.cfg", "tool:pytest"))
    text = "\n".join(f"{key} = {value}" for section in (options, *sections) for key, value in (section or {}).items())
    return tuple(name for name, pattern in _CALLS_FOR.items() if pattern.search(text))


def _named(table: object) -> tuple[str, ...]:
    """Select the groups or extras whose names say that tests need them."""
    names = table if isinstance(table, dict) else {}
    return tuple(name for name in names if isinstance(name, str) and name.lower() in WANTED)


def _setup_extras(snapshot: Snapshot) -> tuple[str, ...]:
    if "setup.py" in snapshot.texts:
        return WANTED[:5]  # unknown until it is built; uv only warns of those that don't exist
    return _named(snapshot.section("setup.cfg", "options.extras_require"))


def _builds(snapshot: Snapshot) -> bool:
    return (
        "build-system" in snapshot.pyproject
        or "setup.py" in snapshot.texts
        or snapshot.section("setup.cfg", "metadata") is not None
    )


def _poetry(snapshot: Snapshot) -> Iterator[str]:
    """Yield what only poetry understands: its groups, and its dependencies where nothing builds them."""
    poetry = snapshot.tool("poetry")
    if not isinstance(poetry, dict):
        return
    tables = [poetry.get("dev-dependencies")]
    if "build-system" not in snapshot.pyproject:
        tables.append(poetry.get("dependencies"))
    groups = poetry.get("group")
    for name, group in groups.items() if isinstance(groups, dict) else ():
        if name.lower() in WANTED and isinstance(group, dict):
            tables.append(group.get("dependencies"))
    for table in tables:
        for name, wanted in table.items() if isinstance(table, dict) else ():
            if name.lower() != "python" and (requirement := _poetry_requirement(name, wanted)):
                yield requirement


def _poetry_requirement(name: str, wanted: object) -> str | None:
    if isinstance(wanted, list):
        wanted = wanted[0] if wanted else "*"
    extras = ""
    if isinstance(wanted, dict):
        if "version" not in wanted:
            return None  # a path or a repository
        extras = f"[{','.join(wanted['extras'])}]" if wanted.get("extras") else ""
        wanted = wanted["version"]
    return f"{name}{extras}{_range(str(wanted))}"


def _range(wanted: str) -> str:
    """Translate poetry's and Pipfile's version ranges; the lock says exactly, where there is one."""
    wanted = wanted.strip()
    if wanted in {"", "*"}:
        return ""
    parts = []
    for part in wanted.split(","):
        bare = part.strip()
        if bare.startswith("^"):
            numbers = bare[1:].split(".")
            at = next((i for i, number in enumerate(numbers) if number != "0"), len(numbers) - 1)
            if not numbers[at].isdigit():
                return ""
            parts += [f">={bare[1:]}", f"<{'.'.join([*numbers[:at], str(int(numbers[at]) + 1)])}"]
        elif bare.startswith("~") and not bare.startswith("~="):
            numbers = bare[1:].strip().split(".")
            parts += [f">={'.'.join(numbers)}", f"=={'.'.join(numbers[:2])}.*"]
        else:
            parts.append(f"=={bare}" if _EXACT.match(bare) else bare)
    return ",".join(parts)


def _poetry_pins(snapshot: Snapshot) -> Iterator[str]:
    packages = toml_table(snapshot.texts.get("poetry.lock", "")).get("package")
    for package in packages if isinstance(packages, list) else ():
        if isinstance(package, dict) and "source" not in package:
            yield f"{package.get('name')}=={package.get('version')}"


def _pipfile(snapshot: Snapshot) -> Iterator[str]:
    locked = json_object(snapshot.texts.get("Pipfile.lock", ""))
    if locked:
        for section in ("default", "develop"):
            for name, details in (locked.get(section) or {}).items():
                if isinstance(details, dict) and "version" in details:
                    markers = f" ; {details['markers']}" if details.get("markers") else ""
                    yield f"{name}{details['version']}{markers}"
        return
    declared = toml_table(snapshot.texts.get("Pipfile", ""))
    for section in ("packages", "dev-packages"):
        for name, wanted in (declared.get(section) or {}).items():
            if requirement := _poetry_requirement(name, wanted):
                yield requirement
