"""Reads JUnit XML, which pytest, node's own runner and vitest write, each in its dialect."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from workers.checkpoints.observation import Status, TestCase
from workers.checkpoints.reports.lines import from_root, plain, relative

_PYTHON_FRAME = re.compile(r"^(?P<path>[^\s:][^:\n]*\.py):(?P<line>\d+): ", re.M)
_SCRIPT_FRAME = re.compile(  # from where a word begins: looked for everywhere in one, long words take for ever
    r"(?<![\w@./\-+])(?:file://)?(?P<path>/?[\w@./\-+]+\.[cm]?[jt]sx?):(?P<line>\d+)(?::\d+)?"
)
_MESSAGE = 4_000  # characters
_INSTALLED = ("site-packages", "node_modules", "/lib/python")


class Unreadable(ValueError):
    """The text isn't a JUnit report."""


def _parse(text: bytes) -> ET.Element:
    try:
        return ET.fromstring(text)  # noqa: S314 - expat bounds entity expansion; the size is bounded by the caller
    except ET.ParseError as error:
        raise Unreadable(str(error)) from error


def pytest(text: bytes, root: Path) -> tuple[TestCase, ...]:
    """Return the tests of a pytest report of family xunit1, by node id. Raises Unreadable."""
    return merge(_pytest_case(element, root) for element in _parse(text).iter("testcase"))


def within(folder: str, read: Callable[[bytes, Path], tuple[TestCase, ...]]) -> Callable[..., tuple[TestCase, ...]]:
    """Return a reader of the reports of tests that ran in a folder, and may name paths as seen from there."""

    def named(name: str, root: Path) -> str:
        file, mark, rest = name.partition("::")
        return f"{from_root(folder, file, root)}{mark}{rest}"

    def read_within(text: bytes, root: Path) -> tuple[TestCase, ...]:
        return tuple(
            case.model_copy(
                update={
                    "id": named(case.id, root),
                    "group": named(case.group, root),
                    "path": from_root(folder, case.path, root),
                }
            )
            for case in read(text, root)
        )

    return read_within


def scripts(text: bytes, root: Path) -> tuple[TestCase, ...]:
    """Return the tests of a report by node --test or vitest. Raises Unreadable."""
    return merge(_script_cases(_parse(text), "", root))


def merge(cases: Iterator[TestCase]) -> tuple[TestCase, ...]:
    """Keep one entry for each id: a failure counts most (a test can fail in its body and again in teardown)."""
    weight = {Status.skipped: 0, Status.passed: 1, Status.failed: 2}
    merged: dict[str, TestCase] = {}
    for case in cases:
        known = merged.get(case.id)
        if known is None or weight[case.status] > weight[known.status]:
            merged[case.id] = case
    return tuple(merged.values())


def _pytest_case(element: ET.Element, root: Path) -> TestCase:
    name, file = element.get("name", ""), element.get("file", "")
    status, message = _outcome(element)
    group = "::".join([file, *_classes(element.get("classname", ""), file), name.partition("[")[0]])
    path, line = _frame(message, root)
    if not element.get("classname"):  # a module that could not be collected
        return TestCase(
            id=file or name,
            group=file or name,
            status=status,
            path=path or file,
            line=line,
            message=message,
        )
    own_line = int(element.get("line", "0")) + 1
    return TestCase(
        id=group + name[len(name.partition("[")[0]) :],
        group=group,
        status=status,
        path=path or file,
        line=line if path else own_line,
        message=message,
    )


def _classes(classname: str, file: str) -> list[str]:
    """Return the classes around a test: what its classname has beyond its module's."""
    module = ".".join(PurePosixPath(file).with_suffix("").parts) if file else ""
    rest = classname.removeprefix(module) if classname.startswith(module) else classname.rpartition(".")[2]
    return [part for part in rest.split(".") if part]


def _outcome(element: ET.Element) -> tuple[Status, str]:
    for kind in ("failure", "error"):
        child = element.find(kind)
        if child is not None:
            text = (child.text or child.get("message") or "").strip()
            return Status.failed, plain(text)[-_MESSAGE:]
    skipped = element.find("skipped")
    if skipped is not None:
        return Status.skipped, skipped.get("message", "")
    return Status.passed, ""


def _frame(message: str, root: Path) -> tuple[str, int]:
    """Find the deepest place of a traceback inside the repository; ("", 1) when it names none."""
    place = ("", 1)
    for found in _PYTHON_FRAME.finditer(message):
        path = relative(found["path"], root)
        if path.startswith("..") or any(part in found["path"] for part in _INSTALLED):
            continue
        if found["path"].startswith("/") and not found["path"].startswith(f"{root}/"):
            continue
        place = (path, int(found["line"]))
    return place if place[0] else ("", 1)


def _script_cases(element: ET.Element, inside: str, root: Path) -> Iterator[TestCase]:
    counts: Counter[str] = Counter()
    for child in element:
        name = child.get("name", "")
        if child.tag == "testsuite":
            yield from _script_cases(child, f"{inside}{name} > " if name else inside, root)
        elif child.tag == "testcase":
            id_ = f"{inside}{name}"
            counts[id_] += 1
            yield _script_case(child, id_ if counts[id_] == 1 else f"{id_} #{counts[id_]}", id_, root)


def _script_case(element: ET.Element, id_: str, group: str, root: Path) -> TestCase:
    status, message = _outcome(element)
    path, line = script_frame(message, root)
    own = element.get("file", "")
    id_, group = (name.replace(f"{root}/", "") for name in (id_, group))
    return TestCase(
        id=id_,
        group=group,
        status=status,
        path=path or (relative(own, root) if own else ""),
        line=line,
        message=message,
    )


def script_frame(message: str, root: Path) -> tuple[str, int]:
    """Find the first place of a JavaScript stack (deepest first there) inside the repository."""
    for found in _SCRIPT_FRAME.finditer(message):
        path = found["path"].strip()
        if any(part in path for part in _INSTALLED) or (path.startswith("/") and not path.startswith(f"{root}/")):
            continue
        return relative(path, root), int(found["line"])
    return "", 1
