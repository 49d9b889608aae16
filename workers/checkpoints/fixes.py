"""Applies the fixes that a linter offers for what is new, and no others; pure but for the last function."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.checks import Finding
from workers.checkpoints.reports import records
from workers.checkpoints.reports.lines import relative


@dataclass(frozen=True)
class Edit:
    """A replacement in a text; lines and columns are 1-based, the end is exclusive."""

    start: tuple[int, int]
    end: tuple[int, int]
    content: str


def offered(report: str, root: Path, new: Sequence[Finding]) -> dict[str, list[tuple[Edit, ...]]]:
    """Return the safe fixes for the new findings of a ruff report, by path."""
    try:
        items = json.loads(report)
    except ValueError:
        return {}
    wanted = {(finding.path, finding.line, finding.code, finding.message) for finding in new if finding.is_new}
    found: dict[str, list[tuple[Edit, ...]]] = {}
    for item, finding in zip(items, records.ruff(report, root), strict=True):
        fix = item.get("fix")
        if (
            fix
            and fix["applicability"] == "safe"
            and (finding.path, finding.line, finding.code, finding.message) in wanted
        ):
            path = relative(item["filename"], root)
            found.setdefault(path, []).append(tuple(_edit(edit) for edit in fix["edits"]))
    return found


def _edit(edit: Mapping[str, Any]) -> Edit:
    start, end = edit["location"], edit["end_location"]
    return Edit((start["row"], start["column"]), (end["row"], end["column"]), edit["content"] or "")


def apply(text: str, fixes: Sequence[tuple[Edit, ...]]) -> str:
    """Apply fixes from the end of the text to its start; one that meets another waits for the next round."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offset(place: tuple[int, int]) -> int:
        return starts[min(place[0] - 1, len(lines))] + place[1] - 1

    taken = len(text) + 1
    for fix in sorted(fixes, key=lambda fix: max(edit.end for edit in fix), reverse=True):
        if max(offset(edit.end) for edit in fix) > taken:
            continue
        for edit in sorted(fix, key=lambda edit: edit.start, reverse=True):
            text = text[: offset(edit.start)] + edit.content + text[offset(edit.end) :]
        taken = min(offset(edit.start) for edit in fix)
    return text


def rewrite(path: Path, text: str) -> None:
    """Replace the content of a plain file that is there; a link isn't followed. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.truncate(0)
        file.write(text.encode())
