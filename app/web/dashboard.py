"""The dashboard: projects and all about them as pages, for people at a browser."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from app.domain.board import EffectView, ProjectView
from app.domain.project import ProjectStatus
from app.domain.task import TaskStatus
from app.storage.board import Board
from app.web import wording
from app.web.graph import Box, drawn
from app.web.projects import BadRequest, Projects, identity_in, listed, next_page
from app.web.session import UNSET, Gate, Refused, Visitor
from app.web.timeline import timeline

STATIC = {"dashboard.css": "text/css", "dashboard.js": "text/javascript", "icon.svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Vary": "Accept, Cookie",
}
A_PAGE = 30
SHORT = 16 * 1024  # bytes of a form of a few short fields
S = ProjectStatus
GROUPS: Mapping[str, tuple[ProjectStatus, ...]] = {  # what people look for
    "At work": (S.parsing, S.planning, S.building, S.verifying),
    "Waiting for people": (S.waiting, S.open, S.paused, S.escalated),
    "Merged": (S.merged,),
    "Cancelled": (S.cancelled,),
}
MOVING = {*GROUPS["At work"]}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Link:
    """Something on GitHub that the app wrote."""

    words: str
    url: str | None
    at: datetime
    is_done: bool


class Dashboard:
    """Answers browsers."""

    def __init__(self, board: Board, gate: Gate, projects: Projects, web_url: str) -> None:
        """`web_url` is where GitHub's pages are."""
        self._board, self._gate, self._projects, self._web_url = board, gate, projects, web_url
        self._files = {name: resources.files("app.web").joinpath("static", name).read_bytes() for name in STATIC}
        self._templates = _environment(self._files)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that only browsers use."""
        return [
            web.get("/", self.home),
            web.get("/session", self._signing_in),
            web.post("/session", self._sign_in),
            web.post("/session/end", self._sign_out),
            web.get("/assets/{name}", self._asset),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Show the projects, the newest first."""
        return await self.for_people(request, self._home)

    async def project(self, request: web.Request) -> web.StreamResponse:
        """Show everything about a project."""
        return await self.for_people(request, self._project)

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Take a project that was asked for in the form, and go to it."""
        try:
            self._gate.admit(request)  # before anything is read: a stranger could send much
            fields = await request.post()
            visitor = self._gate.admit_write(request, str(fields.get("form_token", "")))
        except Refused as refusal:
            return self._refused(request, refusal)
        try:
            accepted = await self._projects.take(request)
        except BadRequest as error:
            return await self._list(request, visitor, problem=str(error), fields=fields, status=422)
        return web.Response(status=303, headers={"Location": f"/projects/{accepted.id}"})

    async def for_people(
        self, request: web.Request, page: Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Show a page to somebody who is signed in, else the way to sign in."""
        try:
            visitor = self._gate.admit(request)
        except Refused as refusal:
            return self._refused(request, refusal)
        return await page(request, visitor)

    async def _home(self, request: web.Request, visitor: Visitor) -> web.Response:
        return await self._list(request, visitor)

    async def _list(
        self, request: web.Request, visitor: Visitor, *, problem: str = "", fields: Any = None, status: int = 200
    ) -> web.Response:
        group = request.query.get("show", "")
        query = {**request.query, "limit": str(A_PAGE), "status": ",".join(GROUPS.get(group, ()))}
        try:
            found, following = await listed(self._board, query)
        except BadRequest:
            return web.Response(status=303, headers={"Location": "/"})
        counts = await self._board.counts()
        return self._page(
            "list.html", status, visitor=visitor, projects=found, problem=problem, fields=fields or {}, group=group,
            groups={name: sum(counts.get(one, 0) for one in statuses) for name, statuses in GROUPS.items()},
            total=sum(counts.values()), repository=request.query.get("repository", ""),
            older=next_page(request.query, following, path="/") if following else None,
        )  # fmt: skip

    async def _project(self, request: web.Request, visitor: Visitor) -> web.Response:
        identity = identity_in(request, "id")
        project = await self._board.project(identity) if identity else None
        if project is None:
            return self._page("missing.html", 404, visitor=visitor)
        boxes, now = _boxes(project), datetime.now(UTC)
        return self._page(
            "project.html", 200, visitor=visitor, project=project, moving=project.status in MOVING,
            across=drawn(boxes, across=True), down=drawn(boxes, across=False), time=timeline(project, now), now=now,
            repository_url=f"{self._web_url}/{project.repository}", links=self._links(project),
            names=_names(project), titles={str(task.id): task.title for task in project.tasks},
            checks=_by_commit(project), money=_money(project),
        )  # fmt: skip

    def _links(self, project: ProjectView) -> list[Link]:
        here = f"{self._web_url}/{project.repository}"
        return [_link(effect, here, project) for effect in project.effects]

    async def _signing_in(self, request: web.Request) -> web.StreamResponse:
        if not self._gate.is_open:
            return self._page("unset.html", 403, visitor=None, unset=UNSET)
        return self._page("signin.html", 200, visitor=None, said="", next=_local(request.query.get("next", "/")))

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        fields = await _short(request)
        after = _local(str(fields.get("next", "/")))
        try:
            cookie = self._gate.sign_in(request, str(fields.get("token", "")))
        except Refused as refusal:
            return self._refused(request, refusal, tried=after)
        answer = web.Response(status=303, headers={"Location": after})
        self._gate.set_cookie(request, answer, cookie)
        return answer

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        fields = await _short(request)
        try:
            self._gate.admit_write(request, str(fields.get("form_token", "")))
        except Refused as refusal:
            return self._refused(request, refusal)
        answer = web.Response(status=303, headers={"Location": "/"})
        self._gate.forget(request, answer)
        return answer

    def _refused(self, request: web.Request, refusal: Refused, tried: str | None = None) -> web.Response:
        """Send somebody to the sign-in; who has just tried to get in, on the way to `tried`, is told what is wrong."""
        if not self._gate.is_open:
            return self._page("unset.html", 403, visitor=None, unset=UNSET)
        if tried is None and refusal.status == 401:
            here = urlencode({"next": request.path_qs if request.method == "GET" else "/"})
            return web.Response(status=303, headers={"Location": f"/session?{here}", "Vary": "Accept, Cookie"})
        answer = self._page("signin.html", refusal.status, visitor=None, said=refusal.detail, next=tried or "/")
        answer.headers.update({name: value for name, value in refusal.headers.items() if name == "Retry-After"})
        return answer

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in STATIC:
            raise web.HTTPNotFound
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}  # its address changes with its content
        return web.Response(body=self._files[name], content_type=STATIC[name], headers=kept)

    def _page(self, template: str, status: int, *, visitor: Visitor | None, **values: Any) -> web.Response:
        token = self._gate.form_token(visitor) if visitor else ""
        text = self._templates.get_template(template).render(form_token=token, **values)
        return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


async def _short(request: web.Request) -> Mapping[str, Any]:
    """Return the fields of a form that anybody may send; raises `HTTPRequestEntityTooLarge`."""
    return await request.clone(client_max_size=SHORT).post()


def wants_page(request: web.Request) -> bool:
    """Tell whether a browser asks for something to look at."""
    return "text/html" in request.headers.get("Accept", "")


def _environment(files: Mapping[str, bytes]) -> Environment:
    environment = Environment(
        loader=PackageLoader("app.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    versions = {name: hashlib.sha256(text).hexdigest()[:12] for name, text in files.items()}
    environment.globals |= {
        "asset": lambda name: f"/assets/{name}?v={versions[name]}",
        "tone": wording.TONE,
        "said": wording.STATUS,
    }
    environment.filters |= {
        "duration": wording.duration,
        "usd": wording.usd,
        "count": wording.count,
        "moment": wording.moment,
        "markdown": wording.markdown,
    }
    return environment


def _boxes(project: ProjectView) -> list[Box]:
    keys = {task.id: task.key for task in project.tasks}
    return [
        Box(
            task.key,
            task.title,
            task.assigned_agent.value,
            task.status.value,
            _tries(task.attempts, task.round) if task.status is not TaskStatus.pending else "",
            tuple(keys[need] for need in task.dependencies if need in keys),
        )
        for task in project.tasks
    ]


def _names(project: ProjectView) -> dict[UUID | str, str]:
    """Return the keys of tasks by their ids, as they stand in rows and as they stand in messages."""
    return {name: task.key for task in project.tasks for name in (task.id, str(task.id))}


def _tries(attempts: int, rounds: int) -> str:
    return f"{attempts} attempts" if attempts > 1 else (f"round {rounds + 1}" if rounds else "")


def _by_commit(project: ProjectView) -> list[tuple[str, UUID | None, list[Any]]]:
    """Group the checkpoints by the commit or failed attempt that they judged, the newest first, each in their order."""
    groups: dict[tuple[str, UUID | None], list[Any]] = {}
    for check in project.checks:
        judged = check.commit_sha or f"{check.round}.{check.attempt}"
        groups.setdefault((judged, check.task_id), []).append(check)
    order = ["syntax", "types", "lint", "tests"]
    return [
        (judged, task, sorted(checks, key=lambda check: order.index(check.checkpoint)))
        for (judged, task), checks in groups.items()
    ]


def _money(project: ProjectView) -> dict[str, float]:
    """Return how wide the parts of the bar are, in thousandths of the cap."""
    cap = max(project.budget_usd, project.spent_usd + project.reserved_usd, 1e-9)
    spent = min(project.spent_usd / cap, 1.0) * 1000
    return {"spent": round(spent, 1), "reserved": round(min(project.reserved_usd / cap * 1000, 1000 - spent), 1)}


def _link(effect: EffectView, here: str, project: ProjectView) -> Link:
    kind, _, rest = effect.key.partition(".")
    outcome = effect.outcome or {}
    words, url = effect.key, None
    match kind:
        case "comment":
            words = f"Comment: {rest.partition('.')[0].replace('-', ' ')}"
            url = f"{here}/issues/{project.issue_number}#issuecomment-{outcome['id']}" if "id" in outcome else None
        case "push" if "commit" in outcome:
            branch = rest.rsplit(".", 2)[0]
            words, url = f"Pushed {branch}", f"{here}/commit/{outcome['commit']}"
        case "check":
            commit, _, name = rest.partition(".")
            words, url = f"Check run {name.split('.')[0]}", f"{here}/commit/{commit}"
        case "pull_request" if project.pull_request:
            words, url = f"Pull request #{project.pull_request.number}", project.pull_request.url
    return Link(words, url, effect.created_at, effect.done_at is not None)


def _local(path: str) -> str:
    """Return where to go on; an address elsewhere isn't gone to."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe else "/"
