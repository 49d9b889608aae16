"""`GET /openapi.json`: what is served, described from the models that serve it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app.domain.board import Accepted, ArtifactList, Problem, ProjectPage, ProjectRequest, ProjectView
from app.domain.project import ProjectStatus

Schema = dict[str, Any]
REF = "#/components/schemas/{model}"

IDENTITY: Schema = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
CHECK: Schema = {**IDENTITY, "name": "check"}
ARTIFACT: Schema = {**IDENTITY, "name": "artifact"}
LISTED: Sequence[Schema] = (
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}},
    {"name": "after", "in": "query", "schema": {"type": "string"}, "description": "As the `Link` header has it."},
    {"name": "repository", "in": "query", "schema": {"type": "string"}, "description": "Only this one, OWNER/NAME."},
    {
        "name": "status",
        "in": "query",
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "items": {"type": "string", "enum": list(ProjectStatus)}},
    },
)
KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key with the same body starts one project, however often it is sent.",
}
RESUME: Sequence[Schema] = (
    {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}},
    {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0}, "description": "The same."},
)


@dataclass(frozen=True)
class Operation:
    """One method of one path; `answers` are models, or media types, by status."""

    method: str
    path: str
    summary: str
    answers: dict[int, type[BaseModel] | str | None]
    parameters: Sequence[Schema] = ()
    body: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()  # of the good answer
    is_open: bool = False  # to everybody


HTML = "text/html"
OPERATIONS = (
    Operation(
        "post", "/projects", "Ask for a project: an issue is opened for it, and work begins as if a person had.",
        {202: Accepted, 401: Problem, 403: Problem, 422: Problem, 429: Problem}, (KEY,), ProjectRequest, ("Location",),
    ),
    Operation(
        "get", "/projects", "List projects, the newest first.",
        {200: ProjectPage, 400: Problem, 401: Problem, 429: Problem}, LISTED, headers=("Link",),
    ),
    Operation(
        "get", "/projects/{id}", "Read everything about a project; a browser gets its page.",
        {200: ProjectView, 401: Problem, 404: Problem, 429: Problem}, (IDENTITY,),
    ),
    Operation(
        "get", "/projects/{id}/events", "Follow a project: server-sent events, each once, after `Last-Event-ID`.",
        {200: "text/event-stream", 400: Problem, 401: Problem, 404: Problem, 429: Problem, 503: Problem},
        (IDENTITY, *RESUME),
    ),
    Operation(
        "get", "/projects/{id}/checks/{check}/log", "Read all that a checkpoint's tools wrote.",
        {200: "text/plain", 401: Problem, 404: Problem, 429: Problem}, (IDENTITY, CHECK),
    ),
    Operation(
        "get", "/projects/{id}/artifacts", "List a project's log files: build logs and agent logs, the newest first.",
        {200: ArtifactList, 401: Problem, 429: Problem}, (IDENTITY,),
    ),
    Operation(
        "get", "/projects/{id}/artifacts/{artifact}", "Read a log file, whichever worker has it.",
        {200: "text/plain", 401: Problem, 404: Problem, 429: Problem, 503: Problem}, (IDENTITY, ARTIFACT),
    ),
    Operation(
        "get", "/events", "Hear `changed` whenever anything changes in any project.",
        {200: "text/event-stream", 401: Problem, 429: Problem, 503: Problem},
    ),
    Operation("get", "/openapi.json", "Read this.", {200: "application/json"}, is_open=True),
)  # fmt: skip


def describe() -> Schema:
    """Return the description, in OpenAPI 3.1."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (ProjectRequest, "validation"),
        *((model, "serialization") for model in (Accepted, ArtifactList, Problem, ProjectPage, ProjectView)),
    ]
    _, definitions = models_json_schema(models, ref_template=REF)
    paths: Schema = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AURORA-DEV", "version": "1", "description": "What programs can read and ask for."},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The operator's AURORA_API_TOKEN."},
                "session": {"type": "apiKey", "in": "cookie", "name": "aurora-session-PORT"},
            },
        },
    }


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "summary": operation.summary,
        "operationId": f"{operation.method}{''.join(part.strip('{}').title() for part in operation.path.split('/'))}",
        "responses": {str(status): _answer(operation, status) for status in operation.answers},
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    if operation.is_open:
        described["security"] = []
    return described


MEANINGS = {
    200: "As asked for.", 202: "Stored; it will be opened.", 400: "A parameter can't be used.",
    401: "The token is missing or wrong.", 403: "It didn't come from a page of this site.",
    404: "There is no such thing.", 422: "What was sent can't be used.", 429: "Too many wrong tokens.",
    503: "Too many connections, or the worker is away.",
}  # fmt: skip


def _answer(operation: Operation, status: int) -> Schema:
    answer: Schema = {"description": MEANINGS[status]}
    kind = operation.answers[status]
    if kind is not None:
        answer["content"] = _content(kind)
    if operation.headers and status < 300:
        answer["headers"] = {name: {"schema": {"type": "string"}} for name in operation.headers}
    return answer


def _content(kind: type[BaseModel] | str) -> Schema:
    if isinstance(kind, str):
        return {kind: {"schema": {} if kind == "application/json" else {"type": "string"}}}
    media = "application/problem+json" if kind is Problem else "application/json"
    return {media: {"schema": {"$ref": REF.format(model=kind.__name__)}}}
