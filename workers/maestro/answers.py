"""What models answer to Maestro: the domain's forms, filled in from what models write instead of them. Pure."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, model_validator

from app.domain.plan import Plan
from app.domain.requirements import ParsedIssue
from app.domain.review import Review

ID = re.compile(r"^REQ-\d{3}$")
NUMBER = re.compile(r"\D*(\d{1,3})\D*")
MOST_REQUIREMENTS = 30
BLOCKING = frozenset({"blocking", "blocker", "block", "critical", "high", "major", "error", "fatal", "severe"})
ADVICE = frozenset(
    {"advice", "advisory", "low", "minor", "medium", "info", "information", "note", "nit", "suggestion", "warning"}
)

Fields = dict[str, Any]


class IssueAnswer(ParsedIssue):
    """The answer of the parse step."""

    @model_validator(mode="before")
    @classmethod
    def _read_kindly(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if not {"requirements", "questions"} & set(value):
            raise ValueError("there are neither requirements nor questions in it")
        found = [_with_criteria(item) for item in _objects(value.get("requirements"))]
        return {**value, "requirements": _numbered(_joined(found))} if found else value


def _objects(value: Any) -> list[Fields]:
    items = value if isinstance(value, list | tuple) else []
    return [item for item in items if isinstance(item, dict)]


def _with_criteria(item: Fields) -> Fields:
    """Return the requirement with its title as the criterion, or the other way round, where only one is there."""
    title, criteria = item.get("title"), item.get("criteria")
    if title and not criteria:
        return {**item, "criteria": [title]}
    return {**item, "title": criteria[0]} if isinstance(criteria, list) and criteria and not title else item


def _joined(items: Sequence[Fields]) -> list[Fields]:
    """Return the requirements with neighbours put together until there are not too many; nothing is left out."""
    if len(items) <= MOST_REQUIREMENTS:
        return list(items)
    size = -(-len(items) // MOST_REQUIREMENTS)
    return [_one(items[start : start + size]) for start in range(0, len(items), size)]


def _one(items: Sequence[Fields]) -> Fields:
    titles = "; ".join(str(item.get("title", "")) for item in items)
    criteria = [criterion for item in items for criterion in item.get("criteria", ())]
    return {**items[0], "title": titles[:500], "criteria": criteria}


def _numbered(items: Sequence[Fields]) -> list[Fields]:
    """Return the requirements with ids: their own if those are in order, else by position."""
    ids = [str(item.get("id", "")) for item in items]
    if all(ID.match(one) for one in ids) and len(set(ids)) == len(ids):
        return list(items)
    return [{**item, "id": f"REQ-{number:03}"} for number, item in enumerate(items, 1)]


class PlanAnswer(Plan):
    """The answer of the plan step."""

    @model_validator(mode="before")
    @classmethod
    def _read_kindly(cls, value: Any) -> Any:
        tasks = _objects(value.get("tasks")) if isinstance(value, dict) else []
        if not tasks:
            return value
        return {**value, "tasks": [_task(task, number, len(tasks)) for number, task in enumerate(tasks, 1)]}


def _task(task: Fields, number: int, of: int) -> Fields:
    title = task.get("title") or task.get("description")
    return {
        **task,
        "key": task.get("key") or f"t{number}",
        "title": str(title)[:500] if title else title,
        "dependencies": _dependencies(task) if of > 1 else [],  # who works alone waits for nobody
        "footprint": [path for path in map(_inside, task.get("footprint") or ()) if path],
        "requirements": [_id(one) for one in task.get("requirements") or ()],
    }


def _dependencies(task: Fields) -> list[Any]:
    return [one for one in task.get("dependencies") or () if one != task.get("key")]


def _inside(path: Any) -> Any:
    """Return a path as one inside the repository; empty when it leads out of it."""
    if not isinstance(path, str):
        return path
    plain = path.strip().strip("`'\"").replace("\\", "/").removeprefix("/workspace/").lstrip("/")
    return "" if ".." in plain.split("/") or re.match(r"^([A-Za-z]:|~)", plain) else plain


def _id(value: Any) -> Any:
    """Return the id of a requirement as it was given to the model: `1` and `REQ-1` stand for `REQ-001`."""
    number = NUMBER.fullmatch(str(value).strip())
    return f"REQ-{int(number[1]):03}" if number else value


class ReviewAnswer(Review):
    """The answer of the review step."""

    @model_validator(mode="before")
    @classmethod
    def _read_kindly(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        approved = value.get("approved")
        findings = [_finding(item, approved=approved is not False) for item in _objects(value.get("findings"))]
        blocked = any(finding.get("severity") == "blocking" for finding in findings)
        verdict = {"approved": not blocked} if approved is None and "findings" in value else {}
        return {**value, "findings": findings, **verdict}


def _finding(item: Fields, *, approved: bool) -> Fields:
    word = str(item.get("severity") or ("advice" if approved else "blocking")).strip().lower()
    severity = "blocking" if word in BLOCKING else "advice" if word in ADVICE else word
    kept = {name: field for name, field in item.items() if field is not None}
    return {**kept, "severity": severity}


class MergedFile(BaseModel):
    """A file as it is to be after a merge."""

    path: str
    content: str


class MergeAnswer(BaseModel):
    """The answer of the merge step."""

    files: tuple[MergedFile, ...]

    @model_validator(mode="before")
    @classmethod
    def _read_kindly(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        files = value.get("files", value)
        items = _objects([files] if isinstance(files, dict) else files)
        found = [file for item in items for file in _files(item)]
        return {"files": found} if found else value


def _files(item: Fields) -> list[Fields]:
    """Return the files of an object: one with its path and content, or any number by their paths."""
    content = next((item[name] for name in ("content", "text", "code") if item.get(name) is not None), None)
    if "path" in item:
        return [{"path": item["path"], "content": content}]
    return [{"path": path, "content": text} for path, text in item.items() if isinstance(text, str)]
