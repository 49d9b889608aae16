"""`GET /projects` and `GET /projects/{id}`: what the tables say, as JSON, for whoever has the token."""

import hmac
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from aiohttp import web

from app.domain.project import Project
from app.domain.task import Task
from app.web.middleware import problem

MOST = 100


class ProjectReader(Protocol):
    """Reads what is known of projects."""

    async def page(self, limit: int, offset: int) -> list[Project]:
        """Return projects, newest first."""
        ...

    async def get(self, identity: UUID) -> Project | None:
        """Return one project."""
        ...

    async def tasks(self, identity: UUID) -> list[Task]:
        """Return a project's tasks in their order."""
        ...


class Projects:
    """Answers programs that show the operator's token."""

    def __init__(self, reader: ProjectReader, token: str | None) -> None:
        """Without a token nobody is answered: projects may belong to private repositories."""
        self._reader = reader
        self._token = token

    async def listing(self, request: web.Request) -> web.Response:
        """Return a page of projects, newest first (`?limit=`, `?offset=`)."""
        if refusal := self._refusal(request):
            return refusal
        limit, offset = _number(request.query, "limit", 50), _number(request.query, "offset", 0)
        if limit is None or offset is None or not 1 <= limit <= MOST:
            return problem(400, "Bad request", f"limit is 1 to {MOST}, offset 0 or more.")
        found = await self._reader.page(limit, offset)
        return web.json_response({"projects": [summary(project) for project in found]})

    async def one(self, request: web.Request) -> web.Response:
        """Return one project with its requirements and tasks."""
        if refusal := self._refusal(request):
            return refusal
        try:
            identity = UUID(request.match_info["id"])
        except ValueError:
            return problem(404, "Not found", "There is no such project.")
        project = await self._reader.get(identity)
        if project is None:
            return problem(404, "Not found", "There is no such project.")
        return web.json_response(details(project, await self._reader.tasks(identity)))

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._token is None:
            return problem(401, "Unauthorized", "The operator has to set AURORA_API_TOKEN first.")
        given = request.headers.get("Authorization", "")
        if hmac.compare_digest(given.encode(errors="replace"), f"Bearer {self._token}".encode()):
            return None
        answer = problem(401, "Unauthorized", "Send the operator's token: Authorization: Bearer TOKEN.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer


def summary(project: Project) -> dict[str, Any]:
    """Return what a list shows of a project."""
    chosen = {
        "id", "issue_number", "run", "title", "requested_by", "status", "pull_request", "budget_usd",
        "spent_usd", "created_at", "finished_at",
    }  # fmt: skip
    data = project.model_dump(mode="json", include=chosen)
    return {**data, "repository": project.repository.full_name}


def details(project: Project, tasks: list[Task]) -> dict[str, Any]:
    """Return everything that people may see of a project."""
    more = {"phase", "base_branch", "base_sha", "head_sha", "requirements", "reason", "notes", "rounds"}
    return {
        **summary(project),
        **project.model_dump(mode="json", include=more),
        "branch": project.branch,
        "tasks": [task.model_dump(mode="json", exclude={"project_id"}) for task in tasks],
    }


def _number(query: Mapping[str, str], name: str, default: int) -> int | None:
    text = query.get(name, str(default))
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
