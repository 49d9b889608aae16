"""Everything behind the sign-in: the projects API, its events, the dashboard."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from app.settings import Settings
from app.storage.artifacts import Artifacts
from app.storage.board import Board
from app.storage.pool import Pool
from app.storage.requests import Requests
from app.web import openapi
from app.web.artifacts import LogFiles
from app.web.dashboard import Dashboard, wants_page
from app.web.middleware import problem
from app.web.projects import FORM, Projects, identity_in
from app.web.session import Gate, Refused
from app.web.stream import Streams

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Portal:
    """Adds its routes to an application: `portal(app)`."""

    gate: Gate
    projects: Projects
    streams: Streams
    dashboard: Dashboard
    files: LogFiles

    def __call__(self, app: web.Application) -> None:
        """Serve everything, and end what is open when the server stops."""
        app.add_routes(
            [
                web.post("/projects", self._ask),
                web.get("/projects", self._listing),
                web.get("/projects/{id}", self._one),
                web.get("/projects/{id}/events", self._let_in(self._events)),
                web.get("/projects/{id}/checks/{check}/log", self._let_in(self.projects.log)),
                web.get("/projects/{id}/artifacts", self._let_in(self.files.listing)),
                web.get("/projects/{id}/artifacts/{artifact}", self._file),
                web.get("/events", self._let_in(self.streams.of_all)),
                web.get("/openapi.json", self._description),
                *self.dashboard.routes(),
            ]
        )
        app.on_shutdown.append(self._end)
        app.cleanup_ctx.append(self.files.session)

    async def _end(self, _: web.Application) -> None:
        await self.streams.close()

    def _let_in(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self.gate.admit(request)
            except Refused as refusal:
                return refused(refusal)
            return await handler(request)

        return guarded

    async def _listing(self, request: web.Request) -> web.StreamResponse:
        if wants_page(request):
            return web.Response(status=303, headers={"Location": "/", "Vary": "Accept"})
        return await self._let_in(self.projects.listing)(request)

    async def _one(self, request: web.Request) -> web.StreamResponse:
        if wants_page(request):
            return await self.dashboard.project(request)
        return await self._let_in(self.projects.one)(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if wants_page(request):
            return await self.dashboard.for_people(request, lambda asked, _: self.files.one(asked))
        return await self._let_in(self.files.one)(request)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == FORM and "Authorization" not in request.headers:
            return await self.dashboard.ask(request)
        try:
            self.gate.admit_write(request, request.headers.get("X-Form-Token", ""))
        except Refused as refusal:
            return refused(refusal)
        return await self.projects.ask(request)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        identity = identity_in(request, "id")
        if identity is None:
            return problem(404, "Not found", "There is no such project.")
        return await self.streams.of_project(request, identity)

    async def _description(self, _: web.Request) -> web.Response:
        return web.json_response(openapi.describe())


def open_portal(pool: Pool, settings: Settings) -> Portal:
    """Return the portal of an installation."""
    board = Board(pool)
    token = settings.api_token.get_secret_value().strip() if settings.api_token else ""
    gate = Gate(token or None, settings.public_url)
    projects = Projects(board, Requests(pool), settings.repositories, settings.public_url or "")
    dashboard = Dashboard(board, gate, projects, settings.github_web_url)
    return Portal(gate, projects, Streams(board), dashboard, LogFiles(Artifacts(pool), token or None))


def refused(refusal: Refused) -> web.Response:
    """Say to a program why it isn't let in."""
    titles = {401: "Unauthorized", 403: "Forbidden", 429: "Too many attempts"}
    answer = problem(refusal.status, titles[refusal.status], refusal.detail)
    answer.headers.update(refusal.headers)
    return answer
