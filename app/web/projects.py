"""`/projects` for programs: ask for one, list them, read everything about one."""

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Protocol
from urllib.parse import urlencode
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import BaseModel, ValidationError

from app.domain.board import Accepted, ProjectLine, ProjectPage, ProjectRequest, ProjectView
from app.domain.project import ProjectStatus
from app.storage.board import Position
from app.storage.requests import KeyTaken
from app.web.middleware import problem

MOST = 100
USUAL = 50
FORM = "application/x-www-form-urlencoded"
LARGEST = 256 * 1024  # bytes of a request
KEY = re.compile(r"[\x21-\x7e]{1,255}")
ADDRESS = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


class BoardReader(Protocol):
    """Reads what is known of projects."""

    async def page(
        self, limit: int, after: Position | None, repository: str | None, statuses: Collection[ProjectStatus]
    ) -> list[ProjectLine]: ...
    async def project(self, identity: UUID) -> ProjectView | None: ...
    async def log(self, project: UUID, check: UUID) -> str | None: ...


class RequestStore(Protocol):
    """Keeps what is asked for."""

    async def store(self, identity: UUID, key: str | None, request: ProjectRequest) -> UUID:
        """Keep a request and return its id, an earlier one's where the key is known; raises `KeyTaken`."""
        ...


class BadRequest(Exception):
    """What was sent can't be used, in a sentence."""


class Projects:
    """Answers programs; who may ask is settled before."""

    def __init__(
        self, board: BoardReader, requests: RequestStore, repositories: tuple[str, ...] = (), public_url: str = ""
    ) -> None:
        """`repositories` are the only ones to work in, `OWNER/NAME` or `OWNER/*`; none: all."""
        self._board, self._requests = board, requests
        self._repositories, self._public_url = repositories, public_url

    async def ask(self, request: web.Request) -> web.Response:
        """Store a project that is asked for; its issue is opened from there."""
        try:
            accepted = await self.take(request)
        except BadRequest as error:
            return problem(422, "The project can't be started", str(error))
        return answered(accepted, status=202, headers={"Location": f"/projects/{accepted.id}"})

    async def take(self, request: web.Request) -> Accepted:
        """Store what a program or a form asks for; raises `BadRequest`."""
        wanted = await self._wanted(request)
        try:
            identity = await self._requests.store(uuid4(), _key(request), wanted)
        except KeyTaken:
            raise BadRequest("The Idempotency-Key was used for another project.") from None
        return Accepted(id=identity, url=f"{self._public_url}/projects/{identity}")

    async def listing(self, request: web.Request) -> web.Response:
        """Return a page of projects, the newest first."""
        try:
            found, following = await listed(self._board, request.query)
        except BadRequest as error:
            return problem(400, "Bad request", str(error))
        url = next_page(request.query, following) if following else None
        answer = answered(ProjectPage(projects=tuple(found), next=url))
        if url:
            answer.headers["Link"] = f'<{url}>; rel="next"'
        return answer

    async def one(self, request: web.Request) -> web.Response:
        """Return everything about a project."""
        identity = identity_in(request, "id")
        found = await self._board.project(identity) if identity else None
        return answered(found) if found else problem(404, "Not found", "There is no such project.")

    async def log(self, request: web.Request) -> web.Response:
        """Return the whole output of a checkpoint, as text."""
        project, check = identity_in(request, "id"), identity_in(request, "check")
        text = await self._board.log(project, check) if project and check else None
        if text is None:
            return problem(404, "Not found", "There is no such log; logs are kept for a limited time.")
        return web.Response(text=text, content_type="text/plain")

    async def _wanted(self, request: web.Request) -> ProjectRequest:
        if (request.content_length or 0) > LARGEST:
            raise BadRequest("The request is too long: an issue holds 65,536 characters.")
        try:
            wanted = ProjectRequest.model_validate(await fields_of(request))
        except ValidationError as error:
            raise BadRequest(_sentence(error)) from None
        if self._repositories and not any(
            fnmatchcase(wanted.repository.lower(), one.lower()) for one in self._repositories
        ):
            raise BadRequest(f"{wanted.repository} isn't among the repositories that AURORA_REPOSITORIES allows.")
        return wanted


async def fields_of(request: web.Request) -> Mapping[str, object]:
    """Return the fields of a JSON object or of a form; raises `BadRequest`.

    `curl -d '{…}'` calls JSON a form.
    """
    if request.content_type == FORM and not (await request.read()).lstrip().startswith(b"{"):
        return {name: str(value) for name, value in (await request.post()).items() if name != "form_token"}
    try:
        fields = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise BadRequest('The body isn\'t JSON, such as {"repository": "OWNER/NAME", "text": "…"}.') from None
    if not isinstance(fields, dict):
        raise BadRequest("The body isn't a JSON object.")
    return fields


def answered(value: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a value as JSON that nobody keeps."""
    kept = {"Cache-Control": "no-store", "Vary": "Accept, Authorization, Cookie"}
    return web.Response(
        text=value.model_dump_json(),
        status=status,
        content_type="application/json",
        headers={**kept, **(headers or {})},
    )


async def listed(board: BoardReader, query: Mapping[str, str]) -> tuple[list[ProjectLine], ProjectLine | None]:
    """Return a page of projects, and its last one where more follow; raises `BadRequest`."""
    limit, after, repository, statuses = _asked(query)
    found = await board.page(limit + 1, after, repository, statuses)
    return found[:limit], found[limit - 1] if len(found) > limit else None


def next_page(query: Mapping[str, str], last: ProjectLine, path: str = "/projects") -> str:
    """Return the address of the page that follows a project."""
    position = base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode().rstrip("=")
    kept = [(name, value) for name, value in query.items() if name != "after"]
    return f"{path}?{urlencode([*kept, ('after', position)])}"


def identity_in(request: web.Request, name: str) -> UUID | None:
    """Return the id in a path, if it is one."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        return None


Asked = tuple[int, Position | None, str | None, tuple[ProjectStatus, ...]]


def _asked(query: Mapping[str, str]) -> Asked:
    limit, repository = query.get("limit", str(USUAL)), query.get("repository") or None
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MOST):
        raise BadRequest(f"limit is a number from 1 to {MOST}.")
    if repository is not None and not ADDRESS.fullmatch(repository):
        raise BadRequest("repository is OWNER/NAME.")
    return int(limit), _position(query.get("after")), repository, statuses_of(query.get("status", ""))


def statuses_of(text: str) -> tuple[ProjectStatus, ...]:
    """Return the statuses that are named, separated by commas; raises `BadRequest`."""
    names = [name for name in text.split(",") if name]
    if strange := [name for name in names if name not in ProjectStatus.__members__]:
        raise BadRequest(f"There is no status {strange[0][:40]}; there are {', '.join(ProjectStatus)}.")
    return tuple(ProjectStatus(name) for name in names)


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        at, identity = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split()
        return Position(datetime.fromisoformat(at), UUID(identity))
    except (ValueError, binascii.Error):
        raise BadRequest("after isn't the position of a page: follow the Link header.") from None


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise BadRequest("Idempotency-Key is up to 255 visible characters.")
    return key


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"])) or "The body"
    meaning = {"repository": "it is OWNER/NAME", "requested_by": "it is a GitHub login"}.get(name)
    match first["type"]:
        case "missing":
            return f"{name} is missing."
        case "extra_forbidden":
            return f"{name} isn't a field of a project: there are {', '.join(ProjectRequest.model_fields)}."
        case "string_pattern_mismatch" if meaning:
            return f"{name} can't be used: {meaning}."
    return f"{name} can't be used: {first['msg'][0].lower()}{first['msg'][1:]}."
