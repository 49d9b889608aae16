"""Which runner runs a repository's tests, and how its report is read."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.domain.repository_settings import CommandSettings, entered
from workers.checkpoints import languages
from workers.checkpoints.environment import Environment
from workers.checkpoints.observation import TestCase
from workers.checkpoints.reports import javascript, junit
from workers.checkpoints.snapshot import Snapshot

REPORT = "{report}"  # stands in a command for where the report is to be written
STUCK = "{stuck}"  # and this for the seconds after which a test that still runs is to say where it is
_PYTEST_OPTIONS = (
    "--junitxml={report}",
    "--override-ini=junit_family=xunit1",
    "--override-ini=junit_logging=no",
    "--override-ini=cache_dir=/tmp/pytest-cache",
    "--override-ini=console_output_style=classic",
    "--tb=short",
    "--color=no",
    "--continue-on-collection-errors",
    "--override-ini=faulthandler_timeout={stuck}",
)
_NODE_REPORT = (
    "--test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination={report}"
)
_PYTHON_TEST = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?)\.py$")
_SCRIPT_TEST = re.compile(r"(^|[/.\-_])(test|tests|spec)\.[cm]?[jt]sx?$|(^|/)(__tests__|tests?)/.*\.[cm]?[jt]sx?$")
_NO_SCRIPT = re.compile(r"no test specified")
_NODE_TEST = re.compile(r"\bnode\s+(?P<options>[^|&;]*?)--test\b(?!-)")

Reader = Callable[[bytes, Path], tuple[TestCase, ...]]


@dataclass(frozen=True)
class Runner:
    """How one kind of tests is run; `{report}` in a part of the command is where the report is wanted."""

    name: str
    argv: tuple[str, ...]
    read: Reader | None = None  # None: only the exit code counts
    none_collected: int | None = None  # the exit code that says that there are no tests
    selects: bool = False  # single tests can be named at the end of the command
    report_expected: bool = True  # a missing report is a failure
    variables: tuple[tuple[str, str], ...] = ()
    shown: str = ""

    def command(self, report: Path, seconds: float, tests: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the command that runs everything, or only the named tests where it can do that."""
        argv = tuple(_filled(part, report, seconds) for part in self.argv)
        return (*argv, *tests) if self.selects else argv

    def environment(self, report: Path, seconds: float) -> dict[str, str]:
        """Return the variables that the command needs."""
        return {name: _filled(value, report, seconds) for name, value in self.variables}


def _filled(part: str, report: Path, seconds: float) -> str:
    return part.replace(REPORT, str(report)).replace(STUCK, f"{seconds * 0.8:.1f}")


def choose(
    snapshot: Snapshot, environment: Environment, commands: CommandSettings, changed: Sequence[str]
) -> list[Runner]:
    """Choose the runners: the command that the base names, else what its files and those of the change call for."""
    if commands.tests:
        return [_custom(commands.tests)]
    paths = [*snapshot.files, *changed]
    found = []
    if environment.interpreter is not None and any(_PYTHON_TEST.search(path) for path in paths):
        found.append(pytest(environment.interpreter))
    script = _script(snapshot, environment, paths)
    return [*found, script] if script else found


def pytest(interpreter: Path) -> Runner:
    """Return the runner of Python's tests; it runs unittest's as well."""
    return Runner(
        name="pytest",
        argv=(str(interpreter), "-m", "pytest", *_PYTEST_OPTIONS),
        read=junit.pytest,
        none_collected=5,
        selects=True,
        shown="python -m pytest",
    )


def _custom(command: str) -> Runner:
    # Most such commands end in pytest after all: then they tell test by test what happened.
    options = " ".join(_PYTEST_OPTIONS)
    folder = entered(command)
    return Runner(
        name="tests",
        argv=("/bin/sh", "-c", command),
        read=junit.within(folder, junit.pytest) if folder else junit.pytest,
        report_expected=False,
        variables=(("PYTEST_ADDOPTS", options),),
        shown=command,
    )


def _script(snapshot: Snapshot, environment: Environment, paths: Sequence[str]) -> Runner | None:
    scripts = snapshot.package.get("scripts")
    command = scripts.get("test") if isinstance(scripts, dict) else None
    if isinstance(command, str) and not _NO_SCRIPT.search(command):
        return _npm(command)
    if environment.interpreter is None or "package.json" in snapshot.files:
        wanted = languages.JAVASCRIPT
    else:
        wanted = frozenset({".mjs", ".cjs", ".js"})
    tests = [path for path in languages.having(paths, wanted) if _SCRIPT_TEST.search(path)]
    return _node("node --test") if tests else None


def _npm(command: str) -> Runner:
    """Run the test script of `package.json` so that it writes a report, where its runner is known."""
    last = re.split(r"&&|;", command)[-1].strip()
    simple = not re.search(r"[|&;<>`$]", last)
    program = PurePosixPath(last.split()[0]).name if last.split() else ""
    if _NODE_TEST.search(command):
        return _node(command)
    if simple and program == "npx" and len(last.split()) > 1:
        program = last.split()[1]
    if simple and program == "vitest":
        run = "" if re.search(r"\bvitest\s+(run|--run)\b", last) else " --run"
        more = f"{run} --reporter=default --reporter=junit --outputFile.junit={{report}}"
        return _shell("vitest", command + more, command, junit.scripts)
    if simple and program in {"jest", "react-scripts"}:
        more = " --ci --json --testLocationInResults --outputFile={report}"
        return _shell("jest", command + more, command, javascript.jest)
    if simple and program == "mocha":
        more = " --reporter json --reporter-option output={report}"
        return _shell("mocha", command + more, command, javascript.mocha)
    return Runner("npm test", ("/bin/sh", "-c", command), report_expected=False, shown=f"npm test ({command})")


def _node(command: str) -> Runner:
    reported = _NODE_TEST.sub(lambda found: f"node {found['options']}{_NODE_REPORT} --test", command)
    return _shell("node --test", reported, command, junit.scripts)


def _shell(name: str, command: str, shown: str, read: Reader) -> Runner:
    return Runner(name, ("/bin/sh", "-c", command), read, shown=shown)
