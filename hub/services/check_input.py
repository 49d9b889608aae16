"""What an app says of a check run, checked."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from hub.errors import invalid, malformed
from hub.store import Row, timestamp
from hub.views.accounts import Json

MOST_ANNOTATIONS = 50
LONGEST_TEXT = 65_535
STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out")
LEVELS = ("notice", "warning", "failure")
ACTION = {"label": 20, "description": 40, "identifier": 20}  # characters of a button's texts
ANNOTATION = ("path", "start_line", "end_line", "start_column", "end_column", "annotation_level", "title", "message",
              "raw_details")  # fmt: skip


def columns(data: Json, before: Row | None, now: str) -> dict[str, Any]:
    """Check the fields of a request and name the columns that they change."""
    changes: dict[str, Any] = {
        name: str(data[name]) for name in ("name", "external_id", "details_url") if data.get(name) is not None
    }
    if before is None:
        changes.pop("name", None)
    status, conclusion = data.get("status"), data.get("conclusion")
    if status is not None and status not in STATUSES:
        raise invalid("CheckRun", "status")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion")
    if status == "completed" and conclusion is None:
        raise malformed('"conclusion" wasn\'t supplied.')
    if conclusion is not None or data.get("completed_at"):
        changes |= {"status": "completed", "conclusion": conclusion or (before or {}).get("conclusion") or "neutral"}
        changes["completed_at"] = _moment(data, "completed_at") or now
    elif status is not None:
        changes |= {"status": status, "conclusion": None, "completed_at": None}
    if data.get("started_at"):
        changes["started_at"] = _moment(data, "started_at")
    return changes | _output(data) | _actions(data)


def _moment(data: Json, field: str) -> str | None:
    if not data.get(field):
        return None
    try:
        return timestamp(datetime.fromisoformat(str(data[field])))
    except ValueError as error:
        raise malformed(f"For 'properties/{field}', {data[field]!r} is not a valid date-time.") from error


def _output(data: Json) -> dict[str, Any]:
    output = data.get("output")
    if output is None:
        return {}
    for field in ("title", "summary"):
        if output.get(field) is None and not (field == "title" and "summary" in output):
            raise malformed(f'"{field}" wasn\'t supplied.')
    for field in ("summary", "text"):
        if len(str(output.get(field) or "").encode()) > LONGEST_TEXT:
            raise malformed(f"Only {LONGEST_TEXT} characters are allowed; {len(output[field])} were supplied.")
    return {name: output[name] for name in ("title", "summary", "text") if name in output}


def _actions(data: Json) -> dict[str, Any]:
    actions = data.get("actions")
    if actions is None:
        return {}
    if len(actions) > 3:
        raise malformed(f"No more than 3 items are allowed; {len(actions)} were supplied.")
    for action in actions:
        for field, most in ACTION.items():
            if not action.get(field):
                raise malformed(f'"{field}" wasn\'t supplied.')
            if len(action[field]) > most:
                raise malformed(f"Only {most} characters are allowed; {len(action[field])} were supplied.")
    return {"actions": json.dumps(actions)}


def annotations_in(data: Json) -> list[Row]:
    """Check the annotations of a request."""
    given = (data.get("output") or {}).get("annotations") or []
    if len(given) > MOST_ANNOTATIONS:
        raise malformed(f"No more than {MOST_ANNOTATIONS} items are allowed; {len(given)} were supplied.")
    for one in given:
        for field in ("path", "start_line", "end_line", "annotation_level", "message"):
            if one.get(field) is None:
                raise malformed(f'"{field}" wasn\'t supplied.')
        if one["annotation_level"] not in LEVELS:
            raise malformed(f"{one['annotation_level']} is not a member of {list(LEVELS)}.")
    return [{name: one.get(name) for name in ANNOTATION} for one in given]
