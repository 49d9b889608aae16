"""Reads the JSON reports of checkers: ruff, eslint, biome, oxlint, pyright."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.domain.checks import Finding
from workers.checkpoints.reports.lines import relative


class Unreadable(ValueError):
    """The text isn't the report that was asked for."""


def _load(text: str) -> Any:
    """Parse a report that a tool may have wrapped in other lines."""
    starts = [position for position in (text.find("["), text.find("{")) if position >= 0]
    if not starts:
        raise Unreadable("no JSON in the report")
    try:
        value, _ = json.JSONDecoder().raw_decode(text[min(starts) :])
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    return value


def _reader(findings: Callable[[Any, Path], Iterator[Finding]]) -> Callable[[str, Path], tuple[Finding, ...]]:
    def read(text: str, root: Path) -> tuple[Finding, ...]:
        """Return what a report says. Raises Unreadable."""
        value = _load(text)
        try:
            return tuple(findings(value, root))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Unreadable(f"the report has another form than expected: {error}") from error

    return read


def _ruff(report: Any, root: Path) -> Iterator[Finding]:
    for item in report:
        yield Finding(
            path=relative(item["filename"], root),
            line=item["location"]["row"],
            end_line=item["end_location"]["row"],
            code=item["code"] or "syntax",
            message=item["message"],
        )


def _eslint(report: Any, root: Path) -> Iterator[Finding]:
    for file in report:
        for item in file["messages"]:
            if item["severity"] == 2 or item.get("fatal"):
                yield Finding(
                    path=relative(file["filePath"], root),
                    line=max(1, item.get("line") or 1),
                    code=item.get("ruleId") or "syntax",
                    message=item["message"],
                )


def _pyright(report: Any, root: Path) -> Iterator[Finding]:
    for item in report["generalDiagnostics"]:
        if item["severity"] == "error":
            yield Finding(
                path=relative(item["file"], root),
                line=item["range"]["start"]["line"] + 1,
                code=item.get("rule", ""),
                message=" ".join(item["message"].split()),
            )


def _oxlint(report: Any, root: Path) -> Iterator[Finding]:
    for item in report["diagnostics"]:
        if item["severity"] == "error":
            spans = [label["span"] for label in item.get("labels", ())]
            yield Finding(
                path=relative(item["filename"], root),
                line=spans[0].get("line", 1) if spans else 1,
                code=item.get("code", ""),
                message=item["message"],
            )


ruff = _reader(_ruff)
eslint = _reader(_eslint)
pyright = _reader(_pyright)
oxlint = _reader(_oxlint)
