"""Reads the JSON reports of JavaScript's test runners: jest and mocha."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.checkpoints.observation import Status, TestCase
from workers.checkpoints.reports.junit import Unreadable, merge, script_frame
from workers.checkpoints.reports.lines import plain, relative

_MESSAGE = 4_000  # characters


def jest(text: bytes, root: Path) -> tuple[TestCase, ...]:
    """Return the tests of `jest --json`. Raises Unreadable."""
    return _read(text, lambda report: _jest(report, root))


def mocha(text: bytes, root: Path) -> tuple[TestCase, ...]:
    """Return the tests of mocha's JSON reporter. Raises Unreadable."""
    return _read(text, lambda report: _mocha(report, root))


def _read(text: bytes, cases: Any) -> tuple[TestCase, ...]:
    try:
        return merge(cases(json.loads(text)))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(str(error)) from error


def _jest(report: Any, root: Path) -> Iterator[TestCase]:
    for file in report["testResults"]:
        path = relative(file["name"], root)
        if not file["assertionResults"] and file["status"] == "failed":
            message = plain(file.get("message", ""))[-_MESSAGE:]
            yield TestCase(id=path, group=path, status=Status.failed, path=path, message=message)
        for item in file["assertionResults"]:
            id_ = f"{path} > {item['fullName']}"
            message = plain("\n".join(item.get("failureMessages") or ()))[-_MESSAGE:]
            place, line = script_frame(message, root)
            own_line = (item.get("location") or {}).get("line", 1)
            yield TestCase(
                id=id_,
                group=id_,
                status={"passed": Status.passed, "failed": Status.failed}.get(item["status"], Status.skipped),
                path=place or path,
                line=line if place else own_line,
                message=message,
            )


def _mocha(report: Any, root: Path) -> Iterator[TestCase]:
    for key, status in (("passes", Status.passed), ("failures", Status.failed), ("pending", Status.skipped)):
        for item in report[key]:
            error = item.get("err") or {}
            message = plain(str(error.get("stack") or error.get("message") or ""))[-_MESSAGE:]
            place, line = script_frame(message, root)
            file = relative(item["file"], root) if item.get("file") else ""
            id_ = f"{file} > {item['fullTitle']}" if file else item["fullTitle"]
            yield TestCase(id=id_, group=id_, status=status, path=place or file, line=line, message=message)
